"""Why something of a caller's request is not sent on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from proxy.errors import BadTarget, CallerError, DeniedByRoute, MethodNotAllowed
from proxy.gateway.headers import HOP_BY_HOP, RawHeaders, has_name, passing
from proxy.gateway.route import Route
from proxy.gateway.trace import DROPPED_FIELDS
from proxy.target import canonical, drop_parameters, has_parameter

_MADE_ANEW = frozenset({"host", "content-length", "expect"})


@dataclass(frozen=True, slots=True)
class Removed:
    """A header, or a query parameter, that the caller sent in vain."""

    kind: Literal["header", "parameter"]
    name: str
    why: str


def removed_headers(route: Route, headers: RawHeaders) -> Iterator[Removed]:
    kept = {name for name, _ in passing(headers, route.header_filter)}
    for name in dict.fromkeys(name for name, _ in headers if name not in kept):
        would_pass_alone = bool(passing(((name, b""),), route.header_filter))
        text = name.decode("latin-1")
        yield Removed("header", text, _why_header(route, canonical(text), is_nominated=would_pass_alone))


def removed_parameters(route: Route, target: str) -> Iterator[Removed]:
    pieces = [piece for piece in target.partition("?")[2].split("&") if piece]
    for name in dict.fromkeys(piece.partition("=")[0] for piece in pieces if _is_dropped(piece, route.dropped_query)):
        yield Removed("parameter", name, _why_parameter(route, f"?{name}"))


def refusal_detail(error: CallerError, route: Route | None, target: str, headers: RawHeaders) -> str:
    """What in this request the error speaks of; the answer itself never says."""
    if isinstance(error, MethodNotAllowed):
        return f"it allows {', '.join(error.allow)}"
    if isinstance(error, DeniedByRoute) and route is not None:
        found = [f"header {name}" for name in sorted(route.deny_headers) if has_name(headers, frozenset({name}))]
        found += [f"parameter {name}" for name in sorted(route.deny_query) if has_parameter(target, {name})]
        return f"the route {route.prefix} denies {', '.join(found)}"
    if isinstance(error, BadTarget):
        return _wrong_with(target)
    return ""


def _why_header(route: Route, key: str, *, is_nominated: bool) -> str:
    if key in route.provider.scheme.injected_headers:
        return "the credential sets it"
    if key in {canonical(name) for name in route.headers}:
        return "the route sets it"
    if key in _MADE_ANEW:
        return "made anew for the vendor"
    if key.encode() in HOP_BY_HOP:
        return "holds for the connection to the proxy only"
    if key == "x-authproxy-token":
        return "meant for authproxy"
    if key in DROPPED_FIELDS[route.traceparent]:
        return f"the route has `traceparent: {route.traceparent}`"
    if is_nominated:
        return "the Connection header keeps it to this hop"
    if any(key == name or (name.endswith("*") and key.startswith(name[:-1])) for name in route.provider.drop_headers):
        return "in the provider's drop_headers"
    return "could change what the vendor reads as the caller, the path or the method"


def _why_parameter(route: Route, target: str) -> str:
    if has_parameter(target, route.provider.scheme.injected_query):
        return "the credential sets it"
    if has_parameter(target, {canonical(name) for name in route.query}):
        return "the route sets it"
    return "in the provider's drop_query"


def _is_dropped(piece: str, names: frozenset[str]) -> bool:
    return drop_parameters(f"?{piece}", names) != f"?{piece}"


def _wrong_with(target: str) -> str:
    if not target.startswith("/"):
        return "a path begins with /"
    for at, character in enumerate(target):
        if not "!" <= character <= "~" or character in "#\\":
            return f"the character at position {at + 1} has to be percent-encoded"
    return "a dot segment, a doubled slash, an encoded slash or a broken escape"
