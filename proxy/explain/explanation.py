"""A request's way through the proxy, step by step, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from proxy.assembly import Assembly
from proxy.errors import NoRoute
from proxy.explain.handshake import handshake_lines, removed_from_handshake
from proxy.explain.reasons import Removed, removed_headers, removed_parameters
from proxy.explain.routing import OtherRoute, others, why_it_matched
from proxy.explain.traces import passes_all_the_same, trace_fields
from proxy.gateway.guard import check_page
from proxy.gateway.headers import RawHeaders, special_fields
from proxy.gateway.held_body import content_length
from proxy.gateway.outbound import begun_head, outbound_request, request_head
from proxy.gateway.route import Route
from proxy.gateway.target import check_target
from proxy.gateway.websocket import UPGRADE, handshake_request, names_websocket
from proxy.schemes.base import Injection, OutboundRequest, unquoted_mask
from proxy.schemes.registry import scheme_name
from proxy.template import Template


@dataclass(frozen=True, slots=True)
class Sent:
    """A header or query parameter on the wire; `by` is caller, route, credential or authproxy."""

    name: str
    value: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`url` is the vendor's; `credential` and `token` are sentences; `how` are the scheme's own named lines."""

    route: str
    why: str
    others: tuple[OtherRoute, ...]
    provider: str
    scheme: str
    preset: str | None
    method: str
    url: str
    headers: tuple[Sent, ...]
    added_parameters: tuple[Sent, ...]
    removed: tuple[Removed, ...]
    body_bytes: int
    credential: str
    token: str
    how: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as far as the scheme: the real one, and one that may be shown."""

    route: Route
    request: OutboundRequest
    shown: OutboundRequest
    is_handshake: bool = False


def prepared(assembly: Assembly, method: str, target: str, headers: RawHeaders, body: bytes) -> Prepared:
    """Raises the CallerError that the request would be answered with."""
    route = assembly.routes.find(target)
    check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
    if route is None:
        raise NoRoute
    check_page(special_fields(headers), route.allowed_origins)
    route.check(method, target, headers)
    is_handshake = method == "GET" and not body and names_websocket(headers)

    def outbound(route: Route) -> OutboundRequest:
        request = outbound_request(route, method, target, headers, body)
        return handshake_request(route, request) if is_handshake else request

    request = outbound(route)
    if not any(text.hides({}) for text in (*route.headers.values(), *route.query.values())):
        return Prepared(route, request, request, is_handshake)
    shown = outbound(replace(route, headers=_masked(route.headers), query=_masked(route.query)))
    return Prepared(route, request, replace(shown, target=unquoted_mask(shown.target)), is_handshake)


async def explanation(assembly: Assembly, way: Prepared, asked: str, headers: RawHeaders) -> Explanation:
    """What becomes of the request; nothing in it is a secret."""
    route, scheme = way.route, way.route.provider.scheme
    settings = assembly.settings.providers[route.provider.name]
    injection = await scheme.preview(way.shown)
    target, fields = _on_the_wire(way, injection, *trace_fields(route, headers))
    return Explanation(
        route=route.prefix,
        why=why_it_matched(route, asked),
        others=tuple(others(assembly.routes, route, asked)),
        provider=route.provider.name,
        scheme=scheme_name(scheme),
        preset=settings.preset,
        method=way.shown.method,
        url=f"{way.shown.origin}{target}",
        headers=tuple(fields),
        added_parameters=_added_parameters(route, injection),
        removed=(*_removed_headers(way, headers), *removed_parameters(route, asked)),
        body_bytes=len(way.request.body or b""),
        credential=_credential(injection),
        token=_token(assembly, route),
        how=(
            *scheme.explanation(way.shown),
            *(() if way.shown is way.request else _MASKED),
            *(handshake_lines(route, injection) if way.is_handshake else ()),
        ),
    )


def _removed_headers(way: Prepared, headers: RawHeaders) -> Iterator[Removed]:
    removed = (
        one for one in removed_headers(way.route, headers) if not passes_all_the_same(way.route, headers, one.name)
    )
    return removed_from_handshake(way.route, headers, removed) if way.is_handshake else removed


def _on_the_wire(way: Prepared, injection: Injection, trace: RawHeaders, traced_by: str) -> tuple[str, Iterator[Sent]]:
    """The target, and the fields in their order with whoever brought each."""
    body = way.shown.body or b""
    framing = content_length(len(body)) if body else b""
    more = UPGRADE if way.is_handshake else ()
    request = replace(way.shown, headers=(*way.shown.headers, *trace, *more))
    head = request_head(begun_head(way.route, request), injection, framing).decode("latin-1").strip("\r\n")
    line, *fields = head.split("\r\n")
    target = line.split(" ")[1]
    if injection.query:
        own = way.shown.target
        target = own + unquoted_mask(target[len(own) :])
    of_route, of_credential = len(way.route.headers), len(injection.headers)
    origins = ["authproxy", *["caller"] * (len(way.shown.headers) - of_route), *["route"] * of_route]
    origins += [
        *[traced_by] * len(trace),
        *["authproxy"] * len(more),
        *["credential"] * of_credential,
        *["authproxy"] * bool(framing),
    ]
    pairs = ((field.partition(": "), by) for field, by in zip(fields, origins, strict=True))
    return target, (Sent(name, value, by) for (name, _, value), by in pairs)


def _added_parameters(route: Route, injection: Injection) -> tuple[Sent, ...]:
    of_route = [Sent(name, text.masked({}), "route") for name, text in route.query.items()]
    return (*of_route, *(Sent(name, value, "credential") for name, value in injection.query))


def _credential(injection: Injection) -> str:
    match injection.use:
        case "none" if not injection.headers:
            return "none: this request goes without one"
        case "signed":
            return "a signature, made anew for each request"
        case "static" | "none":
            return "fixed, the same for each request"
        case _:
            return "a token, the same for all requests until it is renewed"


def _token(assembly: Assembly, route: Route) -> str:
    credential = route.provider.scheme.credential
    if credential is None:
        return "none is needed"
    lifetime = credential.policy.lifetime
    known = "" if lifetime is None else f"; lives {lifetime:g} s unless its answer says otherwise"
    single = "; a new one kills the one before it" if credential.policy.single_live else ""
    return f"{_STATES[credential.state]}{known}{single}"


_MASKED = (("masked in it", "the route adds a secret, shown as ***: what is signed here is the text as shown"),)
_STATES = {
    "idle": "<token> stands for it: none is fetched to explain; `authproxy test` fetches one, for real",
    "ok": "live",
    "waiting": "not yet there",
    "refused": "refused by the vendor",
}


def _masked(templates: Mapping[str, Template]) -> dict[str, Template]:
    return {name: Template((template.masked({}),)) for name, template in templates.items()}
