"""Encryption of what a store holds, with keys made from the text in the configuration.

AES-256-GCM, each entry bound to its name, so that no entry can stand in for another. The text is stretched by scrypt;
its salt is fixed, since all replicas must come to the same keys, and so the text itself has to be long and random. A
short identifier of the key stands before each entry: one that another key sealed is told apart from a broken one.

What encrypts takes 8 MiB of memory. So it is imported by the first seal: most stores have no use for it.
"""

from __future__ import annotations

import hashlib
import hmac
import os

SHORTEST_TEXT = 16

_SALT = b"authproxy token store 1"
_FORM = b"\x01"
_ID_BYTES, _NONCE_BYTES = 4, 12
_HEAD_BYTES = len(_FORM) + _ID_BYTES + _NONCE_BYTES


class OtherKey(Exception):
    """Sealed with another key."""


class Broken(Exception):
    """Not what was sealed, or not under this name."""


class Seal:
    """Seals and opens. `key_id` is fit to be shown."""

    def __init__(self, text: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        # 16 MiB and some 50 ms, once per start.
        material = hashlib.scrypt(text.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=64 + _ID_BYTES)
        self._cipher = AESGCM(material[:32])
        self._naming = material[32:64]
        self._id = material[64:]
        self.key_id = self._id.hex()

    def name(self, key: str) -> str:
        """Under which name a credential is stored: its own key is a hash over secrets, and stays here."""
        return hmac.new(self._naming, key.encode(), hashlib.sha256).hexdigest()[:32]

    def seal(self, text: str, name: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + self._id + nonce + self._cipher.encrypt(nonce, text.encode(), name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """The text again. Raises OtherKey or Broken."""
        from cryptography.exceptions import InvalidTag

        if sealed[:1] != _FORM or len(sealed) < _HEAD_BYTES:
            raise Broken
        if sealed[1 : 1 + _ID_BYTES] != self._id:
            raise OtherKey
        try:
            return self._cipher.decrypt(sealed[1 + _ID_BYTES : _HEAD_BYTES], sealed[_HEAD_BYTES:], name.encode())
        except InvalidTag:
            raise Broken from None
