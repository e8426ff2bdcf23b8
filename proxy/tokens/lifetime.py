"""How long a token holds, from what its answer or the token itself says.

Answers are unreliable here: numbers as text, absolute times, milliseconds, zero, nonsense. A figure that
cannot be used counts as none, and the next source is asked.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from proxy.tokens.answer_document import parse_document

LONGEST_LIFETIME = 366 * 86_400.0
# Nothing lives for thirty years: such a figure is a moment since 1970, in seconds or in milliseconds.
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e11
_FIGURE = re.compile(r"\d{1,20}(\.\d{1,20})?")


def stated_lifetime(value: Any, wall: float) -> float | None:
    """Seconds from a member such as `expires_in`, or from an absolute time in its place; None if it says nothing."""
    figure = _number(value)
    if figure is None and isinstance(value, str):
        figure = _timestamp(value)
    if figure is None:
        return None
    if figure >= _EPOCH_MILLISECONDS:
        figure = figure / 1000 - wall
    elif figure >= _EPOCH_SECONDS:
        figure -= wall
    return min(figure, LONGEST_LIFETIME) if figure > 0 else None


def jwt_lifetime(token: str, wall: float) -> float | None:
    """Seconds by the claims of a token that happens to be a JWT; None for any other.

    The signature is not checked: what comes out is a hint when to renew, never a reason to trust. `iat` makes
    up for a vendor's clock that is ahead of ours.
    """
    claims = _claims(token)
    expires = _number(claims.get("exp"))
    issued = _number(claims.get("iat"))
    if expires is None:
        return None
    spans = [expires - wall] if issued is None else [expires - wall, expires - issued]
    alive = [span for span in spans if span > 0]
    return min(*alive, LONGEST_LIFETIME) if alive else None


def _claims(token: str) -> dict[str, Any]:
    pieces = token.split(".")
    if len(pieces) != 3:
        return {}
    try:
        claims = parse_document(urlsafe_b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _FIGURE.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and isfinite(value):
        return float(value)
    return None


def _timestamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
