"""For web pages whose origin a route lists: the CORS headers that let a browser show them the answer."""

from __future__ import annotations

from proxy.gateway.headers import RawHeaders, SpecialFields, field_value

_SECONDS_REMEMBERED = 600


def is_preflight(method: str, fields: SpecialFields) -> bool:
    return method == "OPTIONS" and field_value(fields, b"access-control-request-method") is not None


def preflight_answer(fields: SpecialFields, origin: str, *, keep_alive: bool) -> bytes:
    """The whole answer to a CORS preflight from a listed origin: what it asks for is allowed."""
    lines = [
        b"HTTP/1.1 204 No Content",
        b"Access-Control-Allow-Origin: " + origin.encode("latin-1"),
        b"Access-Control-Allow-Methods: " + (field_value(fields, b"access-control-request-method") or b""),
        b"Access-Control-Max-Age: %d" % _SECONDS_REMEMBERED,
        b"Vary: Origin",
    ]
    wanted_headers = field_value(fields, b"access-control-request-headers")
    if wanted_headers is not None:
        lines.append(b"Access-Control-Allow-Headers: " + wanted_headers)
    if not keep_alive:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer_headers(origin: str | None) -> RawHeaders:
    """What to add to an answer for a page of a listed origin."""
    if origin is None:
        return ()
    return ((b"Access-Control-Allow-Origin", origin.encode("latin-1")), (b"Vary", b"Origin"))
