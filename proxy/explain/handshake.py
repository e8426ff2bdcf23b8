"""What is different about a request that asks for a WebSocket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.explain.reasons import Removed
from proxy.gateway.headers import RawHeaders
from proxy.gateway.route import Route
from proxy.gateway.websocket import UPGRADE
from proxy.schemes.base import Injection

_EXTENSIONS = "sec-websocket-extensions"
_REWRITTEN = frozenset(name.decode().lower() for name, _ in UPGRADE)


def removed_from_handshake(route: Route, headers: RawHeaders, removed: Iterable[Removed]) -> Iterator[Removed]:
    """What does not go on: the wish does, anew; compression does not where the first message has to be read."""
    yield from (one for one in removed if one.name.lower() not in _REWRITTEN)
    for name in dict.fromkeys(name.decode("latin-1") for name, _ in headers):
        if route.provider.graphql_subscriptions and name.lower() == _EXTENSIONS:
            yield Removed("header", name, "compressed messages could not be read, and the first one has to be")


def handshake_lines(route: Route, injection: Injection) -> tuple[tuple[str, str], ...]:
    """Named lines about what follows once the vendor agrees; `injection` is fit to be shown."""
    lines = [("websocket", "a connection of its own; behind the vendor's 101 the bytes of both sides as they are")]
    if route.provider.graphql_subscriptions:
        fields = ", ".join(f"{name}: {value}" for name, value in injection.headers)
        lines.append(("first message", f"GraphQL's connection_init; into its payload.headers go {fields}"))
    return tuple(lines)
