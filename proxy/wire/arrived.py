"""A body that is here as a whole."""

from __future__ import annotations


class Arrived:
    """A body that came as a whole, with the head before it: an Incoming of which nothing is left to come."""

    __slots__ = ("_octets", "is_complete")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.is_complete = True

    @property
    def is_read(self) -> bool:
        return not self._octets

    def fail(self, error: type[Exception]) -> None:
        """Too late: it is here."""

    def part(self) -> None:
        """It knows of no connection."""

    def take(self) -> bytes:
        octets, self._octets = self._octets, b""
        return octets

    async def read(self) -> bytes:
        return self.take()
