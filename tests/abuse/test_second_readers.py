"""What we send is read by nginx and by haproxy as we meant it: so many requests, these methods, targets and bodies."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proxy.gateway.route import Route
from tests.abuse.case import LONG, cases, filled
from tests.abuse.second_readers import READERS, is_installed, second_reader
from tests.abuse.wire import exchange
from tests.raw_upstream import RawUpstream
from tests.served import CANARY, Holding, Served, provider, serve

COUNT = 300


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if not is_installed(name):
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed, and CI is to have it")
        pytest.skip(f"{name} is not installed here")
    return name


@dataclass(frozen=True)
class Sent:
    """A request and how it goes out: `pieces` are the sizes of its chunks, none for a Content-Length."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    pieces: tuple[int, ...]

    def octets(self, host: str) -> bytes:
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        if self.pieces:
            head = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode("latin-1")
            return head + b"".join(self._chunks()) + b"0\r\n\r\n"
        length = [f"Content-Length: {len(self.body)}"] if self.body or self.method in ("POST", "PUT") else []
        return "\r\n".join([*lines, *length, "", ""]).encode("latin-1") + self.body

    def _chunks(self) -> Iterator[bytes]:
        at, turn = 0, 0
        while at < len(self.body):
            piece = self.body[at : at + self.pieces[turn % len(self.pieces)]]
            yield b"%x;a=b\r\n%b\r\n" % (len(piece), piece) if turn % 2 else b"%X\r\n%b\r\n" % (len(piece), piece)
            at, turn = at + len(piece), turn + 1


# nginx resolves these in a target that it passes on as it came, only to choose a location; all are its own business.
_PATH = st.text("abcXYZ019-._~!$&'()*+,;=:@", max_size=12).filter(lambda text: set(text) - {"."} or not text)
_ESCAPED = st.sampled_from(["%20", "%C3%A9", "%7e", "%7E", "%3F", "%23", "%3a", "%5B"])
_SEGMENT = st.lists(st.one_of(_PATH.filter(bool), _ESCAPED), min_size=1, max_size=3).map("".join)
_TARGETS = st.builds(
    lambda segments, query: "/" + "/".join(segments) + query,
    st.lists(_SEGMENT.filter(lambda text: text.partition(";")[0] not in (".", "..")), min_size=1, max_size=4),
    st.sampled_from(["", "?", "?a=1&a=2&&", "?%0d%0a", "?q=%2F../..//", "?[]{}|^`", "?a;b=c?d"]),
)
_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "X-A",
                "x-b",
                "Accept",
                "Cookie",
                "Content-Type",
                "Transfer_Encoding",
                "Content_Length",
                "TE",
                "Connection",
            ]
        ),
        st.sampled_from(["", "a", "chunked", "5", "a, b", "keep-alive", "a:b", '"q"', "X-A", "\xe9"]),
    ),
    max_size=5,
)
_BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"0\r\n\r\n",
            b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            bytes(70_000),
        ]
    ),
)
REQUESTS = st.builds(
    Sent,
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]),
    _TARGETS,
    _FIELDS.map(tuple),
    _BODIES,
    st.one_of(st.just(()), st.lists(st.integers(1, 50_000), min_size=1, max_size=3).map(tuple)),
)


def made() -> list[Sent]:
    """The same requests each time, made by Hypothesis."""
    found: list[Sent] = []

    @settings(
        max_examples=COUNT,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(REQUESTS)
    def collect(sent: Sent) -> None:
        found.append(sent)

    collect()
    return found


async def gone_through(proxy: Served, behind: RawUpstream, octets: bytes, method: str, count: int = 1) -> int:
    behind.requests.clear()
    done = await exchange(proxy.port, [octets], method, count)
    assert done.writer is not None
    done.writer.close()
    return done.answers[0].status if done.answers else 0


@pytest.mark.parametrize("is_held", [False, True])
async def test_each_request_is_read_as_one_with_its_own_target_and_body(reader: str, is_held: bool) -> None:
    """Streamed, and held for a signature."""
    async with second_reader(reader) as (url, behind):
        scheme = Holding() if is_held else None
        async with serve(Route.to(provider(url, scheme), "/r")) as proxy:
            host = f"127.0.0.1:{proxy.port}"
            passed = 0
            for sent in made():
                octets = Sent(sent.method, "/r" + sent.target, sent.fields, sent.body, sent.pieces).octets(host)
                status = await gone_through(proxy, behind, octets, sent.method)
                if status in (400, 502, 504) and not behind.requests:
                    continue  # Refused by us, or by the reader: nobody was misled.
                (received,) = behind.requests
                line = received.line.split(" ")
                assert line[:2] == [sent.method, sent.target], sent
                assert received.body == sent.body, sent
                assert received.values("authorization") == [f"Bearer {CANARY}"], sent
                passed += 1
            assert passed > COUNT * 2 // 3


async def test_no_hostile_case_is_read_as_two(reader: str) -> None:
    """All cases without an answer of their own, pipelined behind nothing and before an ordinary request."""
    async with second_reader(reader) as (url, behind), serve(Route.to(provider(url + "/v1"), "/r")) as proxy:
        places = {
            "host": f"127.0.0.1:{proxy.port}", "port": str(proxy.port), "prefix": "/r", "base": "/v1", "token": "",
            "credential": CANARY, "evil": "127.0.0.1:9", "echo": "ECHO", "vendor": "127.0.0.1:9", **LONG,
        }  # fmt: skip
        for case in cases():
            if case.answer is not None or case.needs_token:
                continue
            octets = filled(case.request, places).encode("latin-1")
            expected = 0 if case.passed is None else int(case.passed.get("count", 1))
            method = octets.partition(b" ")[0].decode("latin-1")
            await gone_through(proxy, behind, octets, method, max(expected, 1))
            # Of what breaks off in its body the reader may pass the head on, and that late.
            assert sum(request.is_whole for request in behind.requests) <= expected, case.name
            assert all(request.target.startswith("/v1") for request in behind.requests), case.name
            for request in behind.requests:
                assert request.values("authorization") == [f"Bearer {CANARY}"], case.name


async def test_requests_on_one_connection_stay_apart(reader: str) -> None:
    """Two hundred, pipelined in random order and framing."""
    rng = random.Random(7)
    async with second_reader(reader) as (url, behind), serve(Route.to(provider(url), "/r")) as proxy:
        host = f"127.0.0.1:{proxy.port}"
        sent = [
            Sent(
                rng.choice(["GET", "POST", "DELETE"]),
                f"/r/{number}",
                (),
                rng.randbytes(rng.choice([0, 5, 3000])),
                pieces,
            )
            for number in range(200)
            for pieces in [rng.choice([(), (1000,)])]
        ]
        done = await exchange(proxy.port, [b"".join(one.octets(host) for one in sent)], "GET", len(sent))
        assert done.writer is not None
        done.writer.close()
        assert [answer.status for answer in done.answers] == [200] * 200
    assert [(request.target, request.body) for request in behind.requests] == [
        (one.target.removeprefix("/r"), one.body) for one in sent
    ]
