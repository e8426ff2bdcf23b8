"""A body in memory, in the pieces in which it came until somebody wants it whole."""

from __future__ import annotations

# Each object costs some fifty bytes beside its own: of a caller who sends single bytes, pieces are put together.
_SMALL = 4096
_FULL = 64 * 1024


class Pieces:
    """Bytes in order. To keep a large piece costs no copy, to have all of them one."""

    __slots__ = ("_pieces", "_tail")

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        # The last piece, where it is one that small ones are added to.
        self._tail: bytearray | None = None

    def add(self, piece: bytes) -> None:
        if len(piece) >= _SMALL:
            self._tail = None
            self._pieces.append(piece)
        elif self._tail is not None and len(self._tail) < _FULL:
            self._tail += piece
        else:
            self._tail = bytearray(piece)
            self._pieces.append(self._tail)

    def whole(self) -> bytes:
        """All of it; from now on it is one piece."""
        whole = b"".join(self._pieces)
        self._pieces, self._tail = [whole], None
        return whole
