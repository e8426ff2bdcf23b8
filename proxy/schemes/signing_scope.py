"""What the places of a signed message stand for, in one request at one moment."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import uuid4

from proxy.schemes.base import OutboundRequest
from proxy.target import add_parameters
from proxy.template import Value

REQUEST_PLACES = frozenset({"method", "origin", "host", "path", "header.<name>"})
MOMENT_PLACES = frozenset({"timestamp", "timestamp_ms", "timestamp_iso", "expires", "nonce"})
# These hold the injected query parameters, so that a query parameter cannot hold them.
TARGET_PLACES = frozenset({"url", "target", "target_decoded", "query", "query_decoded"})
BODY_PLACES = frozenset({"body"})
DIGEST_PLACES = frozenset({"body_sha256", "body_sha256_base64", "body_sha512"})

# How a signature is written.
ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: b64encode(digest).decode(),
    "base64url": lambda digest: urlsafe_b64encode(digest).decode(),
}

# So far ahead of the clock a moment may be at the most, in milliseconds: equal requests that keep coming faster
# than one a millisecond must not drift out of the vendor's window.
FURTHEST_AHEAD = 1000
MOST_REMEMBERED = 4096
_GLANCE = 256


class Moments:
    """Gives equal requests different milliseconds.

    Vendors that look for replays know a request by its timestamp and signature. Two callers may well ask the same
    thing within a millisecond, and a second attempt may follow the first as fast; each is a request of its own.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._latest = 0

    def of(self, request: OutboundRequest, wall: float) -> float:
        """Seconds since the epoch: `wall`, or a little later if an equal request already has that millisecond."""
        now = round(wall * 1000)
        if now > self._latest or len(self._last) >= MOST_REMEMBERED:
            self._last.clear()
            self._latest = now
        # Requests taken for equal that are not cost the later one a millisecond, so a look at the body will do.
        body = request.body or b""
        key = hash((request.method, request.target, len(body), body[:_GLANCE]))
        last = self._last.get(key, 0)
        moment = last + 1 if now <= last < now + FURTHEST_AHEAD else now
        self._last[key] = moment
        self._latest = max(self._latest, moment)
        return wall if moment == now else moment / 1000


def request_scope(request: OutboundRequest, names: Iterable[str]) -> dict[str, Value]:
    """The parts of the request that no injection changes; `names` are those that are used."""
    body = request.body or b""
    scope: dict[str, Value] = {
        "method": request.method,
        "origin": request.origin,
        "host": request.origin.partition("://")[2],
        "path": request.target.partition("?")[0],
        "body": body,
        "body_sha256": lambda: hashlib.sha256(body).hexdigest(),
        "body_sha256_base64": lambda: b64encode(hashlib.sha256(body).digest()).decode(),
        "body_sha512": lambda: hashlib.sha512(body).hexdigest(),
    }
    for name in names:
        if name.startswith("header."):
            # As bytes: a value that is not ASCII is signed as it is sent.
            scope[name] = (request.header(name.removeprefix("header.")) or "").encode("latin-1")
    return scope


def moment_scope(wall: float, names: frozenset[str], valid_for: float) -> dict[str, Value]:
    """One moment, in seconds since the epoch, in every usual form, and a number used once; `names` are those used.

    `expires` is `valid_for` seconds later, in whole seconds.
    """
    scope: dict[str, Value] = {"timestamp": str(int(wall)), "timestamp_ms": str(round(wall * 1000))}
    if "expires" in names:
        scope["expires"] = str(int(wall + valid_for))
    if "timestamp_iso" in names:
        scope["timestamp_iso"] = iso_timestamp(wall)
    if "nonce" in names:
        scope["nonce"] = uuid4().hex
    return scope


def target_scope(
    request: OutboundRequest, injected: Iterable[tuple[str, str]], names: frozenset[str]
) -> dict[str, Value]:
    """The target as it is sent, with the injected parameters behind the request's own; `names` are those used."""
    target = add_parameters(request.target, injected)
    query = target.partition("?")[2]
    scope: dict[str, Value] = {"target": target, "url": request.origin + target, "query": query}
    if "target_decoded" in names:
        scope["target_decoded"] = unescaped(target)
    if "query_decoded" in names:
        scope["query_decoded"] = unescaped(query)
    return scope


def unescaped(text: str) -> str:
    """With every `%XX` as the character that it is part of; what is not UTF-8 becomes the replacement character."""
    return unquote(text)


def iso_timestamp(wall: float) -> str:
    """RFC 3339 in UTC, with milliseconds: 2024-09-14T20:44:31.764Z."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
