"""The admin listener, spoken to in raw bytes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from proxy.admin.actions import Actions, ReloadReport, TokenReport
from proxy.admin.server import AdminServer
from proxy.admin.status import ProviderStatus, RouteStatus, StatusSnapshot, StoreStatus
from proxy.journal.journal import Journal
from proxy.journal.pulse import Pulse
from proxy.metrics import Metrics
from proxy.secret import Secret
from tests.clock import FakeClock

CANARY = "CANARY-44aa-in-a-request"
TOKEN = "CANARY-31f7-admin-token"
BEARER = f"Authorization: Bearer {TOKEN}"
WELL = StatusSnapshot((ProviderStatus("io", "ok"), ProviderStatus("wyre", "static")), (RouteStatus("/io", "io"),))
ILL = replace(WELL, providers=(*WELL.providers, ProviderStatus("acme", "refused", last_error="401 from its login")))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Admin:
    port: int
    snapshot: StatusSnapshot = WELL
    fails: bool = False
    metrics: Metrics = field(default_factory=lambda: Metrics("1.2.3"))
    reloads: int = 0
    report: ReloadReport = field(default_factory=lambda: ReloadReport(routes=3, providers=2))
    acted: list[tuple[str, str]] = field(default_factory=list)

    async def refresh(self, provider: str) -> TokenReport | None:
        self.acted.append(("refresh", provider))
        return TokenReport(provider, "failed", "401 from its login", 60.4) if provider == "io" else None

    async def drop(self, provider: str) -> TokenReport | None:
        self.acted.append(("drop", provider))
        return TokenReport(provider, "dropped") if provider == "io" else None

    async def reload(self) -> ReloadReport:
        self.reloads += 1
        return self.report

    def status(self) -> StatusSnapshot:
        if self.fails:
            raise ValueError(CANARY)
        return self.snapshot

    async def raw(self, octets: bytes) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(octets)
            async with asyncio.timeout(5):
                return parsed(await reader.read())
        finally:
            writer.close()

    async def ask(self, line: str, *fields: str, host: str | None = None, body: str = "") -> Answer:
        lines = [f"{line} HTTP/1.1", f"Host: {host or f'localhost:{self.port}'}", *fields, "Connection: close", "", ""]
        return await self.raw(("\r\n".join(lines) + body).encode("latin-1"))


def parsed(octets: bytes) -> Answer:
    head, _, body = octets.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, body.decode())


def made(
    status: Callable[[], StatusSnapshot] = lambda: WELL,
    metrics: Metrics | None = None,
    actions: Actions = Actions(),  # noqa: B008 - frozen
) -> AdminServer:
    return AdminServer(status, metrics or Metrics("1.2.3"), actions, Pulse(Journal()), FakeClock())


@pytest.fixture
def admin() -> Admin:
    admin = Admin(0)
    admin.metrics.route("/io", "io")
    return admin


@pytest.fixture(autouse=True)
async def admin_server(admin: Admin) -> AsyncIterator[AdminServer]:
    sock = socket.create_server(("127.0.0.1", 0))
    admin.port = sock.getsockname()[1]
    actions = Actions(admin.reload, admin.refresh, admin.drop)
    server = made(admin.status, admin.metrics, actions)
    server.allow(["proxy:9180"], [Secret("CANARY-31f8-other-token"), Secret(TOKEN)])
    await server.start(sock)
    yield server
    await server.stop()


def is_a_problem(answer: Answer, status: int, code: str) -> bool:
    """problem+json in fixed words, marked as ours, repeating nothing."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-authproxy-error"] == code
    assert answer.headers["proxy-status"].startswith("authproxy; error=")
    assert answer.headers["cache-control"] == "no-store"
    assert "aiohttp" not in str(answer.headers)
    assert "access-control-allow-origin" not in answer.headers
    assert CANARY not in f"{answer}"
    assert json.loads(answer.body)["code"] == code
    return True


async def test_livez_says_ok_as_long_as_the_process_answers(admin: Admin) -> None:
    admin.snapshot = replace(ILL, draining=True)
    answer = await admin.ask("GET /livez")
    assert (answer.status, answer.body) == (200, "ok")


async def test_readyz_is_200_when_ready_and_503_when_a_credential_is_refused(admin: Admin) -> None:
    assert (await admin.ask("GET /readyz")).status == 200
    admin.snapshot = ILL
    answer = await admin.ask("GET /readyz")
    assert (answer.status, answer.body) == (503, "not ready: acme refused")
    admin.snapshot = replace(WELL, draining=True)
    assert (await admin.ask("GET /readyz")).status == 503


async def test_readyz_verbose_gives_a_line_for_each_provider(admin: Admin) -> None:
    admin.snapshot = ILL
    answer = await admin.ask("GET /readyz?verbose")
    assert answer.status == 503
    assert answer.body.splitlines() == [
        "io ok",
        "wyre ok",
        "acme refused: 401 from its login",
        "not ready: acme refused",
    ]


async def test_readyz_can_be_asked_for_one_provider(admin: Admin) -> None:
    admin.snapshot = ILL
    assert (await admin.ask("GET /readyz?provider=io")).status == 200
    assert (await admin.ask("GET /readyz?provider=acme")).status == 503
    assert (await admin.ask("GET /readyz?provider=io&provider=acme&verbose")).body.count("\n") == 3
    assert is_a_problem(await admin.ask(f"GET /readyz?provider={CANARY}"), 404, "no_provider")


async def test_readyz_speaks_json_to_those_who_ask_for_it(admin: Admin) -> None:
    admin.snapshot = replace(ILL, providers=(ProviderStatus("io", "waiting", expires_in=9.7, next_attempt_in=3.2),))
    answer = await admin.ask("GET /readyz", "Accept: application/json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {
        "ready": True,
        "reason": None,
        "providers": [{"name": "io", "state": "waiting", "error": None, "expires_in": 9, "next_attempt_in": 3}],
    }


async def test_metrics_are_given_in_both_formats(admin: Admin) -> None:
    plain = await admin.ask("GET /metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'authproxy_requests_in_flight{provider="io",route="/io"} 0.0' in plain.body
    modern = await admin.ask("GET /metrics", "Accept: application/openmetrics-text;version=1.0.0")
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.body.endswith("# EOF\n")


async def test_the_status_page_opens_in_a_browser_and_is_kept_from_doing_more(admin: Admin) -> None:
    answer = await admin.ask("GET /", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body.startswith("<!doctype html>")


async def test_head_has_the_headers_and_no_body(admin: Admin) -> None:
    answer = await admin.ask("HEAD /livez")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "2", "")


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz?verbose", "/", "/elsewhere"])
class TestAbuseCase12:
    """`/metrics`, health and the page with an evil Host or Origin, and POST to them: 421, 403, 405, and no state."""

    async def test_an_evil_host(self, admin: Admin, path: str) -> None:
        assert is_a_problem(await admin.ask(f"GET {path}", host=f"{CANARY}.test"), 421, "host_not_allowed")

    async def test_an_evil_origin(self, admin: Admin, path: str) -> None:
        assert is_a_problem(await admin.ask(f"GET {path}", f"Origin: https://{CANARY}.test"), 403, "browser_refused")

    async def test_an_evil_page_without_origin(self, admin: Admin, path: str) -> None:
        answer = await admin.ask(f"GET {path}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")
        assert is_a_problem(answer, 403, "browser_refused")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
    async def test_other_methods(self, admin: Admin, path: str, method: str) -> None:
        answer = await admin.ask(f"{method} {path}", f"Content-Length: {len(CANARY)}", body=CANARY)
        assert is_a_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"


async def test_a_refusal_ends_the_connection_so_that_no_body_is_read_as_a_request(admin: Admin) -> None:
    smuggled = f"GET /metrics HTTP/1.1\r\nHost: localhost:{admin.port}\r\n\r\n"
    head = f"POST /livez HTTP/1.1\r\nHost: localhost:{admin.port}\r\nContent-Length: {len(smuggled)}\r\n\r\n"
    answer = await admin.raw((head + smuggled).encode())
    assert is_a_problem(answer, 405, "method_not_allowed")
    assert answer.headers["connection"] == "close"
    assert "authproxy_" not in answer.body


async def test_a_host_that_is_configured_is_answered(admin: Admin) -> None:
    assert (await admin.ask("GET /livez", host="proxy:9180")).status == 200


async def test_the_raw_host_counts_not_the_one_of_an_absolute_target(admin: Admin) -> None:
    """aiohttp's request.host takes the target's, in both directions."""
    answer = await admin.ask(f"GET http://localhost:{admin.port}/livez", host="evil.test")
    assert is_a_problem(answer, 421, "host_not_allowed")
    assert is_a_problem(await admin.ask("GET http://evil.test/livez"), 400, "malformed_request")


async def test_an_unknown_path_is_not_repeated(admin: Admin) -> None:
    assert is_a_problem(await admin.ask(f"GET /{CANARY}"), 404, "not_found")
    assert is_a_problem(await admin.ask(f"GET /livez/{CANARY}"), 404, "not_found")


async def test_what_the_parser_refuses_is_not_repeated(admin: Admin) -> None:
    octets = f"GET /livez HTTP/1.1\r\nHost: localhost:{admin.port}\r\nAuthorization Bearer {CANARY}\r\n\r\n"
    assert is_a_problem(await admin.raw(octets.encode()), 400, "malformed_request")
    assert is_a_problem(await admin.raw(f"{CANARY}\r\n\r\n".encode()), 400, "malformed_request")
    long = f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: localhost:{admin.port}\r\n\r\n"
    assert is_a_problem(await admin.raw(long.encode()), 400, "malformed_request")


async def test_a_failure_of_our_own_shows_no_text_of_it(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    admin.fails = True
    assert is_a_problem(await admin.ask("GET /readyz"), 500, "internal_error")
    assert [record.getMessage() for record in caplog.records] == ["internal error"]


async def test_a_socket_file_is_served_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    server = made()
    await server.start(sock)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert parsed(await reader.read()).status == 200
    writer.close()
    await server.stop()
    assert not path.exists()
    await server.stop()


async def test_stopping_closes_idle_connections() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    server = made()
    await server.start(sock)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\nok")
    async with asyncio.timeout(5):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_reload_is_done_for_whoever_has_the_token_and_tells_what_came_of_it(admin: Admin) -> None:
    answer = await admin.ask("POST /reload", BEARER)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {"reloaded": True, "errors": [], "warnings": [], "routes": 3, "providers": 2}
    mistake = {"file": "f", "line": 1, "column": 2, "path": "routes", "message": "is required"}
    admin.report = ReloadReport(errors=(mistake,), routes=3, providers=2)
    answer = await admin.ask("POST /reload", BEARER)
    assert answer.status == 409
    assert json.loads(answer.body)["errors"] == [mistake]
    assert not json.loads(answer.body)["reloaded"]
    assert admin.reloads == 2


async def test_status_tells_everything_to_whoever_has_the_token(admin: Admin) -> None:
    admin.snapshot = replace(ILL, listen="127.0.0.1:8080", admin="127.0.0.1:9180")
    document = json.loads((await admin.ask("GET /status", BEARER)).body)
    assert (document["ready"], document["reason"]) == (False, "acme refused")
    assert (document["listen"], document["admin"]) == ("127.0.0.1:8080", "127.0.0.1:9180")
    assert document["configuration"] == {"path": "", "loaded_ago": 0.0, "errors": []}
    assert document["providers"][2]["last_error"] == "401 from its login"
    assert document["routes"] == [{"prefix": "/io", "provider": "io", "adds": []}]
    assert "`authproxy test acme`" in document["providers"][2]["hint"]


WRONG_TOKENS = [
    (),
    ("Authorization: Bearer",),
    ("Authorization: Bearer ",),
    (f"Authorization: Bearer {TOKEN[:-1]}",),
    (f"Authorization: Bearer {TOKEN}x",),
    (f"Authorization: Bearer  {TOKEN}",),
    (f"Authorization: {TOKEN}",),
    (f"Authorization: Basic {TOKEN}",),
    (BEARER, BEARER),
    (BEARER, "authorization: Bearer other"),
    (f"X-AuthProxy-Token: {TOKEN}",),
    (f"Cookie: token={TOKEN}",),
    (f"Authorization: Bearer {'x' * 5000}",),
    ("Authorization: Bearer \xff\xfe",),
]


@pytest.mark.parametrize("fields", WRONG_TOKENS, ids=range(len(WRONG_TOKENS)))
async def test_without_the_one_right_token_nothing_is_done_and_nothing_told(
    admin: Admin, fields: tuple[str, ...]
) -> None:
    assert is_a_problem(await admin.ask("POST /reload", *fields), 403, "admin_token_required")
    assert is_a_problem(await admin.ask("GET /status", *fields), 403, "admin_token_required")
    assert admin.reloads == 0


async def test_the_token_helps_no_foreign_page(admin: Admin) -> None:
    """Host, Origin and preflight are judged first; and a form cannot send the header at all."""
    assert is_a_problem(await admin.ask("POST /reload", BEARER, host="evil.test"), 421, "host_not_allowed")
    assert is_a_problem(await admin.ask("POST /reload", BEARER, "Origin: https://evil.test"), 403, "browser_refused")
    assert is_a_problem(await admin.ask("POST /reload", BEARER, "Sec-Fetch-Site: cross-site"), 403, "browser_refused")
    preflight = await admin.ask("OPTIONS /reload", "Access-Control-Request-Method: POST")
    assert is_a_problem(preflight, 405, "method_not_allowed")
    form = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 3")
    assert is_a_problem(await admin.ask("POST /reload", *form, body="a=b"), 403, "admin_token_required")
    assert admin.reloads == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_reload_is_a_post(admin: Admin, method: str) -> None:
    """So that no link, prefetch or image can be one."""
    answer = await admin.ask(f"{method} /reload", BEARER)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert admin.reloads == 0


async def test_no_reload_begins_while_the_proxy_stops(admin: Admin) -> None:
    admin.snapshot = replace(WELL, draining=True)
    assert is_a_problem(await admin.ask("POST /reload", BEARER), 503, "draining")
    assert admin.reloads == 0


async def test_a_body_of_a_reload_is_no_further_request(admin: Admin) -> None:
    smuggled = f"POST /reload HTTP/1.1\r\nHost: localhost:{admin.port}\r\n{BEARER}\r\n\r\n"
    head = f"POST /reload HTTP/1.1\r\nHost: localhost:{admin.port}\r\n{BEARER}\r\nContent-Length: {len(smuggled)}"
    answer = await admin.raw((head + "\r\n\r\n" + smuggled).encode())
    assert (answer.status, answer.headers["connection"], admin.reloads) == (200, "close", 1)


async def test_without_a_way_to_reload_there_is_no_such_path_and_without_a_token_nobody_has_it() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    bare = Admin(sock.getsockname()[1])
    server = made(bare.status, bare.metrics)
    await server.start(sock)
    assert is_a_problem(await bare.ask("GET /reload", BEARER), 404, "not_found")
    assert is_a_problem(await bare.ask("GET /status", "Authorization: Bearer "), 403, "admin_token_required")
    await server.stop()


async def test_a_new_token_takes_the_place_of_the_old_one(admin_server: AdminServer, admin: Admin) -> None:
    admin_server.allow((), [Secret("CANARY-another-admin-token")])
    assert (await admin.ask("GET /status", BEARER)).status == 403
    assert (await admin.ask("GET /status", "authorization: bearer CANARY-another-admin-token")).status == 200


async def test_a_token_store_that_fails_is_told_and_no_reason_to_be_unready(admin: Admin) -> None:
    """Other replicas have the same one; taking all of them out of service would help nobody."""
    admin.snapshot = replace(WELL, store=StoreStatus("redis", "it cannot be reached"))
    answer = await admin.ask("GET /readyz?verbose")
    assert answer.status == 200
    assert "token store: redis, fails: it cannot be reached" in answer.body.splitlines()
    answer = await admin.ask("GET /readyz", "Accept: application/json")
    assert json.loads(answer.body)["token_store"] == {"kind": "redis", "error": "it cannot be reached"}


@pytest.mark.parametrize(
    ("path", "status", "acted"),
    [
        ("/refresh?provider=io", 409, ("refresh", "io")),
        ("/drop?provider=io", 200, ("drop", "io")),
        ("/refresh?provider=nobody", 404, ("refresh", "nobody")),
        ("/drop", 404, ("drop", "")),
        ("/drop?provider=io&provider=wyre", 404, ("drop", "")),
    ],
)
async def test_a_token_is_refreshed_or_dropped_for_whoever_has_the_admin_token(
    admin: Admin, path: str, status: int, acted: tuple[str, str]
) -> None:
    assert is_a_problem(await admin.ask(f"POST {path}"), 403, "admin_token_required")
    assert admin.acted == []
    answer = await admin.ask(f"POST {path}", BEARER)
    assert (answer.status, admin.acted) == (status, [acted])
    assert answer.headers["connection"] == "close"


async def test_what_became_of_a_token_is_told(admin: Admin) -> None:
    told = json.loads((await admin.ask("POST /refresh?provider=io", BEARER)).body)
    assert told == {"provider": "io", "outcome": "failed", "error": "401 from its login", "next_attempt_in": 60}


@pytest.mark.parametrize("path", ["/refresh?provider=io", "/drop?provider=io", "/reload"])
async def test_nothing_is_changed_any_more_while_the_proxy_stops(admin: Admin, path: str) -> None:
    admin.snapshot = replace(WELL, draining=True)
    assert is_a_problem(await admin.ask(f"POST {path}", BEARER), 503, "draining")
    assert (admin.acted, admin.reloads) == ([], 0)


# --- Sessions of the status page ----------------------------------------------------------------------


async def session(admin: Admin) -> tuple[str, str]:
    """Both halves, as header fields."""
    answer = await admin.ask("POST /sign-in", BEARER)
    assert answer.status == 200
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert cookie.startswith(f"authproxy_{admin.port}=")
    return f"Cookie: {cookie}", f"X-AuthProxy-CSRF: {json.loads(answer.body)['csrf']}"


async def test_a_session_serves_in_the_place_of_the_token(admin: Admin) -> None:
    cookie, csrf = await session(admin)
    assert (await admin.ask("GET /status", cookie, csrf)).status == 200
    assert (await admin.ask("POST /reload", cookie, csrf)).status == 200
    assert admin.reloads == 1


async def test_neither_half_of_a_session_opens_anything_alone(admin: Admin) -> None:
    """A cookie goes to every port of this host, and a header half lies in the browser's storage."""
    cookie, csrf = await session(admin)
    other_cookie, other_csrf = await session(admin)
    for fields in [(cookie,), (csrf,), (cookie, other_csrf), (other_cookie, csrf), (cookie, csrf, csrf)]:
        for line in (
            "GET /status",
            "GET /events",
            "POST /reload",
            "POST /refresh?provider=io",
            "POST /drop?provider=io",
        ):
            assert is_a_problem(await admin.ask(line, *fields), 403, "admin_token_required")
    assert (admin.reloads, admin.acted) == (0, [])


async def test_no_session_opens_another(admin: Admin) -> None:
    assert is_a_problem(await admin.ask("POST /sign-in", *await session(admin)), 403, "admin_token_required")
    for fields in WRONG_TOKENS:
        answer = await admin.ask("POST /sign-in", *fields)
        assert is_a_problem(answer, 403, "admin_token_required")
        assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session_and_no_other(admin: Admin) -> None:
    here, there = await session(admin), await session(admin)
    answer = await admin.ask("POST /sign-out", *here)
    assert (answer.status, answer.headers["set-cookie"].split("; ")[-1]) == (200, "Max-Age=0")
    assert (await admin.ask("GET /status", *here)).status == 403
    assert (await admin.ask("GET /status", *there)).status == 200


@pytest.mark.parametrize(
    "line", ["POST /sign-in", "POST /refresh?provider=io", "POST /drop?provider=io", "GET /events"]
)
async def test_a_foreign_page_gets_nothing_even_with_everything_it_needs(admin: Admin, line: str) -> None:
    fields = [BEARER] if "sign-in" in line else [*await session(admin)]
    assert is_a_problem(await admin.ask(line, *fields, host="evil.test"), 421, "host_not_allowed")
    for foreign in ("Origin: https://evil.test", "Origin: null", "Sec-Fetch-Site: same-site"):
        assert is_a_problem(await admin.ask(line, *fields, foreign), 403, "browser_refused")
    assert admin.acted == []
