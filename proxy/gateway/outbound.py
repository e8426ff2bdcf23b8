"""From a caller's request to the vendor's: plain functions over text and bytes.

`outbound_request` is what a scheme is asked to authorize; `request_head` puts its injection in. `explain`
uses the same two, so what it prints is what would be sent.
"""

from __future__ import annotations

from proxy.gateway.headers import RawHeaders, passing
from proxy.gateway.route import Route
from proxy.gateway.target import provider_target
from proxy.schemes.base import Injection, OutboundRequest, rendered
from proxy.schemes.fields import header_value
from proxy.target import add_parameters, drop_parameters, joint

# The request line up to where injected parameters go, what joins them to it, and what comes behind them.
BegunHead = tuple[bytes, bytes, bytes]


def outbound_request(
    route: Route, method: str, target: str, headers: RawHeaders, body: bytes | None
) -> OutboundRequest:
    """The request without its credential: base path, filtered headers, the route's own headers and parameters."""
    provider = route.provider
    upstream = drop_parameters(provider_target(target, route.prefix, provider.base_path), route.dropped_query)
    if route.query:
        upstream = add_parameters(upstream, rendered(route.query, {}))
    kept = passing(headers, route.header_filter)
    if provider.scheme.inspects_answer:
        kept = readable_codings(kept)
    fixed = header_fields(rendered(route.headers, {})) if route.headers else ()
    return OutboundRequest(method, provider.origin.text, upstream, (*kept, *fixed) if fixed else kept, body)


def begun_head(route: Route, request: OutboundRequest) -> BegunHead:
    """What is the same for every request that is asked like this."""
    target = request.target
    line = f"{request.method} {target}".encode("ascii")
    rest = f" HTTP/1.1\r\nHost: {route.provider.origin.authority}\r\n".encode("ascii")
    return line, joint(target).encode("ascii"), rest + field_lines(request.headers)


def request_head(begun: BegunHead, injection: Injection, framing: bytes, more: bytes = b"") -> bytes:
    """Request line and header section, with the empty line behind it; `framing` and `more` are lines of it."""
    line, mark, rest = begun
    added = injection.added
    if added:
        return b"".join((line, mark, added, rest, more, injection.lines, framing, b"\r\n"))
    return b"".join((line, rest, more, injection.lines, framing, b"\r\n"))


def field_lines(headers: RawHeaders) -> bytes:
    lines: list[bytes] = []
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


def header_fields(headers: tuple[tuple[str, str], ...]) -> RawHeaders:
    """As bytes. Raises BadHeader for a value that would end its line."""
    return tuple((name.encode("ascii"), header_value(value)) for name, value in headers)


def readable_codings(headers: RawHeaders) -> RawHeaders:
    """Accept-Encoding narrowed to what can be looked into: answers of this provider are read for errors."""
    return tuple((name, _narrowed(value) if name.lower() == b"accept-encoding" else value) for name, value in headers)


def _narrowed(value: bytes) -> bytes:
    codings = [coding.strip() for coding in value.split(b",")]
    readable = [coding for coding in codings if coding.partition(b";")[0].strip().lower() in _READABLE]
    return b", ".join(readable) or b"identity"


_READABLE = (b"gzip", b"deflate", b"identity")
