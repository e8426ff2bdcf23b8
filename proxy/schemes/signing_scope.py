"""What the places of a signed message stand for, in one request at one moment."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from binascii import hexlify
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import uuid4

from proxy.schemes.base import OutboundRequest
from proxy.target import add_parameters
from proxy.template import Value

Pair = tuple[str, str]

REQUEST_PLACES = frozenset({"method", "origin", "host", "path", "header.<name>"})
MOMENT_PLACES = frozenset({"timestamp", "timestamp_ms", "timestamp_iso", "expires", "nonce"})
# These hold the injected query parameters, so that a query parameter cannot hold them.
TARGET_PLACES = frozenset({"url", "target", "target_decoded", "query", "query_decoded"})
BODY_PLACES = frozenset({"body"})
DIGEST_PLACES = frozenset({"body_sha256", "body_sha256_base64", "body_sha512"})

# These stand for whole numbers.
NUMBERS = frozenset({"timestamp", "timestamp_ms", "expires"})
# What these stand for is the same percent-encoded.
UNRESERVED = NUMBERS | {"nonce", "body_sha256", "body_sha512"}


def unescaped(text: str) -> str:
    """With every `%XX` as the character that it is part of; what is not UTF-8 becomes the replacement character."""
    return unquote(text)


# How a signature is written.
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "hex": hexlify,
    "base64": b64encode,
    "base64url": urlsafe_b64encode,
}

OF_BODY: dict[str, Callable[[bytes], bytes]] = {
    "body": bytes,
    "body_sha256": lambda body: hashlib.sha256(body).hexdigest().encode(),
    "body_sha256_base64": lambda body: b64encode(hashlib.sha256(body).digest()),
    "body_sha512": lambda body: hashlib.sha512(body).hexdigest().encode(),
}
# Of the moment, in milliseconds since the epoch, and of how long a signature is valid, in seconds.
OF_MOMENT: dict[str, Callable[[int, float], bytes | int]] = {
    "timestamp": lambda moment, valid_for: moment // 1000,
    "timestamp_ms": lambda moment, valid_for: moment,
    "timestamp_iso": lambda moment, valid_for: iso_timestamp(moment / 1000).encode(),
    "expires": lambda moment, valid_for: int(moment / 1000 + valid_for),
    "nonce": lambda moment, valid_for: uuid4().hex.encode(),
}
# Of the origin and of the target as it is sent, with the injected parameters behind the request's own.
OF_TARGET: dict[str, Callable[[str, str], str]] = {
    "target": lambda origin, target: target,
    "url": lambda origin, target: origin + target,
    "query": lambda origin, target: target.partition("?")[2],
}
# Of the target: without its escapes.
DECODED: dict[str, Callable[[str], str]] = {
    "target_decoded": unescaped,
    "query_decoded": lambda target: unescaped(target.partition("?")[2]),
}
_OF_HEAD: dict[str, Callable[[OutboundRequest], str]] = {
    "method": lambda request: request.method,
    "origin": lambda request: request.origin,
    "host": lambda request: request.origin.partition("://")[2],
    "path": lambda request: request.target.partition("?")[0],
}


def of_head(name: str) -> Callable[[OutboundRequest], bytes] | None:
    """How to read from a request's head what this place stands for; None if it is not there."""
    if name.startswith("header."):
        wanted = name.removeprefix("header.")
        # As bytes: a value that is not ASCII is signed as it is sent.
        return lambda request: (request.header(wanted) or "").encode("latin-1")
    read = _OF_HEAD.get(name)
    return None if read is None else lambda request: read(request).encode("utf-8", "surrogateescape")


def values_of_request(names: Iterable[str], request: OutboundRequest) -> dict[str, Value]:
    """What these places stand for, as far as no injection changes it."""
    found: dict[str, Value] = {}
    for name in names:
        read = of_head(name)
        if read is not None:
            found[name] = read(request)
        elif name in OF_BODY:
            found[name] = OF_BODY[name](request.body or b"")
    return found


def values_of_moment(names: Iterable[str], wall: float, valid_for: float) -> dict[str, str]:
    """One moment, in seconds since the epoch, in every form that is named, and a number used once.

    `expires` is `valid_for` seconds later, in whole seconds.
    """
    moment = round(wall * 1000)
    return {name: text_of(OF_MOMENT[name](moment, valid_for)).decode() for name in names if name in OF_MOMENT}


def text_of(value: bytes | int) -> bytes:
    """What a place stands for, where some are numbers."""
    return b"%d" % value if isinstance(value, int) else value


def values_of_target(names: Collection[str], request: OutboundRequest, injected: Iterable[Pair]) -> dict[str, str]:
    """What these places stand for, of the target with the injected parameters behind the request's own."""
    target = add_parameters(request.target, injected)
    return {name: make(request.origin, target) for name, make in OF_TARGET.items() if name in names} | {
        name: make(target) for name, make in DECODED.items() if name in names
    }


def iso_timestamp(wall: float) -> str:
    """RFC 3339 in UTC, with milliseconds: 2024-09-14T20:44:31.764Z."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
