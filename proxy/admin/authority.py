"""Who may do more than look at health: whoever has the admin token.

It is read from `Authorization: Bearer` alone. No browser adds that by itself, and no foreign page can without a
preflight, which is refused; so the token is a guard against forged requests, too.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256

from proxy.secret import Secret

_PREFIX = b"bearer "


def is_authorized(headers: Sequence[tuple[bytes, bytes]], tokens: Iterable[Secret]) -> bool:
    """Whether the one Authorization field holds one of the tokens. Takes the same time for every wrong one."""
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) != 1 or values[0][: len(_PREFIX)].lower() != _PREFIX:
        return False
    given = sha256(values[0][len(_PREFIX) :]).digest()
    wanted = [sha256(token.reveal().encode()).digest() for token in tokens]
    return any([hmac.compare_digest(given, digest) for digest in wanted])  # noqa: C419 - compares with each
