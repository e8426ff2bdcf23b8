"""Header sections, read by aiohttp's C parser (llhttp) and by nobody else.

The parser is handed exactly one header section at a time, so that the body behind it can be passed on by its
length without a further copy. Where a section ends is no second opinion: what is fed ends with the first empty
line, and unless the parser then says "one message, complete", the message is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from proxy.wire.aiohttp_parts import (
    BadHttpMessage,
    HttpRequestParser,
    HttpResponseParser,
    LineTooLong,
    RawRequestMessage,
    RawResponseMessage,
)
from proxy.wire.head_memory import HeadMemory

Message = TypeVar("Message", RawRequestMessage, RawResponseMessage)
Head = TypeVar("Head")

_END = b"\r\n\r\n"
_SPACE = 0x20
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
# Never reached: bodies are not the parser's business here.
_NO_LIMIT = 2**31 - 1


class HeadReader(Generic[Message, Head]):
    """Reads one header section after the other from what a peer sends; `make` says what is made of each.

    The parser is made for the first one that was not read before: many a caller's connection never needs it.
    """

    __slots__ = (
        "_first_line", "_is_strict", "_last", "_make", "_max_head", "_memory", "_new_parser", "_parser", "_size",
    )  # fmt: skip

    def __init__(
        self,
        new_parser: Callable[[], Any],
        make: Callable[[Message], Head],
        memory: HeadMemory[bytes, Head],
        max_head: int,
        *,
        is_strict: bool,
    ) -> None:
        self._new_parser = new_parser
        self._parser: Any = None
        self._make: Callable[[Message], Head] = make
        self._memory = memory
        self._last = b""
        self._size = 0
        self._max_head = max_head
        self._is_strict = is_strict
        # As much of it as has come; None behind its end.
        self._first_line: bytes | None = b""

    def read(self, data: bytes) -> tuple[Head | None, bytes]:
        """What is made of the header section that is complete with this data, and what lies behind it.

        None while more is to come. Raises aiohttp's HttpProcessingError.
        """
        if self._last:
            return self._read_on(data)
        # The parser is between two messages and need not see one that it has read before.
        found = data.find(_END)
        end = found + len(_END)
        head, behind = (data, b"") if end == len(data) else (data[:end], data[end:])
        memory = self._memory
        known = memory.get(head)
        if known is None and head in memory.older:
            known = memory.recall(head)
        if known is not None:
            self._size = 0
            return known, behind
        if not (
            found > 0
            and head[0] > _SPACE
            and self._size + end <= self._max_head
            and head.count(b"\r\n") == head.count(b"\n")
            and not (self._is_strict and head.find(b"  ", 0, head.find(b"\r\n")) >= 0)
        ):
            return self._read_on(data)
        # Nothing in it has to be looked at more closely.
        messages = self._feed(head)[0]
        if len(messages) != 1:
            raise BadHttpMessage("another number of header sections than of empty lines")
        self._size = 0
        made = self._make(messages[0][0])
        memory.keep(head, made)
        return made, behind

    def _read_on(self, data: bytes) -> tuple[Head | None, bytes]:
        """As `read`, for one that comes in pieces, or is not as it should be."""
        while True:
            last = self._last
            if not last and data.startswith(b"\r\n"):
                # No part of a message (RFC 9112 §2.2); one by one they would cost the square of their number.
                lines = _EMPTY_LINES.match(data)
                assert lines is not None
                self._look_at(lines[0])
                data = data[lines.end() :]
            found = (last + data).find(_END) if last else data.find(_END)
            if found < 0:
                self._look_at(data)
                if self._feed(data)[0]:
                    raise BadHttpMessage("a header section without an empty line at its end")
                self._last = (last + data)[-3:]
                return None, b""
            end = found + len(_END) - len(last)
            head, data = (data, b"") if end == len(data) else (data[:end], data[end:])
            self._look_at(head)
            self._last = b""
            messages = self._feed(head)[0]
            self._first_line = b""
            if len(messages) == 1:
                self._size = 0
                return self._make(messages[0][0]), data
            if messages:
                raise BadHttpMessage("two header sections where there is one empty line")
            if not data:  # Empty lines before the first line of a message are no part of it.
                return None, b""

    def _look_at(self, data: bytes) -> None:
        """Raise what the parser does not: LineTooLong for a section that is too long though none of its lines is;
        BadHttpMessage for a line without a CR at its end, and for several spaces where one belongs in a request line.
        """
        self._size += len(data)
        if self._size > self._max_head:
            raise LineTooLong(b"", self._max_head)
        # Where such a line is empty, the section would end elsewhere than where we look for its end.
        if (self._last[-1:] + data).count(b"\r\n") != data.count(b"\n"):
            raise BadHttpMessage("a bare line feed")
        if self._is_strict and self._first_line is not None:
            line, end, _ = (self._first_line + data).lstrip(b"\r\n").partition(b"\r\n")
            if b"  " in line:
                raise BadHttpMessage("several spaces in a request line")
            self._first_line = None if end else line

    def begin_anew(self) -> None:
        """The next message follows, though the last one said that the protocol is switched or the connection ends."""
        self._parser = None

    def _feed(self, data: bytes) -> Any:
        parser = self._parser
        if parser is None:
            parser = self._parser = self._new_parser()
        return parser.feed_data(data)


def request_heads(
    loop: asyncio.AbstractEventLoop,
    make: Callable[[RawRequestMessage], Head],
    memory: HeadMemory[bytes, Head],
    *,
    max_line: int,
    max_field: int,
    max_fields: int,
    max_head: int,
) -> HeadReader[RawRequestMessage, Head]:
    """For a caller's requests; limits in bytes, and in number of fields."""
    new_parser = partial(_parser, HttpRequestParser, loop, max_line, max_field, max_fields)
    return HeadReader(new_parser, make, memory, max_head, is_strict=True)


def response_heads(
    loop: asyncio.AbstractEventLoop,
    make: Callable[[RawResponseMessage], Head],
    memory: HeadMemory[bytes, Head],
    *,
    max_line: int,
    max_field: int,
    max_fields: int,
    max_head: int,
) -> HeadReader[RawResponseMessage, Head]:
    """For a vendor's answers."""
    new_parser = partial(_parser, HttpResponseParser, loop, max_line, max_field, max_fields)
    return HeadReader(new_parser, make, memory, max_head, is_strict=False)


def _parser(kind: Any, loop: asyncio.AbstractEventLoop, max_line: int, max_field: int, max_fields: int) -> Any:
    return kind(
        None,  # The protocol is told of bodies only.
        loop,
        _NO_LIMIT,
        max_line_size=max_line,
        max_field_size=max_field,
        max_headers=max_fields,
        response_with_body=False,
        auto_decompress=False,
    )
