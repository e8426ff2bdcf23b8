"""Which route a request takes, which others would have fitted, and which were nearly meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import urlsplit

from proxy.config.models import Settings
from proxy.gateway.route import Route

_NEAR = 0.75
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """A route that was not taken, and why not."""

    prefix: str
    why: str


def local_target(asked: str, settings: Settings) -> str:
    """The target as the proxy gets it. A whole URL may be pasted: the proxy's own, or one of a provider's."""
    if not asked.startswith(("http://", "https://")):
        return asked
    parts = urlsplit(asked)
    rest = asked.partition("://")[2]
    target = rest[len(parts.netloc) :] or "/"
    for route in settings.routes:
        base = settings.providers[route.provider].base_url
        if asked.startswith(base) and asked[len(base) : len(base) + 1] in ("", "/", "?"):
            return (route.prefix if route.prefix != "/" else "") + asked[len(base) :]
    return target if parts.hostname in _LOOPBACK else asked


def why_it_matched(route: Route, target: str) -> str:
    path = target.partition("?")[0]
    if route.prefix == "/":
        return "no longer prefix fits"
    rest = path[len(route.prefix) :]
    return f"the path is {route.prefix}, whole" if not rest else f"the path begins with {route.prefix}/"


def others(routes: Iterable[Route], taken: Route | None, target: str) -> Iterator[OtherRoute]:
    """What a person may have expected instead: shorter prefixes that fit too, and prefixes that nearly fit."""
    path = target.partition("?")[0]
    for route in routes:
        prefix = route.prefix
        if taken is not None and prefix == taken.prefix:
            continue
        if _fits(prefix, path):
            yield OtherRoute(prefix, "fits too, but the longest prefix wins")
        elif why := _nearly(prefix, path):
            yield OtherRoute(prefix, why)


def _fits(prefix: str, path: str) -> bool:
    return prefix in ("/", path) or path.startswith(prefix + "/")


def _nearly(prefix: str, path: str) -> str | None:
    if _fits(prefix.lower(), path.lower()):
        return "differs in upper and lower case"
    if path.startswith(prefix):
        return f"the path goes on within the segment; {prefix}/ would fit"
    if _fits(prefix, f"/{path}"):
        return "a path begins with /"
    head = "/".join(path.split("/")[: prefix.count("/") + 1])
    if prefix != "/" and SequenceMatcher(None, prefix.lower(), head.lower()).ratio() >= _NEAR:
        return f"is nearly {head}"
    return None
