"""Who may do more than look at health: whoever has the admin token.

It is read from `Authorization: Bearer` alone. No browser adds that by itself, and no foreign page can without a
preflight, which is refused; so the token is a guard against forged requests, too.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from proxy.secret import Secret

_PREFIX = b"bearer "


def is_authorized(headers: Sequence[tuple[bytes, bytes]], token: Secret | None) -> bool:
    """Whether the one Authorization field holds the token. Takes the same time for every wrong one."""
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if token is None or len(values) != 1 or values[0][: len(_PREFIX)].lower() != _PREFIX:
        return False
    given, wanted = values[0][len(_PREFIX) :], token.reveal().encode()
    return hmac.compare_digest(sha256(given).digest(), sha256(wanted).digest())
