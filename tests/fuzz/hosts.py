"""Whatever fields name the listener, the page and the caller: who is let in, by another reader's judgement."""

from __future__ import annotations

from urllib.parse import urlsplit

from proxy.admin.guard import objection
from proxy.errors import BrowserRefused, CallerNotAuthorized, HostNotAllowed
from proxy.gateway.guard import Guard, check_page
from proxy.gateway.headers import special_fields
from proxy.secret import Secret

_PORT = 8080
_TOKEN = "the-token-of-the-callers"
_ORIGIN = "https://app.test"
_NAMES = {("127.0.0.1", _PORT), ("localhost", _PORT), ("::1", _PORT), ("api.local", 8443)}
_OPEN, _CLOSED = Guard(_PORT, ["api.local:8443"]), Guard(_PORT, ["api.local:8443"], Secret(_TOKEN))


def judge(octets: bytes) -> None:
    """Each line is a field."""
    lines = [line.partition(b":") for line in octets.split(b"\n") if b":" in line]
    fields = tuple((name, value.strip(b" \t")) for name, _, value in lines)
    special = special_fields(fields)
    named = _names_us(_values(fields, b"host"))
    try:
        _OPEN.check_caller("GET", special)
        assert named, "a foreign Host was let in"
    except HostNotAllowed:
        pass
    try:
        _CLOSED.check_caller("GET", special)
        assert named and _values(fields, b"x-authproxy-token") == [_TOKEN.encode()], "another token was let in"
    except (HostNotAllowed, CallerNotAuthorized):
        pass
    try:
        origin = check_page(special, frozenset({_ORIGIN}))
        assert origin == _ORIGIN or not _marks_of_a_page(fields), "a page was let in"
    except BrowserRefused:
        pass
    if objection(fields, ("127.0.0.1", _PORT), ["api.local:8443"]) is None:
        assert named, "a foreign Host was let in to the admin pages"
        own = b"http://" + _values(fields, b"host")[0].lower()
        assert all(one.lower() == own for one in _values(fields, b"origin")), "a page was let in to the admin pages"
        assert not {b"cross-site", b"same-site"} & set(_values(fields, b"sec-fetch-site"))


def _values(fields: tuple[tuple[bytes, bytes], ...], wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name.lower() == wanted]


def _names_us(hosts: list[bytes]) -> bool:
    if len(hosts) != 1:
        return False
    text = hosts[0].decode("latin-1")
    try:
        parts = urlsplit(f"http://{text}")
        named = (parts.hostname, parts.port)
    except ValueError:
        return False
    return named in _NAMES and (parts.netloc, parts.path, parts.query) == (text, "", "")


def _marks_of_a_page(fields: tuple[tuple[bytes, bytes], ...]) -> bool:
    names = {name.lower() for name, _ in fields}
    modes = _values(fields, b"sec-fetch-mode")
    return bool(names & {b"origin", b"sec-fetch-site", b"sec-fetch-dest", b"sec-fetch-user"}) or any(
        mode != b"cors" for mode in modes
    )
