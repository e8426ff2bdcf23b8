"""HMAC (RFC 2104) with one key, for one message after the other.

The two blocks that the key fills are hashed once, when the key is known; the standard library's own object does that
too, but copying it costs more than hashing a short message.
"""

from __future__ import annotations

import hashlib

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash:
    """`algorithm` is a name of hashlib's."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, algorithm: str) -> None:
        self._inner, self._outer = hashlib.new(algorithm), hashlib.new(algorithm)
        size = self._inner.block_size
        block = (key if len(key) <= size else hashlib.new(algorithm, key).digest()).ljust(size, b"\0")
        self._inner.update(block.translate(_INNER))
        self._outer.update(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()
