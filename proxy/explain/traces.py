"""What a route that makes a traceparent sends on of traces."""

from __future__ import annotations

from proxy.gateway.headers import RawHeaders, special_fields
from proxy.gateway.route import Route
from proxy.gateway.trace import DROPPED_FIELDS, caller_trace
from proxy.target import canonical

_MADE: RawHeaders = ((b"traceparent", b"(made for each request)"),)


def trace_fields(route: Route, headers: RawHeaders) -> tuple[RawHeaders, str]:
    """The fields that are added behind all others that pass, and whose they are."""
    if route.traceparent != "make":
        return (), ""
    caller = caller_trace(special_fields(headers))
    return (_MADE, "authproxy") if caller is None else (caller.fields, "caller")


def passes_all_the_same(route: Route, headers: RawHeaders, name: str) -> bool:
    """Whether a field that the route's filter takes away is added again, as it was."""
    _, by = trace_fields(route, headers)
    return by == "caller" and canonical(name) in DROPPED_FIELDS["make"]
