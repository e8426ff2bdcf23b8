"""Whatever fields a caller sends: the head that goes to the vendor, read by another reader than ours."""

from __future__ import annotations

import re

from proxy.errors import BadHeader
from proxy.gateway.headers import RawHeaders, check_framing, field_lines, special_fields
from proxy.gateway.outbound import begun_head, outbound_request, request_head
from proxy.schemes.base import Injection
from tests.fuzz.routes import FIXED, HOST, ROUTES

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMINGS: list[RawHeaders] = [(), ((b"Content-Length", b"5"),), ((b"Transfer-Encoding", b"chunked"),)]
_NEVER = {
    b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"proxy-authorization", b"proxy-connection", b"expect",
    b"proxy-authenticate", b"http2-settings", b"x-authproxy-token", b"forwarded", b"x-principal", b"x-real-ip",
    b"x-original-url", b"x-rewrite-url", b"x-http-method", b"x-http-method-override", b"x-method-override",
}  # fmt: skip
_NEVER_BEGINNINGS = (b"x-forwarded-", b"x-hasura-")
_ONCE = {b"host": HOST.encode(), b"x-fixed": FIXED["X-Fixed"].encode()}


def judge(octets: bytes) -> None:
    """The first line is what a scheme wants to inject, the others are the caller's fields."""
    first, *lines = octets.split(b"\n")
    fields = tuple(_fields(lines))
    route = ROUTES.find("/r/x")
    assert route is not None
    try:
        check_framing(special_fields(fields), (1, 1))
        injection = Injection((("Authorization", first.decode("latin-1")), ("X-Api_Key", "k")))
        framing = _FRAMINGS[len(fields) % len(_FRAMINGS)]
        request = outbound_request(route, "GET", "/r/x", fields, b"")
        request = outbound_request(route, "GET", "/r/x", fields, b"")
        head = request_head(begun_head(route, request), injection, field_lines(framing))
    except BadHeader:
        return
    _judge(head, fields, injection, framing)


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """What a parser can have let through: names are tokens, and no value holds what would end its line."""
    found = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon and _TOKEN.fullmatch(name) and not re.search(rb"[\0\r\n]", value):
            found.append((name, value.strip(b" \t")))
    return found


def _judge(head: bytes, fields: RawHeaders, injection: Injection, framing: RawHeaders) -> None:
    assert head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1
    bare = head.replace(b"\r\n", b"")
    assert not re.search(rb"[\r\n\0]", bare), "an octet that ends a line"
    _, *lines = head[:-4].split(b"\r\n")
    sent = [(name, value.removeprefix(b" ")) for name, _, value in (line.partition(b":") for line in lines)]
    names = [_plain(name) for name, _ in sent]
    nominated = _nominated(fields)
    for name, value in injection.headers:
        expected = {**_ONCE, _plain(name.encode()): value.encode()}
        for wanted, said in expected.items():
            assert [one for key, one in sent if _plain(key) == wanted] == [said], f"{wanted!r} is not there once"
    framings = [(name, value) for name, value in sent if _plain(name) in (b"content-length", b"transfer-encoding")]
    assert framings == list(framing), "another framing than ours"
    assert not _NEVER & set(names), "a field of the hop, or one that misleads, survives"
    assert not any(name.startswith(_NEVER_BEGINNINGS) for name in names)
    own = {_plain(name.encode()) for name, _ in injection.headers} | _ONCE.keys() | {_plain(n) for n, _ in framing}
    assert not (nominated - own) & set(names), "what Connection names survives"
    gone = _NEVER | own | nominated | {b"content-length", b"transfer-encoding"}
    kept = [field for field in fields if _plain(field[0]) not in gone and not _begins(field[0])]
    assert [field for field in sent if _plain(field[0]) not in own] == kept, "a field was lost, changed or moved"


def _nominated(fields: RawHeaders) -> set[bytes]:
    values = [value for name, value in fields if _plain(name) == b"connection"]
    return {_plain(token.strip()) for value in values for token in value.split(b",")} - {b"", b"close"}


def _begins(name: bytes) -> bool:
    return _plain(name).startswith(_NEVER_BEGINNINGS)


def _plain(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")
