"""The users, groups and mode of a socket file."""

from __future__ import annotations

import grp
import pwd
import re
from typing import Any

_LARGEST = 2**32 - 2  # The one above stands for "leave it as it is" in chown(2).


def user(value: Any) -> int:
    """A user's number, from that or the name."""
    if isinstance(value, str):
        try:
            return pwd.getpwnam(value).pw_uid
        except (KeyError, ValueError):
            raise ValueError("no user of this machine has this name") from None
    return _number(value)


def group(value: Any) -> int:
    """A group's number, from that or the name."""
    if isinstance(value, str):
        try:
            return grp.getgrnam(value).gr_gid
        except (KeyError, ValueError):
            raise ValueError("no group of this machine has this name") from None
    return _number(value)


def mode(value: Any) -> int:
    """Permission bits from four octal digits."""
    # A number would be read as a decimal one: 432 for 0o660.
    if not (isinstance(value, str) and re.fullmatch("0[0-7]{3}", value)):
        raise ValueError("expected four octal digits such as 0660")
    if not int(value, 8) & 0o200:
        raise ValueError("the owner could not connect either: the mode needs write permission for somebody")
    return int(value, 8)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise ValueError("expected a name or a number")
    return value
