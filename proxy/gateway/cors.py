"""For web pages whose origin a route lists: the CORS headers that let a browser show them the answer."""

from __future__ import annotations

from proxy.gateway.headers import RawHeaders, field_value

_SECONDS_REMEMBERED = 600


def preflight_answer(method: str, headers: RawHeaders, origin: str) -> bytes | None:
    """The whole answer to a CORS preflight from a listed origin; None if the request is not one."""
    wanted_method = field_value(headers, b"access-control-request-method")
    if method != "OPTIONS" or wanted_method is None:
        return None
    lines = [
        b"HTTP/1.1 204 No Content",
        b"Access-Control-Allow-Origin: " + origin.encode("latin-1"),
        b"Access-Control-Allow-Methods: " + wanted_method,
        b"Access-Control-Max-Age: %d" % _SECONDS_REMEMBERED,
        b"Vary: Origin",
    ]
    wanted_headers = field_value(headers, b"access-control-request-headers")
    if wanted_headers is not None:
        lines.append(b"Access-Control-Allow-Headers: " + wanted_headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer_headers(origin: str | None) -> RawHeaders:
    """What to add to an answer for a page of a listed origin."""
    if origin is None:
        return ()
    return ((b"Access-Control-Allow-Origin", origin.encode("latin-1")), (b"Vary", b"Origin"))
