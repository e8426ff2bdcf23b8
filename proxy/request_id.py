"""What a request is called in the log, on the status page, and in an answer of our own."""

from __future__ import annotations

from secrets import token_hex

# Tells replicas, and a proxy from the one before it, apart.
_PROCESS = token_hex(3)


def request_id(number: int) -> str:
    """No other request has it; `number` counts those of this process."""
    return f"{_PROCESS}-{number:x}"
