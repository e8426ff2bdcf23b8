"""Exchanges that are drawn from a seed: what either side sends, in which pieces, and when.

Every body is another piece of one random text, so that a byte that is lost, doubled, moved or another's shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Framing = Literal["none", "length", "chunked", "end"]
# When the vendor answers: after the request's body; all of it before that has come, or a part of it; or beside it.
Timing = Literal["after", "whole", "begun", "both"]
# Whether the vendor keeps its connection behind its answer, says that it closes, or closes without a word.
Ending = Literal["keep", "says", "silently"]

_KIB = 1024
_EDGES = [at * _KIB + by for at in (16, 64, 128, 256, 512, 1024) for by in (-1, 0, 1)]
_LONG = [2048 * _KIB + 1, 2600 * _KIB, 3 * 1024 * _KIB + 77]
_TEXT = Random(0).randbytes(4 * 1024 * _KIB + 4099 * 4)


@dataclass(frozen=True)
class Script:
    """One exchange. Cuts are offsets at which a message is written in pieces, each with the yields behind it.

    The vendor answers early with `read_before` bytes of the request's body read; with `is_rejected_first` it refuses the
    first attempt's credential. The caller `reads` so many bytes at once, and vanishes after `leaves_at` bytes of the
    answer's body.
    """

    number: int
    path: str
    method: str
    version: str
    request: Framing
    request_size: int
    request_cuts: tuple[tuple[int, int], ...]
    expects: bool
    closes: bool
    answer: Framing
    answer_size: int
    answer_cuts: tuple[tuple[int, int], ...]
    with_interim: bool
    timing: Timing
    read_before: int
    is_rejected_first: bool
    ending: Ending
    reads: int
    leaves_at: int | None

    @property
    def body(self) -> bytes:
        return _content(self.number * 2, self.request_size)

    @property
    def content(self) -> bytes:
        return (
            b"" if self.method == "HEAD" or self.answer == "none" else _content(self.number * 2 + 1, self.answer_size)
        )

    @property
    def status(self) -> int:
        return 204 if self.answer == "none" else 200

    @property
    def is_last(self) -> bool:
        """Whether the caller says that no other request follows on this connection."""
        return self.closes or self.version == "1.0"

    def asked(self, port: int) -> tuple[bytes, bytes]:
        """Head and body, as they go over the wire."""
        lines = [f"{self.method} {self.path}/{self.number} HTTP/{self.version}", f"Host: 127.0.0.1:{port}"]
        lines += ["Connection: close"] * self.closes + ["Expect: 100-continue"] * self.expects
        return _message(lines, self.request, self.body, self.number)

    def answered(self, *, is_first: bool = True) -> bytes:
        if is_first and self.is_rejected_first:
            head = b"HTTP/1.1 401 No\r\nX-Number: %d\r\nContent-Length: 5\r\n\r\n" % self.number
            return head if self.method == "HEAD" else head + b"again"
        lines = [f"HTTP/1.1 {self.status} Yes", f"X-Number: {self.number}"]
        lines += ["Connection: close"] * (self.ending == "says" or self.answer == "end")
        head, body = _message(lines, self.answer, _content(self.number * 2 + 1, self.answer_size), self.number)
        if self.with_interim:
            head = b"HTTP/1.1 103 Early Hints\r\nX-Number: 0\r\n\r\n" + head
        return head if self.method == "HEAD" else head + body


def _content(place: int, size: int) -> bytes:
    at = place * 4099 % (len(_TEXT) - size)
    return _TEXT[at : at + size]


def _message(lines: Sequence[str], framing: Framing, body: bytes, number: int) -> tuple[bytes, bytes]:
    if framing == "length":
        lines = [*lines, f"Content-Length: {len(body)}"]
    elif framing == "chunked":
        lines = [*lines, "Transfer-Encoding: chunked"]
        body = b"".join(chunks(body, number))
    return "\r\n".join([*lines, "", ""]).encode(), b"" if framing == "none" else body


def chunks(body: bytes, number: int) -> Iterable[bytes]:
    size = (1, 7, 100, 4000, 70_000, 1 << 21)[number % 6]
    size = max(size, len(body) // 200)  # Not too many: of all others there are enough.
    for at in range(0, len(body), size):
        yield b"%x\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size])
    yield b"0\r\n\r\n"


def script(number: int, draw: Random, paths: Sequence[str], *, with_tls: bool) -> Script:
    method = draw.choice(["GET", "GET", "GET", "POST", "POST", "POST", "PUT", "HEAD"])
    has_body = method in ("POST", "PUT")
    version = draw.choice(["1.1"] * 9 + ["1.0"])
    framings: list[Framing] = ["length", "length", "none"] if version == "1.0" else ["length", "length", "chunked"]
    request = draw.choice(framings) if has_body else "none"
    request_size = 0 if request == "none" else _size(draw)
    answer: Framing = draw.choice(["length", "length", "length", "chunked", "chunked", "end", "none"])
    timing: Timing = draw.choice(["after", "after", "whole", "begun", "both"]) if request_size else "after"
    if timing == "whole" and answer == "end" and with_tls:
        answer = "length"  # Over TLS nobody can end his own sending alone.
    ending: Ending = "keep" if draw.random() < 0.8 else draw.choice(["says", "silently"])
    answer_size = 0 if answer == "none" else _size(draw)
    return Script(
        number=number,
        path=draw.choice(paths),
        method=method,
        version=version,
        request=request,
        request_size=request_size,
        request_cuts=_cuts(draw, request_size),
        expects=request_size > 0 and version == "1.1" and draw.random() < 0.1,
        closes=draw.random() < 0.1,
        answer=answer,
        answer_size=answer_size,
        answer_cuts=_cuts(draw, answer_size),
        with_interim=draw.random() < 0.1,
        timing=timing,
        read_before=draw.randint(0, request_size),
        is_rejected_first=timing == "after" and draw.random() < 0.2,
        ending=ending,
        reads=draw.choice([1 << 20, 1 << 20, 65536, 5000]),
        leaves_at=draw.randint(0, 400_000) if draw.random() < 0.03 else None,
    )


def _size(draw: Random) -> int:
    kind = draw.random()
    if kind < 0.5:
        return draw.choice([0, 1, 2, 100, draw.randint(0, 20_000)])
    if kind < 0.95:
        return draw.choice(_EDGES)
    return draw.choice(_LONG)


def _cuts(draw: Random, size: int) -> tuple[tuple[int, int], ...]:
    number = draw.choice([0, 0, 1, 1, 2, 3, 8])
    places = sorted(draw.choice([draw.randint(0, size + 200), draw.randint(0, 200)]) for _ in range(number))
    return tuple((place, draw.choice([0, 0, 1, 2, 5])) for place in places)
