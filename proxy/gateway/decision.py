"""What is decided of a request by its head alone: whether it may pass, where to, and which header fields go with it.

All of this are plain functions of the head's bytes and of the routes. So it is decided once, and holds for every
later request whose head is the same to the byte.
"""

from __future__ import annotations

from proxy.errors import MalformedRequest, MethodNotAllowed, NoRoute, UnknownExpectation
from proxy.gateway.caller_head import CallerHead, HeaderSection
from proxy.gateway.cors import is_preflight
from proxy.gateway.guard import Guard, check_page
from proxy.gateway.headers import RawHeaders, check_framing, field_value
from proxy.gateway.outbound import BegunHead, begun_head, outbound, outbound_fields, outbound_target
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.target import check_target
from proxy.gateway.trace import CallerTrace, caller_trace
from proxy.schemes.base import AtHand, OutboundRequest

_REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
_VERSIONS = frozenset({(1, 0), (1, 1)})


class Decision:
    """`request` has no body and no credential yet; `begun` is its head on the wire. `origin` is a web page's.

    `at_hand` is the scheme's, and gives the credential; None before the first request. `guard` and `routes` are those
    by which it was decided. `has_trace` says that the request belongs to a trace, the caller's or one that the
    route wants to be made. Filled in by `decide`, and not to be changed then; one is made for each new head, and a
    frozen dataclass takes its time.
    """

    __slots__ = (
        "at_hand", "begun", "caller_trace", "guard", "has_trace", "is_preflight", "origin", "request", "route",
        "routes",
    )  # fmt: skip

    at_hand: AtHand | None
    begun: BegunHead
    guard: Guard
    routes: RouteTable
    route: Route
    origin: str | None
    is_preflight: bool
    request: OutboundRequest
    caller_trace: CallerTrace | None
    has_trace: bool


def asked_route(head: CallerHead, routes: RouteTable) -> Route | None:
    """To which route a request belongs that is sound in itself. Raises a CallerError."""
    message, fields = head.message, head.fields
    target = message.path
    if not head.keeps_alive and message.version not in _VERSIONS:
        raise MalformedRequest
    if message.method in _REFUSED_METHODS:
        raise MethodNotAllowed
    if not head.section.is_plain:
        check_framing(fields, message.version)
        expectation = field_value(fields, b"expect")
        if expectation is not None and expectation.lower() != b"100-continue":
            raise UnknownExpectation
    route = routes.find(target)
    check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
    return route


def decide(head: CallerHead, guard: Guard, routes: RouteTable, route: Route | None) -> Decision:
    """For a caller whom the guard has let in, and who may ask for this route. Raises a CallerError."""
    fields, section, headers = head.fields, head.section, head.message.raw_headers
    method, target = head.method, head.message.path
    origin, asks_first, trace = None, False, None
    if not section.is_plain:
        origin = check_page(fields, frozenset() if route is None else route.allowed_origins)
        asks_first = origin is not None and is_preflight(method, fields)
        trace = caller_trace(fields)
    if route is None:
        raise NoRoute
    if not asks_first:
        route.check(method, target, headers)
    decision = Decision()
    decision.guard = guard
    decision.routes = routes
    decision.route = route
    decision.origin = origin
    decision.is_preflight = asks_first
    kept, lines = _passed(section, headers, route)
    decision.request = request = outbound(route, method, outbound_target(route, target), kept, b"")
    decision.begun = begun_head(route, request, lines)
    decision.at_hand = None
    decision.caller_trace = trace
    decision.has_trace = trace is not None or route.traceparent == "make"
    return decision


def _passed(section: HeaderSection, headers: RawHeaders, route: Route) -> tuple[RawHeaders, bytes]:
    """The fields that go on by this route, and these on the wire."""
    passed = section.passed
    if passed is not None and passed[0] is route:
        return passed[1], passed[2]
    kept, lines = outbound_fields(route, headers)
    if route.is_constant:
        section.passed = (route, kept, lines)
    return kept, lines
