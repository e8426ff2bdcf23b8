"""From a caller's request to the vendor's: plain functions over text and bytes.

`outbound_request` is what a scheme is asked to authorize; `request_head` puts its injection in. `explain`
uses the same two, so what it prints is what would be sent.
"""

from __future__ import annotations

from proxy.gateway.headers import RawHeaders, field_lines, passed
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
    return outbound(route, method, outbound_target(route, target), outbound_fields(route, headers)[0], body)


def outbound(route: Route, method: str, target: str, headers: RawHeaders, body: bytes | None) -> OutboundRequest:
    """As `outbound_request`, of a target and headers that are the vendor's already."""
    made: OutboundRequest = _new(OutboundRequest)
    _set_method(made, method)
    _set_origin(made, route.origin)
    _set_target(made, target)
    _set_headers(made, headers)
    _set_body(made, body)
    return made


_new = object.__new__
# By its slots, a frozen object is filled in half the time that `object.__setattr__` takes.
_set_method, _set_origin, _set_target, _set_headers, _set_body = (
    getattr(OutboundRequest, name).__set__ for name in ("method", "origin", "target", "headers", "body")
)


def outbound_target(route: Route, target: str) -> str:
    """With base path, without the parameters that are not the caller's to say, with the route's own."""
    upstream = provider_target(target, route.prefix, route.provider.base_path)
    if route.dropped_query:
        upstream = drop_parameters(upstream, route.dropped_query)
    return add_parameters(upstream, rendered(route.query, {})) if route.query else upstream


def outbound_fields(route: Route, headers: RawHeaders) -> tuple[RawHeaders, bytes]:
    """The fields that pass, and the route's own; and the same as they are written."""
    kept, lines = passed(headers, route.header_filter)
    if route.headers or route.provider.inspects_answer:
        if route.provider.inspects_answer:
            kept = readable_codings(kept)
        if route.headers:
            kept = (*kept, *header_fields(rendered(route.headers, {})))
        lines = field_lines(kept)
    return kept, lines


def begun_head(route: Route, request: OutboundRequest, lines: bytes | None = None) -> BegunHead:
    """What is the same for every request that is asked like this; `lines` are its fields, where they are written."""
    target = request.target
    behind = route.behind_target + (field_lines(request.headers) if lines is None else lines)
    return f"{request.method} {target}".encode("ascii"), joint(target).encode("ascii"), behind


def request_head(begun: BegunHead, injection: Injection, framing: bytes, more: bytes = b"") -> bytes:
    """Request line and header section, with the empty line behind it; `framing` and `more` are lines of it."""
    line, mark, lines = begun
    added = injection.added
    if added:
        return b"".join((line, mark, added, lines, more, injection.lines, framing, b"\r\n"))
    return b"".join((line, lines, more, injection.lines, framing, b"\r\n"))


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
