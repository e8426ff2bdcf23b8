"""Signing JSON Web Tokens (RFC 7515, 7519): compact form, with the algorithm fixed by the configuration.

PyJWT does the algorithms; header and payload are put together here. So claims keep their order, and a short key
that a vendor has chosen raises no warning.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from proxy.schemes.derived_key import DerivedKey, KeyEncoding, decoded_key
from proxy.secret import Secret

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "ES256K", "EdDSA",
]  # fmt: skip


class Signer:
    """Signs with one key by one algorithm. Raises ValueError, without the key, if they do not fit each other."""

    def __init__(
        self, key: Secret, algorithm: Algorithm, key_id: str | None = None, encoding: KeyEncoding = "utf8"
    ) -> None:
        self._algorithm = get_default_algorithms()[algorithm]
        self._name = algorithm
        self._encoding = encoding
        header = {"alg": algorithm} | ({"kid": key_id} if key_id is not None else {}) | {"typ": "JWT"}
        self._header = _segment(json.dumps(header, separators=(",", ":")).encode())
        self._key = DerivedKey(key, self._prepared)

    @property
    def key_version(self) -> int:
        """Counts up when the secret's file holds another key."""
        self._key.current()
        return self._key.version

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token, with the claims in the order in which they are given."""
        payload = _segment(json.dumps(claims, separators=(",", ":")).encode())
        signing_input = b".".join((self._header, payload))
        signature = self._algorithm.sign(signing_input, self._key.current())
        return b".".join((signing_input, _segment(signature))).decode()

    def _prepared(self, text: str) -> Any:
        return self._shared(text) if self._name.startswith("HS") else self._private(text)

    def _shared(self, text: str) -> Any:
        content = decoded_key(text, self._encoding)
        try:
            return self._algorithm.prepare_key(content)
        except InvalidKeyError:
            raise ValueError("key: it is a key file, not a shared secret; choose RS, PS, ES or EdDSA") from None

    def _private(self, text: str) -> Any:
        try:
            key = self._algorithm.prepare_key(text)
        except (InvalidKeyError, TypeError, ValueError, UnsupportedAlgorithm):
            key = None
        if not hasattr(key, "private_bytes"):
            raise ValueError(f"key: {self._name} needs an unencrypted private key of its own type, in PEM form")
        return key


def _segment(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
