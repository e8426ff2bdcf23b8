"""A key made from a secret, such as a parsed PEM: made once, and again when a secret file changes."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from proxy.secret import Secret

Key = TypeVar("Key")
KeyEncoding = Literal["utf8", "hex", "base64"]


class DerivedKey(Generic[Key]):
    """`derive` raises ValueError for a text that is no key; at construction this gets out, later the old key holds."""

    def __init__(self, secret: Secret, derive: Callable[[str], Key]) -> None:
        self._secret = secret
        self._derive = derive
        self._text = Secret(secret.reveal())
        self._key = derive(self._text.reveal())
        self._may_change = secret.may_change
        self.version = 0

    def current(self) -> Key:
        if not self._may_change:
            return self._key
        text = self._secret.reveal()
        if text is not self._text.reveal() and text != self._text.reveal():
            self._text = Secret(text)
            try:
                self._key = self._derive(text)
                self.version += 1
            except ValueError:
                pass  # In the middle of a swap; the next change will be read again.
        return self._key


def derived(secret: Secret, derive: Callable[[str], Callable[[bytes], bytes]]) -> Callable[[bytes], bytes]:
    """A function that is made from a secret: itself where that stays, otherwise one that uses the newest."""
    key = DerivedKey(secret, derive)
    if not secret.may_change:
        return key.current()

    def current(octets: bytes) -> bytes:
        return key.current()(octets)

    return current


def decoded_key(text: str, encoding: KeyEncoding) -> bytes:
    """The key's bytes. Raises ValueError, without the text, if they are not there in this encoding."""
    if not text:
        raise ValueError("key: it is empty")
    if encoding == "utf8":
        return text.encode()
    try:
        return bytes.fromhex(text) if encoding == "hex" else b64decode(text, validate=True)
    except (ValueError, Base64Error):
        raise ValueError(f"key: it is not {encoding}") from None
