"""Header fields that a scheme adds: from text to the wire, and back to be shown."""

from __future__ import annotations

import re

from proxy.errors import BadHeader, CredentialRejected, ProxyError

# Names with their values.
Pairs = tuple[tuple[str, str], ...]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_OCTET = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def require_clean(fields: Pairs) -> None:
    """Raise CredentialRejected for a value with a control character in it."""
    for _, value in fields:
        # What is printable has none; to see that takes a fifth of the time.
        if not value.isprintable() and _CONTROL.search(value):
            raise CredentialRejected


def require_clean_value(value: bytes, fault: type[ProxyError] = CredentialRejected) -> None:
    """The same for one value, as it is written; `fault` is what is raised."""
    if _CONTROL_OCTET.search(value):
        raise fault


def header_lines(fields: Pairs) -> bytes:
    """Fields as they are written. Raises BadHeader."""
    for _, value in fields:
        _require_one_line(value)
    return "".join([f"{name}: {value}\r\n" for name, value in fields]).encode("utf-8", "surrogateescape")


def read_lines(lines: bytes) -> Pairs:
    """The fields of which `header_lines` made this."""
    pairs = [line.partition(": ") for line in lines.decode("utf-8", "surrogateescape").split("\r\n")[:-1]]
    return tuple([(name, value) for name, _, value in pairs])


def header_value(value: str) -> bytes:
    """As bytes. Raises BadHeader."""
    _require_one_line(value)
    return value.encode("utf-8", "surrogateescape")


def _require_one_line(value: str) -> None:
    """Raise BadHeader for a value that would end its line: a token may not break out of its header (RFC 9110 §5.5)."""
    if "\r" in value or "\n" in value or "\0" in value:
        raise BadHeader
