"""URLs, addresses, origins and names: what is accepted, in which form, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.config import addresses, names, urls


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("HTTPS://API.Example.COM/V1/", "https://api.example.com/V1"),
        ("https://api.example.com:443/v1", "https://api.example.com/v1"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.0.0.1:443", "http://127.0.0.1:443"),
        ("https://[2001:DB8:0::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://my_service:8443/a%20b;v=1/@x", None),
        ("https://my_service:8443/a%20b;v=1/x", "https://my_service:8443/a%20b;v=1/x"),
        ("https://xn--bcher-kva.example/~u/%7Eu", "https://xn--bcher-kva.example/~u/%7Eu"),
    ],
)
def test_a_base_url_has_one_form(written: str, normal: str | None) -> None:
    """Lower-case scheme and host, no default port, no slash at the end; the path stays byte for byte."""
    if normal is None:
        with pytest.raises(ValueError, match="user name"):
            urls.base_url(written)
    else:
        assert urls.base_url(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "", "https://", "https:///x", "https:a.test", "//a.test", "ftp://a.test", "a.test", "https//a.test",
        "https://u@a.test", "https://u:p@a.test", "https://a.test?", "https://a.test/#", "https://a.test\\x",
        "https://a.test.", "https://.a.test", "https://a..test", "https://-a.test", "https://a-.test",
        "https://a.test:", "https://a.test:0", "https://a.test:00443", "https://a.test:65536", "https://a.test:+1",
        "https://a.test:8a", "https://127.1", "https://2130706433", "https://0x7f.0.0.1", "https://1.2.3.256",
        "https://1.2.3.4.5", "https://a.0x1f", "https://[::1", "https://[::1]x", "https://[fe80::1%25eth0]", "https://[1.2.3.4]",
        "https://::1/", "https://a.test/../x", "https://a.test/%2e%2E/x", "https://a.test/a/..;/x", "https://a.test/.",
        "https://a.test/%252e%252e", "https://a.test/a%2fb", "https://a.test/a%5Cb", "https://a.test//x", "https://a.test/%zz",
        "https://a.test/%", "https://a.test/%0a", "https://a.test/%00", "https://a.test/a b", "https://a.test/\x7f",
        "https://a.test/\n", " https://a.test", "https://bücher.example", "https://a.test/ü", "https://a.test/{{x}}",
        f"https://{'a' * 64}.test", "https://" + "a." * 127 + "test",
    ],
)  # fmt: skip
def test_what_two_parsers_could_read_differently_is_no_url(written: str) -> None:
    """The credential goes to the host written there and nowhere else; the message shows no part of it."""
    with pytest.raises(ValueError) as caught:
        urls.base_url(written)
    assert "a.test" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.255.0.9", True), ("[::1]", True),
        ("0.0.0.0", False), ("[::]", False), ("128.0.0.1", False), ("localhost.evil.test", False), ("10.0.0.1", False),
        ("[::ffff:8.8.8.8]", False),
    ],
)  # fmt: skip
def test_loopback_is_this_machine_alone(host: str, is_local: bool) -> None:
    """Names that only look local, and every-address, are beyond loopback."""
    assert urls.is_loopback(host) is is_local
    assert urls.parse_url(f"http://{host}").is_private is is_local
    assert urls.parse_url(f"https://{host}").is_private
    assert addresses.reaches_beyond_loopback(f"{host}:80") is not is_local


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:0", "[::1]:0"), ("[0:0::1]:1", "[::1]:1"),
        ("LocalHost:65535", "localhost:65535"), ("0.0.0.0:80", "0.0.0.0:80"), ("unix:/run/a.sock", "unix:/run/a.sock"),
    ],
)  # fmt: skip
def test_an_address_to_listen_on(written: str, normal: str) -> None:
    """Host and port, port 0 for a free one, or a socket's path."""
    assert addresses.listen_address(written) == addresses.admin_address(written) == normal
    assert not addresses.reaches_beyond_loopback("unix:/run/a.sock")


@pytest.mark.parametrize(
    "written",
    ["8080", ":8080", "*:8080", "localhost", "localhost:", "localhost:http", "::1:8080", "[::1]", "127.1:80",
     "a:65536", "a:-1", "a:08", "unix:", "unix:run", "unix:/" + "a" * 107, "http://a:80", "[::1%lo]:80", "a b:1"],
)  # fmt: skip
def test_what_is_no_address(written: str) -> None:
    """The message shows what an address looks like, or says what is wrong with it."""
    with pytest.raises(ValueError):
        addresses.listen_address(written)


def test_off_is_no_admin_listener() -> None:
    """Only the word itself; `false` and nothing are mistakes."""
    assert addresses.admin_address("off") is None
    for value in (None, False, 0):
        with pytest.raises(ValueError, match="or off"):
            addresses.admin_address(value)


@pytest.mark.parametrize(
    "written", ["*", "null", "https://*.a.test", "https://a.test/", "https://a.test/x", "a.test", ""]
)
def test_an_origin_is_exact(written: str) -> None:
    """No wildcard, no path, not even a slash."""
    with pytest.raises(ValueError):
        addresses.origin(written)


def test_origins_and_hosts_have_one_form() -> None:
    """As browsers send them."""
    assert addresses.origin("HTTP://Localhost:3000") == "http://localhost:3000"
    assert addresses.origin("https://a.test:443") == "https://a.test"
    assert addresses.allowed_host("API.Local:8080") == "api.local:8080"
    assert addresses.allowed_host("API.Local") == "api.local"


@pytest.mark.parametrize("prefix", ["/", "/a", "/a/b.c", "/a%20b", "/~x"])
def test_a_route_prefix(prefix: str) -> None:
    """A path as it comes over the wire."""
    assert names.route_prefix(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    ["", "a", "/a/", "//", "/a//b", "/a/../b", "/%2e%2e", "/a%2Fb", "/a?b", "/a#b", "/a b", "/ü", "/%zz", "/a\\b"],
)
def test_what_is_no_route_prefix(prefix: str) -> None:
    """Nothing that a request could never match, or could match in two ways."""
    with pytest.raises(ValueError):
        names.route_prefix(prefix)


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (names.header_name, ["X-A", "x_b", "!#$%&'*+-.^_`|~09"],
         ["", "a b", "a:", "ü", "a\n", "Host", "CONNECTION", "te", "Transfer_Encoding", "content-length", "Upgrade"]),
        (names.header_pattern, ["Cookie", "x-*"], ["", "*", "a*b", "a b"]),
        (names.compared_header, ["Host", "X-A"], ["", "a b"]),
        (names.parameter_name, ["a", "a[b]", "ü"], ["", "a\n", "\x00"]),
        (names.method, ["GET", "PATCH", "PROPFIND"], ["get", "TRACE", "CONNECT", "trace", "FETCH", "", "G T"]),
    ],
)  # fmt: skip
def test_names(read: Callable[[str], str], good: list[str], bad: list[str]) -> None:
    """Header names are RFC 9110 tokens; the connection's own are nobody's to set."""
    for name in good:
        read(name)
    for name in bad:
        with pytest.raises(ValueError):
            read(name)


def test_names_for_comparing_are_canonical() -> None:
    """In lower case, with `-` for `_`."""
    assert names.header_pattern("X_Hasura-*") == "x-hasura-*"
    assert names.compared_header("X_Api_Key") == "x-api-key"
    assert names.compared_parameter("api_Key") == "api-key"


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1),
        ("7", 7),
        ("16MiB", 16 * 2**20),
        ("8 MB", 8_000_000),
        ("512KiB", 524288),
        ("3kB", 3000),
        ("1GiB", 2**30),
        ("9B", 9),
    ],
)
def test_sizes(written: Any, size: int) -> None:
    """Decimal and binary units."""
    assert names.size(written) == size


@pytest.mark.parametrize("written", [0, -1, True, 1.5, None, "", "MiB", "1.5MiB", "1TiB", "-1", "16mib", [], "0B"])
def test_what_is_no_size(written: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="16MiB"):
        names.size(written)
