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
        taken = self._last
        if now > self._latest or len(taken) >= MOST_REMEMBERED:
            taken.clear()
            self._latest = now
        # Requests taken for equal that are not cost the later one a millisecond, so a look at the body will do.
        body = request.body or b""
        key = hash((request.method, request.target, len(body), body[:_GLANCE]))
        last = taken.get(key)
        if last is None or not now <= last < now + FURTHEST_AHEAD:
            taken[key] = now
            return wall
        taken[key] = moment = last + 1
        self._latest = max(self._latest, moment)
        return moment / 1000


Make = Callable[[OutboundRequest], Value]
Pair = tuple[str, str]

_OF_REQUEST: dict[str, Make] = {
    "method": lambda request: request.method,
    "origin": lambda request: request.origin,
    "host": lambda request: request.origin.partition("://")[2],
    "path": lambda request: request.target.partition("?")[0],
    "body": lambda request: request.body or b"",
    "body_sha256": lambda request: hashlib.sha256(request.body or b"").hexdigest(),
    "body_sha256_base64": lambda request: b64encode(hashlib.sha256(request.body or b"").digest()).decode(),
    "body_sha512": lambda request: hashlib.sha512(request.body or b"").hexdigest(),
}
_OF_MOMENT: dict[str, Callable[[float, float], str]] = {
    "timestamp": lambda wall, valid_for: str(int(wall)),
    "timestamp_ms": lambda wall, valid_for: str(round(wall * 1000)),
    "timestamp_iso": lambda wall, valid_for: iso_timestamp(wall),
    "expires": lambda wall, valid_for: str(int(wall + valid_for)),
    "nonce": lambda wall, valid_for: uuid4().hex,
}
_OF_TARGET: dict[str, Callable[[str, str], str]] = {
    "target": lambda origin, target: target,
    "url": lambda origin, target: origin + target,
    "query": lambda origin, target: target.partition("?")[2],
    "target_decoded": lambda origin, target: unescaped(target),
    "query_decoded": lambda origin, target: unescaped(target.partition("?")[2]),
}


class SigningScope:
    """What the places stand for that a scheme uses, and no others: most schemes use three or four of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._of_request = [(name, make) for name in names if (make := _maker(name)) is not None]
        self._of_moment = [(name, _OF_MOMENT[name]) for name in names if name in _OF_MOMENT]
        self._of_target = [(name, _OF_TARGET[name]) for name in names if name in _OF_TARGET]

    def fill(self, scope: dict[str, Value], request: OutboundRequest, wall: float, valid_for: float) -> None:
        """Put in what `of_request` and `of_moment` give, with fewer steps: this is done for every request."""
        for name, of_request in self._of_request:
            scope[name] = of_request(request)
        for name, of_moment in self._of_moment:
            scope[name] = of_moment(wall, valid_for)

    def fill_target(self, scope: dict[str, Value], request: OutboundRequest, injected: Iterable[Pair]) -> None:
        """Put in what `of_target` gives."""
        if self._of_target:
            target = add_parameters(request.target, injected)
            for name, of_target in self._of_target:
                scope[name] = of_target(request.origin, target)

    def of_request(self, request: OutboundRequest) -> dict[str, Value]:
        """The parts of the request that no injection changes."""
        return {name: make(request) for name, make in self._of_request}

    def of_moment(self, wall: float, valid_for: float) -> dict[str, Value]:
        """One moment, in seconds since the epoch, in every form that is used, and a number used once.

        `expires` is `valid_for` seconds later, in whole seconds.
        """
        return {name: make(wall, valid_for) for name, make in self._of_moment}

    def of_target(self, request: OutboundRequest, injected: Iterable[Pair]) -> dict[str, Value]:
        """The target as it is sent, with the injected parameters behind the request's own."""
        scope: dict[str, Value] = {}
        self.fill_target(scope, request, injected)
        return scope


def _maker(name: str) -> Make | None:
    if not name.startswith("header."):
        return _OF_REQUEST.get(name)
    wanted = name.removeprefix("header.")
    # As bytes: a value that is not ASCII is signed as it is sent.
    return lambda request: (request.header(wanted) or "").encode("latin-1")


def unescaped(text: str) -> str:
    """With every `%XX` as the character that it is part of; what is not UTF-8 becomes the replacement character."""
    return unquote(text)


def iso_timestamp(wall: float) -> str:
    """RFC 3339 in UTC, with milliseconds: 2024-09-14T20:44:31.764Z."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
