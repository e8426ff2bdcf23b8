"""HMAC (RFC 2104) with one key, for one message after the other.

The two blocks that the key fills are hashed once, when the key is known; each message goes on from a copy of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def keyed_hash(key: bytes, algorithm: str, encoded: Callable[[bytes], bytes] = bytes) -> Callable[[bytes], bytes]:
    """What makes the digest of a message, written by `encoded`; `algorithm` is a name of hashlib's."""
    new: Callable[..., _Hash] = getattr(hashlib, algorithm)
    size = new().block_size
    block = (key if len(key) <= size else new(key).digest()).ljust(size, b"\0")
    begin, begin_outer = new(block.translate(_INNER)).copy, new(block.translate(_OUTER)).copy

    def digest(message: bytes) -> bytes:
        inner, outer = begin(), begin_outer()
        inner.update(message)
        outer.update(inner.digest())
        return encoded(outer.digest())

    return digest
