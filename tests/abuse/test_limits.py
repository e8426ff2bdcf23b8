"""docs/LIMITS.md: each number is the code's, and each row has a test that the limit works."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.admin import authority, events
from proxy.admin import connections as admin
from proxy.config import command, sources, syntax, yaml12
from proxy.config.load import load
from proxy.config.models import ProviderSettings, RouteSettings, ServerSettings
from proxy.config.problems import ConfigError
from proxy.errors import UpstreamProtocolError
from proxy.gateway import body, caller, headers, held_body, inspection
from proxy.gateway.held_body import Room
from proxy.gateway.route import Provider, Route
from proxy.journal.journal import MOST_KEPT
from proxy.tokens import answer_document, backoff, lifetime, login
from proxy.tokens.failure import LoginUnavailable
from proxy.tokens.grant import LONGEST_TOKEN, TokenFields, is_usable_token, read_grant
from proxy.tokens.token import TokenPolicy
from proxy.upstream import connection, once, pool
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.wire import incoming
from tests.abuse.test_public_cases import TESTS, functions_of
from tests.abuse.test_slow_peers import Leaping
from tests.clock import FakeClock
from tests.proxied import proxied
from tests.raw_upstream import RawUpstream
from tests.served import Fixed, Holding, Inspecting, Served, provider, serve, status

PAGE = Path(__file__).parents[2] / "docs" / "LIMITS.md"
HERE = "abuse/test_limits.py::"
_SLOW = "abuse/test_slow_peers.py::"
_KEY = "CANARY-of-the-limits-31c7"


def octets(number: int) -> str:
    for size, unit in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if number % size == 0:
            return f"{number // size} {unit}"
    return f"{number} bytes"


def seconds(number: float) -> str:
    return f"{number:g} s"


def default(settings: type, name: str) -> Any:
    return settings.__dataclass_fields__[name].default  # type: ignore[attr-defined]


# What -> the number as the page has it, and the tests that show it at work.
LIMITS: dict[str, tuple[str, str]] = {
    "request target": (octets(caller.MAX_TARGET), HERE + "test_a_request_at_the_limit_passes_and_one_beyond_it_does_not"),
    "one header field's value": (octets(caller.MAX_FIELD), HERE + "test_a_request_at_the_limit_passes_and_one_beyond_it_does_not"),
    "header fields of a request": (str(caller.MAX_FIELDS), HERE + "test_a_request_at_the_limit_passes_and_one_beyond_it_does_not"),
    "whole head of a request": (octets(caller.MAX_HEAD), HERE + "test_a_request_at_the_limit_passes_and_one_beyond_it_does_not"),
    "digits of a Content-Length": (str(headers.LONGEST_LENGTH), HERE + "test_a_request_at_the_limit_passes_and_one_beyond_it_does_not"),
    "time for a head, or between two requests": (seconds(caller.HEAD_SECONDS), _SLOW + "test_slow_headers_are_hung_up_on_and_others_served_meanwhile"),
    "pause within a caller's body": (seconds(body.IDLE_SECONDS), _SLOW + "test_a_body_that_does_not_come_is_a_408"),
    "body": ("else none" if default(RouteSettings, "max_body") is None else "?", HERE + "test_a_body_at_the_limit_passes_and_one_beyond_it_does_not"),
    "body that a signature covers": (octets(body.HELD_LIMIT), "integration/test_facts_wyre.py::test_a_body_over_16_mib_is_refused_with_or_without_length_and_nothing_is_sent"),
    "of a body, kept for a second attempt": (octets(body.REPLAY_LIMIT), HERE + "test_a_body_within_the_limit_is_sent_again_and_a_longer_one_is_not"),
    "bodies in memory, of all requests together": (octets(held_body.ROOM), HERE + "test_when_there_is_no_room_for_another_body_its_caller_is_told_to_come_again"),
    "of a body on its way, in either direction": (octets(incoming.HIGH_WATER), _SLOW + "test_a_large_answer_to_a_slow_caller_occupies_no_memory"),
    "requests ahead on one connection": (octets(caller.MOST_AHEAD), "integration/test_gateway_faults.py::test_a_caller_who_pipelines_and_never_reads_is_not_answered_on_and_on"),
    "a caller who takes nothing of its answer": (seconds(caller.STALLED_SECONDS), _SLOW + "test_a_caller_who_takes_nothing_of_an_answer_is_given_up_in_the_end"),
    "connections of callers": (str(default(ServerSettings, "max_connections")), "abuse/test_crowds.py::test_more_callers_than_the_limit_are_told_to_come_again"),
    "one header field of an answer, name and value": (octets(connection.MAX_LINE), HERE + "test_an_answer_at_the_limit_passes_and_one_beyond_it_does_not"),
    "header fields of an answer": (str(connection.MAX_FIELDS), HERE + "test_an_answer_at_the_limit_passes_and_one_beyond_it_does_not"),
    "whole head of an answer": (octets(connection.MAX_HEAD), HERE + "test_an_answer_at_the_limit_passes_and_one_beyond_it_does_not"),
    "interim answers before the answer": (str(connection.MAX_INTERIM), HERE + "test_an_answer_at_the_limit_passes_and_one_beyond_it_does_not"),
    "of an answer looked into for errors": (octets(inspection.LIMIT), HERE + "test_an_answer_within_the_limit_is_looked_into_and_a_longer_one_passes_unseen"),
    "time for an answer, and between its parts": (seconds(default(RouteSettings, "timeout")), "integration/test_faults_network.py::test_a_vendor_that_falls_silent_costs_the_time_out_and_no_repetition"),
    "connecting": (seconds(default(ProviderSettings, "connect_timeout")), HERE + "test_a_vendor_that_accepts_nobody_is_given_up"),
    "requests under way at a provider": (str(pool.MAX_CONNECTIONS), "integration/test_gateway_limits.py::test_whoever_comes_too_many_waits_for_a_connection_and_uses_it_again"),
    "requests that wait for their turn": (str(pool.MAX_WAITING), "integration/test_gateway_limits.py::test_whoever_finds_the_queue_full_is_told_to_come_again"),
    "WebSockets of a provider": (str(pool.MAX_TUNNELS), HERE + "test_a_tunnel_too_many_is_refused"),
    "connections kept idle for a provider": (str(pool.MAX_IDLE_CONNECTIONS), "integration/test_gateway_limits.py::test_a_fresh_connection_is_kept_in_the_place_of_the_oldest"),
    "answer of a login endpoint": (octets(once.LIMIT), HERE + "test_a_login_answer_at_the_limit_is_read_and_a_longer_one_is_not"),
    "depth of its JSON": (str(answer_document.DEEPEST), HERE + "test_what_a_login_may_answer"),
    "token": (f"{LONGEST_TOKEN} characters", HERE + "test_what_a_login_may_answer"),
    "time for a login": (seconds(login.LONGEST_LOGIN), HERE + "test_a_login_takes_no_longer_than_it_may"),
    "lifetime that is believed": (f"{lifetime.LONGEST_LIFETIME / 86_400:g} days", HERE + "test_what_a_login_may_answer"),
    "refused logins of a credential in an hour": (str(backoff.REFUSALS_AN_HOUR), "unit/test_token_credential.py::test_a_bad_secret_costs_five_logins_an_hour_however_many_ask"),
    "connections to the admin pages": (str(admin.MAX_CONNECTIONS), HERE + "test_whoever_comes_too_many_to_the_admin_pages_is_hung_up_on"),
    "time for a head of theirs": (seconds(admin.HEAD_SECONDS), HERE + "test_whoever_is_slow_to_ask_for_an_admin_page_is_hung_up_on"),
    "status pages that are open": (str(events.MOST_PAGES), "integration/test_admin_events.py::test_beyond_so_many_pages_one_more_is_turned_away_until_another_leaves"),
    "requests that a status page can look back at": (str(MOST_KEPT), "unit/test_news.py::test_what_waits_for_pages_is_bounded_however_many_there_are"),
    "sessions of status pages": (str(authority.MOST_SESSIONS), "unit/test_admin_authority.py::test_of_many_sessions_the_oldest_end"),
    "configuration file": (octets(syntax.MAX_BYTES), HERE + "test_a_configuration_at_the_limit_is_read_and_one_beyond_it_is_not"),
    "depth of its YAML": (str(yaml12.MAX_DEPTH), HERE + "test_a_configuration_at_the_limit_is_read_and_one_beyond_it_is_not"),
    "file of a secret": (octets(sources.MAX_FILE), HERE + "test_a_configuration_at_the_limit_is_read_and_one_beyond_it_is_not"),
    "output of a command that prints a secret": (octets(command.MAX_OUTPUT), HERE + "test_a_configuration_at_the_limit_is_read_and_one_beyond_it_is_not"),
    "time for such a command": (seconds(default(sources.Sources, "command_timeout")), "unit/test_config_secrets.py::test_a_slow_command_is_ended_with_all_it_started"),
}  # fmt: skip


def rows() -> dict[str, str]:
    """What -> its limit, as the page has them."""
    lines = re.findall(r"^\| (.+?) \| (.+?) \| .+? \|$", PAGE.read_text(), re.MULTILINE)
    return {what: limit for what, limit in lines if what not in ("what", "---")}


def test_the_page_has_every_limit_and_no_other() -> None:
    assert rows().keys() == LIMITS.keys()


@pytest.mark.parametrize("what", LIMITS)
def test_a_number_is_the_codes_own_and_has_a_test(what: str) -> None:
    number, test = LIMITS[what]
    assert re.search(rf"(?<!\d){re.escape(number)}\b", rows()[what]), rows()[what]
    path, _, name = test.partition("::")
    assert name in functions_of(TESTS / path)


# --- Over the wire ------------------------------------------------------------------------------------


def padded(proxy: Served, size: int) -> list[str]:
    """Fields that make a whole head of GET /a/x so many bytes long."""
    head = f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nConnection: close\r\n\r\n"
    left, fields = size - len(head), []
    while left > 2000:
        fields.append("X-A: " + "a" * 993)
        left -= 1000
    return [*fields, "X-B: " + "b" * (left - 7)]


REQUESTS: dict[str, tuple[int, int, Callable[[Served, int], tuple[str, list[str]]]]] = {
    "target": (caller.MAX_TARGET, 414, lambda _, n: ("GET /a/" + "x" * (n - 3), [])),
    "value": (caller.MAX_FIELD, 431, lambda _, n: ("GET /a/x", ["X-A: " + "a" * n])),
    # Beside Host and Connection.
    "fields": (caller.MAX_FIELDS, 400, lambda _, n: ("GET /a/x", ["X-A: a"] * (n - 2))),
    "head": (caller.MAX_HEAD, 431, lambda proxy, n: ("GET /a/x", padded(proxy, n))),
    "digits": (headers.LONGEST_LENGTH, 400, lambda _, n: ("POST /a/x", ["Content-Length: " + "0" * n])),
}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_request_at_the_limit_passes_and_one_beyond_it_does_not(kind: str) -> None:
    limit, refused, made = REQUESTS[kind]
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for size, expected in ((limit, 200), (limit + 1, refused), (limit * 3, refused), (limit, 200)):
            line, fields = made(proxy, size)
            assert status(await proxy.ask(line, *fields)) == expected, size
    assert len(vendor.requests) == 2


async def test_a_kept_connection_has_the_whole_head_to_spend_on_each_request() -> None:
    """Heads that were read before, and empty lines before them, are counted for themselves."""
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        one = f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nX-A: {'a' * 1000}\r\n".encode()
        octets_sent = (b"\r\n" * 500 + one + b"\r\n") * 99 + one + b"Connection: close\r\n\r\n"
        assert len(octets_sent) > 2 * caller.MAX_HEAD
        assert (await proxy.send(octets_sent)).count(b"HTTP/1.1 200 OK\r\n") == 100


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_at_the_limit_passes_and_one_beyond_it_does_not(framing: str) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a", max_body=1000)) as proxy:
        for size, expected in ((1000, 200), (1001, 413)):
            octets_sent = b"x" * size
            if framing == "length":
                answer = await proxy.ask("POST /a/x", f"Content-Length: {size}", body=octets_sent)
            else:
                chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (size, octets_sent)
                answer = await proxy.ask("POST /a/x", "Transfer-Encoding: chunked", body=chunked)
            assert status(answer) == expected
    assert [len(received.body) for received in vendor.requests][:1] == [1000]


async def test_a_body_beyond_the_limit_is_not_waited_for_until_its_end() -> None:
    """Which may never come."""
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a", max_body=1000)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        fields = f"Host: 127.0.0.1:{proxy.port}\r\nTransfer-Encoding: chunked"
        writer.write(f"POST /a/x HTTP/1.1\r\n{fields}\r\n\r\n3e9\r\n".encode() + b"x" * 1001)
        async with asyncio.timeout(5):
            assert status(await reader.readuntil(b"\r\n\r\n")) == 413
        writer.close()


async def test_a_body_within_the_limit_is_sent_again_and_a_longer_one_is_not() -> None:
    dead = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for size, expected in ((body.REPLAY_LIMIT, 200), (body.REPLAY_LIMIT + 1, 401)):
        scheme = Fixed(dead_status=401)
        async with (
            RawUpstream(answers=[dead, ok]) as vendor,
            serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy,
        ):
            answer = await proxy.ask("POST /a/x", f"Content-Length: {size}", body=bytes(size))
            assert status(answer) == expected
        assert {len(received.body) for received in vendor.requests} == {size}


async def test_when_there_is_no_room_for_another_body_its_caller_is_told_to_come_again() -> None:
    go_on = asyncio.Event()

    async def respond(received: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(600)
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url, Holding()), "/a")) as proxy:
        proxy.gateway.room = Room(1000)
        first = asyncio.create_task(proxy.ask("POST /a/x", "Content-Length: 600", body=b"a" * 600))
        while not vendor.requests:
            await asyncio.sleep(0.001)
        second = await proxy.ask("POST /a/x", "Content-Length: 600", body=b"b" * 600)
        assert status(second) == 503
        assert b"\r\nRetry-After: 1\r\n" in second and b"no_room_for_body" in second
        go_on.set()
        assert status(await first) == 200
        for _ in range(3):  # What was taken has been given back, each time.
            assert status(await proxy.ask("POST /a/x", "Content-Length: 600", body=b"c" * 600)) == 200
    assert len(vendor.requests) == 4


def answered(head: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok".encode()


def answer_of(size: int) -> bytes:
    """One whose whole head is so many bytes long."""
    left = size - len(answered("")) + 2
    return answered(
        ("X-A: " + "a" * 9993 + "\r\n") * (left // 10_000 - 1) + "X-B: " + "b" * (left % 10_000 + 9993) + "\r\n"
    )


ANSWERS: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "field": (connection.MAX_LINE, lambda n: answered("X-A: " + "a" * (n - 3) + "\r\n")),
    "fields": (connection.MAX_FIELDS, lambda n: answered("X-A: a\r\n" * (n - 1))),
    "head": (connection.MAX_HEAD, answer_of),
    "interim": (connection.MAX_INTERIM, lambda n: b"HTTP/1.1 103 Early Hints\r\n\r\n" * n + answered("")),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_answer_at_the_limit_passes_and_one_beyond_it_does_not(kind: str) -> None:
    limit, made = ANSWERS[kind]
    for size, expected in ((limit, 200), (limit + 1, 502), (limit * 3, 502)):
        async with RawUpstream(answers=[made(size)]) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
            assert status(await proxy.ask("GET /a/x")) == expected, size


async def test_an_answer_within_the_limit_is_looked_into_and_a_longer_one_passes_unseen() -> None:
    for size, is_seen in ((inspection.LIMIT, True), (inspection.LIMIT + 1, False)):
        scheme, text = Inspecting(dead_status=999), b'"' + b"a" * (size - 2) + b'"'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
        async with (
            RawUpstream(answers=[head + text]) as vendor,
            serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy,
        ):
            assert (await proxy.ask("GET /a/x")).endswith(text)
        assert [judged.body for judged in scheme.judged] == [text if is_seen else None]


async def test_a_vendor_that_accepts_nobody_is_given_up() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with ExitStack() as stack:
            for _ in range(4):  # The kernel's queue for it is full.
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            origin, _ = split_url(f"http://127.0.0.1:{port}")
            vendor = Provider("acme", origin, "", Fixed(), pool.UpstreamPool(Dialer(origin, None, 0.2)))
            async with serve(Route.to(vendor, "/a")) as proxy:
                assert status(await proxy.ask("GET /a/x")) == 504


async def test_a_tunnel_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_TUNNELS", 0)  # Or a thousand would have to be opened.
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        handshake = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
        asked = [f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}", "Connection: Upgrade", *handshake, "", ""]
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write("\r\n".join(asked).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert status(answer) == 503 and b"upstream_busy" in answer
        writer.close()
    assert vendor.connections == 0


# --- Logins -------------------------------------------------------------------------------------------


async def test_a_login_answer_at_the_limit_is_read_and_a_longer_one_is_not() -> None:
    for size, is_read in ((once.LIMIT, True), (once.LIMIT + 1, False)):
        text = b'{"access_token":"t"' + b" " * (size - 20) + b"}"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
        async with RawUpstream(answers=[head + text]) as endpoint:
            try:
                answer = await once.fetch_once(
                    endpoint.url + "/token", "POST", [], b"", tls=None, connect_timeout=5, seconds=5
                )
                assert is_read and read_grant(answer.body, TokenFields(), TokenPolicy(), FakeClock())
            except UpstreamProtocolError:
                assert not is_read


def test_what_a_login_may_answer() -> None:
    assert is_usable_token("t" * LONGEST_TOKEN) and not is_usable_token("t" * (LONGEST_TOKEN + 1))
    deepest = answer_document.DEEPEST
    answer_document.parse_document("[" * deepest + "]" * deepest)
    with pytest.raises(ValueError):
        answer_document.parse_document("[" * (deepest + 1) + "]" * (deepest + 1))
    longest = lifetime.LONGEST_LIFETIME
    assert [lifetime.stated_lifetime(stated, 0.0) for stated in (longest, longest + 1)] == [longest, longest]


async def test_a_login_takes_no_longer_than_it_may() -> None:
    class Silent:
        async def send(self, call: login.LoginCall) -> login.LoginAnswer:
            await asyncio.Event().wait()
            raise AssertionError

    clock = Leaping()
    call = login.LoginCall("POST", "https://id.test/token", (), b"")
    asking = asyncio.create_task(login.log_in(Silent(), call, TokenFields(), TokenPolicy(), FakeClock()))
    await asyncio.sleep(0)
    await clock.leap(login.LONGEST_LOGIN - 1)
    assert not asking.done()
    await clock.leap(2)
    with pytest.raises(LoginUnavailable):
        await asyncio.wait_for(asking, 5)


# --- Admin pages and configuration --------------------------------------------------------------------


async def test_whoever_comes_too_many_to_the_admin_pages_is_hung_up_on() -> None:
    async with admin_pages() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(admin.MAX_CONNECTIONS)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await hung_up(reader)
        writer.close()
        held[-1][1].close()
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        for _, one in [*held, (reader, writer)]:
            one.close()


async def test_whoever_is_slow_to_ask_for_an_admin_page_is_hung_up_on() -> None:
    clock = Leaping()
    async with admin_pages() as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        slow[1][1].write(b"GET /livez HTTP/1.1\r\nHost: ")
        await asyncio.sleep(0.1)
        await clock.leap(admin.HEAD_SECONDS + 1)
        for reader, writer in slow:
            assert await hung_up(reader)
            writer.close()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(5):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def admin_pages() -> AsyncIterator[int]:
    static = {"scheme": "static", "headers": {"X-Key": {"value": _KEY}}}
    providers = {"a": {"base_url": "http://127.0.0.1:1", "auth": static}}
    async with proxied(providers, {"/a": "a"}) as proxy:
        yield int(str(proxy.app.admin_address).rpartition(":")[2])


def test_a_configuration_at_the_limit_is_read_and_one_beyond_it_is_not(tmp_path: Path) -> None:
    path, secret, talks = tmp_path / "authproxy.yaml", tmp_path / "secret", tmp_path / "talks"

    def is_read(text: str, *, file: int = 9, output: int = 9) -> bool:
        path.write_text(text)
        secret.write_text("s" * file)
        secret.chmod(0o600)
        talks.write_text(f"print('s' * {output}, end='')")
        try:
            load(path, {})
        except ConfigError:
            return False
        return True

    def config(deep: str = "x") -> str:
        headers = f"{{A: {{file: secret}}, B: {{exec: [{sys.executable}, '{talks}']}}}}"
        auth = f"{{scheme: token_exchange, login: {{path: /t, json: {deep}}}, variables: {{}}, headers: {headers}}}"
        return f"providers: {{a: {{base_url: 'https://a.test', auth: {auth}}}}}\nroutes: {{/a: a}}\n"

    assert is_read(config())
    for size, fits in ((syntax.MAX_BYTES, True), (syntax.MAX_BYTES + 1, False)):
        assert is_read(config() + "#" * (size - len(config()))) is fits
    for size, fits in ((sources.MAX_FILE, True), (sources.MAX_FILE + 1, False)):
        assert is_read(config(), file=size) is fits
    for size, fits in ((command.MAX_OUTPUT, True), (command.MAX_OUTPUT + 1, False)):
        assert is_read(config(), output=size) is fits
    own = 5  # Of the mappings around it.
    for depth, fits in ((yaml12.MAX_DEPTH, True), (yaml12.MAX_DEPTH + 1, False)):
        assert is_read(config("[" * (depth - own) + "]" * (depth - own))) is fits
