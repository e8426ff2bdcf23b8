"""The name under which a credential is shared: two providers with the same login and secret have one token."""

from __future__ import annotations

from hashlib import sha256


def credential_key(*parts: str) -> str:
    """Hex SHA-256 over the parts, each with its length before it, so that no two lists of parts look alike."""
    digest = sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()
