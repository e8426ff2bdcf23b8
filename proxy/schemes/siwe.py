"""Sign-In with Ethereum: the EIP-4361 text, and its EIP-191 signature.

The text is made here from the configuration alone. No server ever supplies any part of it, so that nobody can
have this key sign something else. The curve and the hash are eth-keys'; the rest of eth-account, and what it brings
along, would take 5 MiB and half a second of the start.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict

from proxy.clock import Clock
from proxy.duration import Seconds
from proxy.schemes.signing_scope import iso_timestamp
from proxy.secret import Secret

if TYPE_CHECKING:
    from eth_keys.datatypes import PrivateKey

PLACES = frozenset({"siwe.message", "siwe.signature", "siwe.address"})
NONCE_LENGTH = 17

_ALPHANUMERICS = string.ascii_letters + string.digits
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_DOMAIN = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_STATEMENT = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;= -]+")


@dataclass(kw_only=True, eq=False)
class SiweSettings:
    """`domain` has its scheme if the deployment's messages have one. `address`, if given, must be the key's."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    private_key: Secret | None = None
    domain: str
    uri: str
    chain_id: int = 1
    statement: str | None = None
    lifetime: Seconds = 300.0
    address: str | None = None

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain):
            raise ValueError("domain: expected a host, with its port if need be, or an origin such as https://host")
        if not _URI.fullmatch(self.uri):
            raise ValueError("uri: expected an absolute URI")
        if self.chain_id < 0:
            raise ValueError("chain_id: expected a number, 1 for the main chain")
        if self.statement and not _STATEMENT.fullmatch(self.statement):
            raise ValueError("statement: it is one line of ASCII letters, digits, spaces and -._~:/?#[]@!$&'()*+,;=")
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise ValueError("address: expected 0x and 40 hex digits")
        if self.private_key is not None:
            signing_key(self)


@dataclass(frozen=True, slots=True)
class SignIn:
    """One message with its signature; they belong together, and to one login."""

    message: str
    signature: str
    address: str


def sign_in(settings: SiweSettings, clock: Clock) -> SignIn:
    """A new message with a new nonce, signed. Raises ValueError if the key has become unusable."""
    key = signing_key(settings)
    address = key.public_key.to_checksum_address()
    nonce = "".join(secrets.choice(_ALPHANUMERICS) for _ in range(NONCE_LENGTH))
    message = sign_in_message(settings, address, nonce, clock.wall())
    return SignIn(message, "0x" + signature(key, message).hex(), address)


def signature(key: PrivateKey, message: str) -> bytes:
    """Over the message in the form of EIP-191, version 0x45, which no transaction has: r, s, and v (27 or 28)."""
    from eth_utils.crypto import keccak

    content = message.encode()
    signed = key.sign_msg_hash(keccak(b"\x19Ethereum Signed Message:\n%d%b" % (len(content), content))).to_bytes()
    return signed[:-1] + bytes((27 + signed[-1],))


def sign_in_message(settings: SiweSettings, address: str, nonce: str, issued_at: float) -> str:
    """The text of EIP-4361, without a newline at its end. `address` has its EIP-55 checksum."""
    statement = f"{settings.statement}\n" if settings.statement else ""
    return (
        f"{settings.domain} wants you to sign in with your Ethereum account:\n"
        f"{address}\n"
        f"\n{statement}\n"
        f"URI: {settings.uri}\n"
        "Version: 1\n"
        f"Chain ID: {settings.chain_id}\n"
        f"Nonce: {nonce}\n"
        f"Issued At: {iso_timestamp(issued_at)}\n"
        f"Expiration Time: {iso_timestamp(issued_at + settings.lifetime)}"
    )


def signing_key(settings: SiweSettings) -> PrivateKey:
    """The configured key. Raises ValueError, without the key, if it is none or its address is another."""
    try:
        from eth_keys.datatypes import PrivateKey
    except ImportError:
        raise ValueError("siwe: signing in with Ethereum needs an extra: install authproxy[ethereum]") from None
    assert settings.private_key is not None
    digits = _KEY.fullmatch(settings.private_key.reveal())
    if digits is None or not 0 < int(digits[1], 16) < _CURVE_ORDER:
        raise ValueError("private_key: expected an Ethereum key, 0x and 64 hex digits")
    key = PrivateKey(bytes.fromhex(digits[1]))
    if settings.address is not None and settings.address.lower() != key.public_key.to_address().lower():
        raise ValueError("address: it is not the private key's")
    return key
