"""What a store keeps of one credential, and its form at rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from typing import Any

from proxy.secret import Secret

DAY = 86_400.0
# What nobody has written for so long belongs to no configuration any more. A token that holds longer stays longer.
KEPT = 90 * DAY
LONGEST_KEPT = 366 * DAY


@dataclass(frozen=True, slots=True)
class Entry:
    """A token, and the refresh token for the time after it; either may be missing.

    `serial` counts up over all processes that share the store: the higher one is the newer token. `age` is the
    seconds since the token was asked for, `lifetime` its seconds from then on; inf is for ever. `is_sent` says that
    the refresh token went out and that no answer to it is known: whether it is spent, nobody can tell.
    `follows_rejection` says that the token was asked for because the one before it had been rejected.
    """

    serial: int = 0
    token: Secret | None = None
    lifetime: float = 0.0
    age: float = 0.0
    refresh_token: Secret | None = None
    is_sent: bool = False
    follows_rejection: bool = False

    @property
    def is_alive(self) -> bool:
        return self.token is not None and 0.0 <= self.age < self.lifetime

    @property
    def seconds_to_keep(self) -> float:
        """From now on. That a refresh token is spent has to be remembered longer than a token lives."""
        return min(max(self.lifetime, KEPT), LONGEST_KEPT) - self.age


def to_text(entry: Entry) -> str:
    """JSON in the clear, all but the age: a store measures that."""
    return json.dumps(
        {
            "serial": entry.serial,
            "token": _revealed(entry.token),
            "lifetime": None if entry.lifetime == inf else entry.lifetime,
            "refresh_token": _revealed(entry.refresh_token),
            "is_sent": entry.is_sent,
            "follows_rejection": entry.follows_rejection,
        }
    )


def from_text(text: str | bytes, age: float) -> Entry:
    """The reverse. Raises ValueError for anything that `to_text` has not made."""
    document: Any = json.loads(text)
    try:
        lifetime = document["lifetime"]
        return Entry(
            serial=int(document["serial"]),
            token=_secret(document["token"]),
            lifetime=inf if lifetime is None else float(lifetime),
            age=age,
            refresh_token=_secret(document["refresh_token"]),
            is_sent=bool(document["is_sent"]),
            follows_rejection=bool(document["follows_rejection"]),
        )
    except (KeyError, TypeError):
        raise ValueError("not an entry") from None


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text, "store")
