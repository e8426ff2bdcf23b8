"""What is decided of a request by its head alone: whether it may pass, where to, and which header fields go with it.

All of this are plain functions of the head's bytes and of the routes. So it is decided once, and holds for every
later request whose head is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.errors import MalformedRequest, MethodNotAllowed, NoRoute, UnknownExpectation
from proxy.gateway.caller import CallerHead
from proxy.gateway.cors import is_preflight
from proxy.gateway.guard import Guard, check_page
from proxy.gateway.headers import check_framing, field_value
from proxy.gateway.outbound import begun_head, outbound_request
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
    route wants to be made. Not to be changed; one is made for each new head, and a frozen dataclass takes its time.
    """

    __slots__ = (
        "at_hand", "begun", "caller_trace", "guard", "has_trace", "is_preflight", "origin", "request", "route",
        "routes",
    )  # fmt: skip

    def __init__(
        self,
        guard: Guard,
        routes: RouteTable,
        route: Route,
        origin: str | None,
        request: OutboundRequest,
        trace: CallerTrace | None,
        *,
        is_preflight: bool,
    ) -> None:
        self.guard = guard
        self.routes = routes
        self.route = route
        self.origin = origin
        self.is_preflight = is_preflight
        self.request = request
        self.begun = begun_head(route, request)
        self.at_hand: AtHand | None = None
        self.caller_trace = trace
        self.has_trace = trace is not None or route.traceparent == "make"


def decide(head: CallerHead, guard: Guard, routes: RouteTable, found: Callable[[Route | None], None]) -> Decision:
    """For a caller whom the guard has let in. Raises a CallerError.

    `found` is told of the route as soon as it is known, and may raise one too.
    """
    message, fields = head.message, head.fields
    target = message.path
    if message.version not in _VERSIONS:
        raise MalformedRequest
    if message.method in _REFUSED_METHODS:
        raise MethodNotAllowed
    check_framing(fields, message.version)
    expectation = field_value(fields, b"expect")
    if expectation is not None and expectation.lower() != b"100-continue":
        raise UnknownExpectation
    route = routes.find(target)
    check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
    found(route)
    if route is None:
        check_page(fields, frozenset())
        raise NoRoute
    origin = check_page(fields, route.allowed_origins)
    asks_first = origin is not None and is_preflight(message.method, fields)
    if not asks_first:
        route.check(message.method, target, message.raw_headers)
    request = outbound_request(route, message.method, target, message.raw_headers, b"")
    return Decision(guard, routes, route, origin, request, caller_trace(fields), is_preflight=asks_first)
