"""Who may speak here: Host values, web pages, local tokens, named clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import BrowserRefused, CallerNotAuthorized, ClientNotAllowed, HostNotAllowed
from proxy.gateway.guard import Client, Guard, check_client, check_page
from proxy.gateway.headers import SpecialFields, special_fields
from proxy.secret import FileSecret, Secret

TOKEN, IO, WYRE = "CANARY-token-of-all", "CANARY-token-of-io", "CANARY-token-of-wyre"
CLIENTS = (Client("io", Secret(IO), frozenset({"/io"})), Client("wyre", Secret(WYRE), frozenset({"/wyre", "/io"})))


def headers(*fields: tuple[str, str], host: str = "localhost:8080") -> SpecialFields:
    return special_fields(tuple((name.encode(), value.encode("latin-1")) for name, value in (("Host", host), *fields)))


def named(guard: Guard, *tokens: str) -> str | None:
    """The client's name; "" for a caller who needs none."""
    client = guard.check_caller("GET", headers(*(("x-AuthProxy-token", token) for token in tokens)))
    return "" if client is None else client.name


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "api.local"])
def test_loopback_names_with_the_port_and_configured_hosts_are_answered(host: str) -> None:
    Guard(8080, ["API.local"]).check_caller("GET", headers(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "evil.test:8080", "localhost", "localhost:80", "localhost:08080", "localhost.:8080", "0.0.0.0:8080",
        "[::]:8080", "127.1:8080", "127.0.0.2:8080", "2130706433", "0x7f.1:8080", "[::ffff:127.0.0.1]:8080",
        "[0:0:0:0:0:0:0:1]:8080", "localhost:8080@evil.test", "evil.test@localhost:8080", "localhost:8080 ", "",
        "http://localhost:8080", "localhost:8080,localhost:8080", "l\xf6calhost:8080", "api.local.", "api.local:8080",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(HostNotAllowed):
        Guard(8080, ["api.local"]).check_caller("GET", headers(host=host))


def test_two_hosts_or_none_are_refused() -> None:
    for fields in (headers(("hOST", "localhost:8080")), special_fields(())):
        with pytest.raises(HostNotAllowed):
            Guard(8080).check_caller("GET", fields)


def test_port_80_and_a_socket_file_go_without_a_port() -> None:
    Guard(80).check_caller("GET", headers(host="localhost"))
    Guard(None).check_caller("GET", headers(host="localhost"))
    with pytest.raises(HostNotAllowed):
        Guard(None).check_caller("GET", headers(host="localhost:80"))


def test_each_token_tells_whose_it_is() -> None:
    guard = Guard(8080, token=Secret(TOKEN), clients=CLIENTS)
    assert [named(guard, token) for token in (TOKEN, IO, WYRE)] == [None, "io", "wyre"]
    assert named(Guard(8080)) == named(Guard(8080), "whatever") == ""


@pytest.mark.parametrize(
    "tokens",
    [
        (), ("",), (IO[:-1],), (IO + "x",), (IO.lower(),), (" " + IO,), (f"{IO}, {IO}",), (IO, IO), (IO, "x"), ("x", IO),
        (IO, WYRE), ("x" * 1_000_000,), ("\xff",), ("Bearer " + IO,),
    ],
)  # fmt: skip
def test_no_other_token_and_no_two_of_them_open_anything(tokens: tuple[str, ...]) -> None:
    for guard in (Guard(8080, token=Secret(IO)), Guard(8080, clients=CLIENTS)):
        with pytest.raises(CallerNotAuthorized):
            named(guard, *tokens)


def test_a_client_uses_its_own_routes_and_does_not_learn_of_others() -> None:
    io, wyre = CLIENTS
    check_client(io, "/io")
    check_client(wyre, "/wyre")
    check_client(None, "/anything")
    check_client(Client(None, Secret(TOKEN)), None)
    for prefix in ("/wyre", "/io/inner", "/", None):
        with pytest.raises(ClientNotAllowed):
            check_client(io, prefix)


def test_a_token_in_a_file_may_be_replaced_while_requests_come(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(IO)
    guard = Guard(8080, token=FileSecret(file))
    assert named(guard, IO) is None
    file.write_text(WYRE)
    assert named(guard, WYRE) is None
    with pytest.raises(CallerNotAuthorized):
        named(guard, IO)


def test_a_preflight_carries_no_token_but_only_a_page_sends_one() -> None:
    """What is let through here is refused or answered by `check_page`, never sent on: it has an Origin."""
    guard = Guard(8080, clients=CLIENTS)
    page = ("Origin", "https://app.test"), ("Access-Control-Request-Method", "POST")
    assert guard.check_caller("OPTIONS", headers(*page)) is None
    for method, fields in (("OPTIONS", page[:1]), ("OPTIONS", page[1:]), ("POST", page), ("options", page)):
        with pytest.raises(CallerNotAuthorized):
            guard.check_caller(method, headers(*fields))
    with pytest.raises(CallerNotAuthorized):
        guard.check_caller("OPTIONS", headers(*page, ("X-AuthProxy-Token", "wrong")))


@pytest.mark.parametrize(
    "fields",
    [
        [("Origin", "https://evil.test")], [("origin", "null")], [("ORIGIN", "")], [("Sec-Fetch-Site", "none")],
        [("Sec-Fetch-Dest", "image")], [("Sec-Fetch-User", "?1")], [("Sec-Fetch-Mode", "navigate")],
        [("Sec-Fetch-Mode", "no-cors")], [("Sec-Fetch-Mode", "cors "),], [("Origin", "https://app.test.evil.test")],
        [("Origin", "https://app.test:443")], [("Origin", "http://app.test")], [("Origin", "https://APP.test")],
        [("Origin", "https://app.test"), ("Origin", "https://app.test")], [("Origin", "https://app.test, null")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors")],
    ],
)  # fmt: skip
def test_pages_are_refused_but_of_the_exact_origins_that_a_route_lists(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(BrowserRefused):
        check_page(headers(*fields), frozenset({"https://app.test"}))


def test_what_is_no_page_passes() -> None:
    """Node's fetch says `sec-fetch-mode: cors`, alone."""
    assert check_page(headers(), frozenset()) is None
    assert check_page(headers(("sec-fetch-mode", "cors")), frozenset()) is None
    listed = headers(("Origin", "https://app.test"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors"))
    assert check_page(listed, frozenset({"https://app.test"})) == "https://app.test"
