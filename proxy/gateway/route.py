"""Routes: a path prefix that leads to a provider, and what callers may do there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from proxy.errors import DeniedByRoute, MethodNotAllowed
from proxy.gateway.headers import HeaderFilter, RawHeaders, has_name, request_filter
from proxy.gateway.trace import DROPPED_FIELDS, TraceRule
from proxy.schemes.base import AuthScheme, Injection
from proxy.target import canonical, has_parameter
from proxy.template import Template
from proxy.upstream.origin import Origin
from proxy.upstream.pool import UpstreamPool
from proxy.vendor_clock import VendorClock


@dataclass(frozen=True, eq=False)
class Provider:
    """One account at one API. `base_path` is "" or "/v1"; names in `drop_*` are canonical.

    `graphql_subscriptions`: over WebSocket the credential is wanted in the first message too. `clock` is the vendor's.
    """

    name: str
    origin: Origin
    base_path: str
    scheme: AuthScheme
    pool: UpstreamPool
    drop_headers: tuple[str, ...] = ()
    drop_query: frozenset[str] = frozenset()
    graphql_subscriptions: bool = False
    clock: VendorClock | None = None
    # What the scheme says of itself, at hand for every request; `watched_clock` is told of the vendor's answers, and
    # `hidden_query` are names of query parameters that are the credential.
    needs_body: bool = field(init=False)
    counts_requests: bool = field(init=False)
    inspects_answer: bool = field(init=False)
    hidden_query: frozenset[str] = field(init=False)
    judged_statuses: frozenset[int] | None = field(init=False)
    watched_clock: VendorClock | None = field(init=False)

    def __post_init__(self) -> None:
        scheme = self.scheme
        for name in ("needs_body", "counts_requests", "inspects_answer", "judged_statuses"):
            object.__setattr__(self, name, getattr(scheme, name))
        object.__setattr__(self, "hidden_query", scheme.injected_query)
        object.__setattr__(self, "watched_clock", self.clock if scheme.writes_time else None)

    @cached_property
    def outline(self) -> Injection:
        """What the scheme adds in general, fit to be shown."""
        return self.scheme.outline()


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Route:
    """`timeout` and `websocket_idle_timeout` (None: no limit) are in seconds.

    `max_body` is in bytes (None: no limit where the body need not be held).
    """

    prefix: str
    provider: Provider
    methods: frozenset[str] | None = None
    headers: Mapping[str, Template]
    query: Mapping[str, Template]
    deny_headers: frozenset[str] = frozenset()
    deny_query: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    encoded_slashes: bool = False
    timeout: float = 60.0
    websocket_idle_timeout: float | None = None
    max_body: int | None = None
    traceparent: TraceRule = "pass"
    # Derived, once: what callers' headers and parameters are dropped for, and what begins the vendor's.
    header_filter: HeaderFilter
    dropped_query: frozenset[str]
    behind_target: bytes
    origin: str
    # Whether nothing is added to requests that may be another thing tomorrow, such as a secret in a file.
    is_constant: bool

    @classmethod
    def to(
        cls,
        provider: Provider,
        prefix: str,
        *,
        headers: Mapping[str, Template] | None = None,
        query: Mapping[str, Template] | None = None,
        traceparent: TraceRule = "pass",
        **rest: object,
    ) -> Route:
        """A route with everything derived that requests would otherwise derive each time."""
        headers, query = headers or {}, query or {}
        scheme = provider.scheme
        dropped = [*provider.drop_headers, *scheme.injected_headers, *(canonical(name) for name in headers)]
        dropped += DROPPED_FIELDS[traceparent]
        return cls(
            prefix=prefix,
            provider=provider,
            headers=headers,
            query=query,
            traceparent=traceparent,
            header_filter=request_filter(dropped),
            dropped_query=provider.drop_query | scheme.injected_query | {canonical(name) for name in query},
            behind_target=f" HTTP/1.1\r\nHost: {provider.origin.authority}\r\n".encode("ascii"),
            origin=provider.origin.text,
            is_constant=not headers and not query,
            **rest,  # type: ignore[arg-type]
        )

    def check(self, method: str, target: str, headers: RawHeaders) -> None:
        """Raise MethodNotAllowed or DeniedByRoute."""
        if self.methods is not None and method not in self.methods:
            raise MethodNotAllowed(allow=tuple(sorted(self.methods)))
        if self.deny_headers and has_name(headers, self.deny_headers):
            raise DeniedByRoute
        if self.deny_query and has_parameter(target, self.deny_query):
            raise DeniedByRoute


class RouteTable:
    """Finds the longest matching prefix, on whole segments; as fast for ten thousand routes as for one."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {route.prefix: route for route in routes}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def find(self, target: str) -> Route | None:
        """The route of a raw target."""
        prefix = target.partition("?")[0]
        while prefix:
            if (route := self._routes.get(prefix)) is not None:
                return route
            prefix = prefix.rpartition("/")[0]
        return self._routes.get("/")
