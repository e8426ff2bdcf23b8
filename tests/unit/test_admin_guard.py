"""Who may look at the admin listener."""

from __future__ import annotations

import pytest

from proxy.admin.answers import BROWSER_REFUSED, HOST_NOT_ALLOWED, Problem
from proxy.admin.authority import Authority
from proxy.admin.guard import SocketName, objection
from proxy.secret import Secret

HERE = ("127.0.0.1", 9180)


def ask(host: str, *fields: tuple[str, str], local: SocketName = HERE, allowed: tuple[str, ...] = ()) -> Problem | None:
    headers = [("Host", host), *fields]
    return objection([(name.encode(), value.encode("latin-1")) for name, value in headers], local, allowed)


@pytest.mark.parametrize("host", ["127.0.0.1:9180", "localhost:9180", "LocalHost:9180", "[::1]:9180"])
def test_loopback_names_with_the_port_are_answered(host: str) -> None:
    assert ask(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:9180",
        "localhost",
        "localhost:8080",
        "localhost.:9180",
        "localhost:9180.evil.test",
        "0.0.0.0:9180",
        "[::]:9180",
        "127.1:9180",
        "2130706433:9180",
        "127.0.0.1:09180",
        "",
        "l\xf6calhost:9180",
    ],
)
def test_every_other_host_is_refused(host: str) -> None:
    assert ask(host) is HOST_NOT_ALLOWED


def test_no_host_or_two_of_them_are_refused() -> None:
    assert objection([], HERE, ()) is HOST_NOT_ALLOWED
    assert ask("localhost:9180", ("hOsT", "localhost:9180")) is HOST_NOT_ALLOWED


def test_configured_hosts_are_answered_exactly() -> None:
    allowed = ("Proxy:9180",)
    assert ask("proxy:9180", allowed=allowed) is None
    assert ask("proxy", allowed=allowed) is HOST_NOT_ALLOWED
    assert ask("proxy:9181", allowed=allowed) is HOST_NOT_ALLOWED


@pytest.mark.parametrize(
    ("local", "host"),
    [
        (("10.1.2.3", 9180), "10.1.2.3:9180"),
        (("::ffff:10.1.2.3", 9180), "10.1.2.3:9180"),
        (("fd00::5", 9180), "[fd00::5]:9180"),
        (("fe80::1%eth0", 9180), "[fe80::1]:9180"),
    ],
)
def test_the_address_that_a_connection_came_to_is_answered(local: tuple[str, int], host: str) -> None:
    """kubelet and Prometheus call a pod by its IP address."""
    assert ask(host, local=local) is None
    assert ask(host) is HOST_NOT_ALLOWED


def test_port_80_need_not_be_named() -> None:
    assert ask("localhost", local=("127.0.0.1", 80)) is None


def test_a_socket_file_has_no_port() -> None:
    assert ask("localhost", local=None) is None
    assert ask("evil.test", local=None) is HOST_NOT_ALLOWED


@pytest.mark.parametrize(
    "fields",
    [
        [("Origin", "https://evil.test")],
        [("Origin", "null")],
        [("Origin", "http://localhost:8080")],
        [("Origin", "http://localhost:9180"), ("origin", "https://evil.test")],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")],
        [("sec-fetch-site", "same-site")],
        [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")],
    ],
)
def test_other_sites_pages_are_refused(fields: list[tuple[str, str]]) -> None:
    assert ask("localhost:9180", *fields) is BROWSER_REFUSED


@pytest.mark.parametrize(
    "fields",
    [
        [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "navigate")],
        [("Origin", "http://localhost:9180"), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Mode", "cors")],
    ],
)
def test_a_person_may_open_the_page_in_a_browser(fields: list[tuple[str, str]]) -> None:
    assert ask("localhost:9180", *fields) is None


def test_an_origin_is_compared_without_regard_to_case_and_may_be_there_more_than_once() -> None:
    for host, origin in (("LocalHost:9180", "http://localhost:9180"), ("localhost:9180", "HTTP://LOCALHOST:9180")):
        assert ask(host, ("Origin", origin), ("Origin", origin)) is None


TOKENS = (Secret("CANARY-first-admin-token"), Secret("CANARY-second-admin-token"))


def authorized(*values: str, name: str = "Authorization") -> bool:
    fields = [(b"Accept", b"x"), *((name.encode(), value.encode()) for value in values)]
    authority = Authority()
    authority.trust(TOKENS)
    return authority.allows(fields, 9180)


def test_each_admin_token_opens_as_bearer_token_alone() -> None:
    for token in ("CANARY-first-admin-token", "CANARY-second-admin-token"):
        assert authorized(f"Bearer {token}")
        assert authorized(f"bEARER {token}", name="AUTHORIZATION")
        for other in ("Basic: ", "Bearer", "Bearer  ", "Bearer=", " Bearer ", "", "xxxxxxx", "Token "):
            assert not authorized(other + token)
        assert not authorized(f"Bearer {token}", name="X-Authorization")
        assert not authorized(f"Bearer {token}", f"Bearer {token}")


def test_no_other_token_opens() -> None:
    for wrong in ("", "x", "CANARY-first-admin-toke", "CANARY-first-admin-tokenx", "canary-first-admin-token"):
        assert not authorized(f"Bearer {wrong}")
    assert not authorized()
    assert not Authority().allows([(b"Authorization", b"Bearer ")], 9180)
