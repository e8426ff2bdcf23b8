"""A screenshot in a third of its bytes: with a palette of its 256 commonest colours.

Only for what Chromium writes: eight bits for each of red, green and blue, no interlacing (W3C PNG, sections 9 and 11).
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def smaller(png: bytes) -> bytes:
    """The same picture, with the colours beyond 256 replaced by the nearest of these."""
    chunks = list(_chunks(png))
    width, height, *form = struct.unpack(">IIBBBBB", chunks[0][1])
    if form != [8, 2, 0, 0, 0]:
        raise ValueError("no screenshot of Chromium's")
    rows = _rows(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), width * 3)
    points = [[row[at : at + 3] for at in range(0, len(row), 3)] for row in rows]
    common = [colour for colour, _ in Counter(point for row in points for point in row).most_common(_COLOURS)]
    index = {colour: at for at, colour in enumerate(common)}
    lines = []
    for row in points:
        for point in row:
            if point not in index:
                index[point] = min(range(len(common)), key=lambda at, point=point: _distance(common[at], point))
        lines.append(b"\0" + bytes([index[point] for point in row]))
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(common)),
            _chunk(b"IDAT", zlib.compress(b"".join(lines), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _distance(one: bytes, other: bytes) -> int:
    return sum((left - right) ** 2 for left, right in zip(one, other, strict=True))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(filtered: bytes, width: int) -> Iterator[bytes]:
    """The bytes of each line, out of what the filters made of them."""
    above = bytes(width + 3)
    for at in range(0, len(filtered), width + 1):
        # Three zeros before each line stand for the point that its first one has none beside.
        line = bytearray(3) + filtered[at + 1 : at + 1 + width]
        for x in range(3, width + 3):
            left, up, corner = line[x - 3], above[x], above[x - 3]
            line[x] = (line[x] + _predicted(filtered[at], left, up, corner)) & 255
        above = bytes(line)
        yield above[3:]


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        return min((left, up, corner), key=lambda one: abs(left + up - corner - one))
    return (0, left, up, (left + up) // 2)[kind]
