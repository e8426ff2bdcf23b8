"""Signing JSON Web Tokens (RFC 7515, 7519): compact form, with the algorithm fixed by the configuration.

Header and payload are put together here. So claims keep their order, and a short key that a vendor has chosen raises no
warning. Shared secrets sign by the standard library; PyJWT does the rest, and comes with 8 MiB of OpenSSL's bindings,
so it is imported for keys that need it.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Literal

from proxy.schemes.derived_key import DerivedKey, KeyEncoding, decoded_key
from proxy.secret import Secret

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "ES256K", "EdDSA",
]  # fmt: skip
# What signs: bytes to bytes.
Sign = Callable[[bytes], bytes]

_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
# PEM, OpenSSH, JWK, and DER with a long length: whatever PyJWT could take for the key of another kind of algorithm.
_LIKE_A_KEY_FILE = re.compile(rb".*BEGIN|ssh-|ecdsa-|\s*[\[{]|0[\x80-\xff]", re.DOTALL)


class Signer:
    """Signs with one key by one algorithm. Raises ValueError, without the key, if they do not fit each other."""

    def __init__(
        self, key: Secret, algorithm: Algorithm, key_id: str | None = None, encoding: KeyEncoding = "utf8"
    ) -> None:
        header = {"alg": algorithm} | ({"kid": key_id} if key_id is not None else {}) | {"typ": "JWT"}
        self._header = _segment(json.dumps(header, separators=(",", ":")).encode())
        self._key: DerivedKey[Sign] = DerivedKey(
            key,
            (lambda text: _shared(decoded_key(text, encoding), algorithm))
            if algorithm in _HASHES
            else (lambda text: _private(text, algorithm)),
        )

    @property
    def key_version(self) -> int:
        """Counts up when the secret's file holds another key."""
        self._key.current()
        return self._key.version

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token, with the claims in the order in which they are given."""
        payload = _segment(json.dumps(claims, separators=(",", ":")).encode())
        signing_input = b".".join((self._header, payload))
        return b".".join((signing_input, _segment(self._key.current()(signing_input)))).decode()


def _shared(key: bytes, algorithm: Algorithm) -> Sign:
    is_short_der = key[:1] == b"0" and key[1:2] == bytes((max(len(key) - 2, 0) & 0xFF,))
    if (is_short_der or _LIKE_A_KEY_FILE.match(key)) and _is_key_file(key, algorithm):
        raise ValueError("key: it is a key file, not a shared secret; choose RS, PS, ES or EdDSA")
    digest = _HASHES[algorithm]
    return lambda content: hmac.digest(key, content, digest)


def _is_key_file(key: bytes, algorithm: Algorithm) -> bool:
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import InvalidKeyError

    try:
        get_default_algorithms()[algorithm].prepare_key(key)
    except InvalidKeyError:
        return True
    return False


def _private(text: str, algorithm: Algorithm) -> Sign:
    from cryptography.exceptions import UnsupportedAlgorithm
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import InvalidKeyError

    signing = get_default_algorithms()[algorithm]
    try:
        key = signing.prepare_key(text)
    except (InvalidKeyError, TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not hasattr(key, "private_bytes"):
        raise ValueError(f"key: {algorithm} needs an unencrypted private key of its own type, in PEM form")
    return lambda content: signing.sign(content, key)


def _segment(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
