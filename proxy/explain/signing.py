"""One way in which a signature may have come about: what was signed, with which key.

Nothing here is ever shown; these hold the real key and the real text.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from re import fullmatch

from proxy.schemes.base import OutboundRequest
from proxy.schemes.signing_scope import unescaped, values_of_request
from proxy.template import Template, Value

Pieces = tuple[str, ...]

# Of so many parts every order is tried.
MOST_PERMUTED = 4

DIGESTS = {16: "md5", 20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}


@dataclass(frozen=True, slots=True)
class Signing:
    """`query` are the pieces between `&`, as they are written; `before_path` is what `{{url}}` begins with."""

    message: Template
    scope: dict[str, Value] = field(repr=False)
    method: str
    origin: str
    path: str
    query: Pieces
    body: bytes = field(repr=False)
    key: bytes = field(repr=False)
    before_path: str = ""
    before_target: str = ""
    behind: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)

    def text(self) -> bytes:
        """The message. Raises KeyError for a place of which nothing is known."""
        query = "&".join(self.query)
        target = self.path + (f"?{query}" if query else "")
        request = OutboundRequest(self.method, self.origin, target, self.headers, self.body)
        names = self.message.names
        scope = {
            **self.scope,
            **values_of_request(names, request),
            "path": self.before_target + self.path,
            "target": self.before_target + target,
            "url": self.before_path + target,
            "query": query,
            "target_decoded": unescaped(self.before_target + target),
            "query_decoded": unescaped(query),
        }
        return self.message.render_bytes(scope) + self.behind

    def digest(self, algorithm: str) -> bytes:
        return hmac.new(self.key, self.text(), algorithm).digest()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the request beside what is signed.

    `added` are the query parameters that only the proxy adds; `moments` the moment's other forms, by the texts that
    they replace; `local_*` is where the app calls the proxy; `secrets` the provider's others, by name.
    """

    added: tuple[str, ...]
    moments: dict[str, dict[str, str]]
    local_origins: tuple[str, ...]
    local_path: str
    base_path: str
    secrets: dict[str, str] = field(repr=False)
    key_text: str = field(repr=False)


# Words for what was done, as the end of "it fits if ...", and what is signed then.
Found = Iterator[tuple[str, Signing]]


@dataclass(frozen=True, slots=True)
class Given:
    """A signature as somebody wrote it: its bytes, and in which encoding they were found."""

    octets: bytes = field(repr=False)
    encoding: str

    @property
    def algorithm(self) -> str:
        return DIGESTS[len(self.octets)]


def readings(text: str) -> Iterator[Given]:
    """Every reading of a text that has the length of a digest."""
    for encoding, decode in _ENCODINGS.items():
        try:
            octets = decode(text)
        except (ValueError, Base64Error):
            continue
        if len(octets) in DIGESTS:
            yield Given(octets, encoding)


def _hex(text: str, pattern: str) -> bytes:
    if not fullmatch(pattern, text):
        raise ValueError
    return bytes.fromhex(text)


def _base64(text: str) -> bytes:
    return b64decode(text, validate=True)


def _base64url(text: str) -> bytes:
    if "+" in text or "/" in text or not ("-" in text or "_" in text or not text.endswith("=")):
        raise ValueError
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


_ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "hex": lambda text: _hex(text, "[0-9a-f]+"),
    "upper-case hex": lambda text: _hex(text, "(?=.*[A-F])[0-9A-F]+"),
    "base64": _base64,
    "base64url": _base64url,
    "base64 of the hex digits": lambda text: _hex(_base64(text).decode("ascii"), "[0-9a-fA-F]+"),
}


def plain_hash(signing: Signing, algorithm: str) -> tuple[bytes, ...]:
    """What people compute who take a hash of key and message for an HMAC."""
    text = signing.text()
    return tuple(hashlib.new(algorithm, octets).digest() for octets in (signing.key + text, text + signing.key, text))
