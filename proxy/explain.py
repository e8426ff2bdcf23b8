"""What would be sent for a request, and why; without a network and with every secret masked."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.assembly import Assembly
from proxy.errors import NoRoute
from proxy.gateway.guard import check_page
from proxy.gateway.headers import RawHeaders, special_fields
from proxy.gateway.outbound import outbound_request, request_head
from proxy.gateway.route import Route
from proxy.gateway.target import check_target
from proxy.schemes.base import Injection, OutboundRequest
from proxy.schemes.registry import scheme_name


async def explanation(
    assembly: Assembly, method: str, target: str, headers: RawHeaders, body: bytes
) -> list[tuple[str, str]]:
    """Named lines in the order of a request's way. Raises the CallerError that the request would be answered with."""
    route = assembly.routes.find(target)
    check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
    if route is None:
        raise NoRoute
    check_page(special_fields(headers), route.allowed_origins)
    route.check(method, target, headers)
    request = outbound_request(route, method, target, headers, body)
    injection = await route.provider.scheme.preview(request)
    return [*_route_lines(assembly, route), *_request_lines(route, target, request, injection, headers)]


def _route_lines(assembly: Assembly, route: Route) -> Iterator[tuple[str, str]]:
    provider = assembly.settings.providers[route.provider.name]
    kind = f"scheme {scheme_name(provider.scheme)}" + (f", preset {provider.preset}" if provider.preset else "")
    yield "route", route.prefix
    yield "provider", f"{provider.name} ({kind})"


def _request_lines(
    route: Route, asked: str, request: OutboundRequest, injection: Injection, headers: RawHeaders
) -> Iterator[tuple[str, str]]:
    framing: RawHeaders = ((b"Content-Length", b"%d" % len(request.body)),) if request.body else ()
    line, *fields = request_head(route, request, injection, framing).decode("latin-1").strip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    yield "request", f"{method} {request.origin}{target}"
    for field in fields:
        yield "header", field
    kept = {name for name, _ in request.headers}
    for removed in dict.fromkeys(name for name, _ in headers if name not in kept):
        yield "removed", removed.decode("latin-1")
    for name in dict.fromkeys(_parameters(asked)):
        if name not in _parameters(request.target):
            yield "removed", f"?{name}="
    for added, _ in injection.headers:
        yield "added", added
    for added, _ in injection.query:
        yield "added", f"?{added}="
    if injection.use == "none" and not injection.headers:
        yield "credential", "none: this request goes without one"
    yield from route.provider.scheme.explanation(request)


def _parameters(target: str) -> list[str]:
    """The names of the query parameters, as they are written."""
    return [piece.partition("=")[0] for piece in target.partition("?")[2].split("&") if piece]
