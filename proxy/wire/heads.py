"""Header sections, read by aiohttp's C parser (llhttp) and by nobody else.

The parser is handed exactly one header section at a time, so that the body behind it can be passed on by its
length without a further copy. Where a section ends is no second opinion: what is fed ends with the first empty
line, and unless the parser then says "one message, complete", the message is refused.
"""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser, RawRequestMessage, RawResponseMessage

Message = TypeVar("Message", RawRequestMessage, RawResponseMessage)

_END = b"\r\n\r\n"
# Never reached: bodies are not the parser's business here.
_NO_LIMIT = 2**31 - 1


class HeadReader(Generic[Message]):
    """Reads one header section after the other from what a peer sends."""

    __slots__ = ("_feed", "_last", "_parser")

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._feed = parser.feed_data
        self._last = b""

    def read(self, data: bytes) -> tuple[Message | None, bytes]:
        """The message whose header section is complete with this data, and what lies behind it.

        None while more is to come. Raises aiohttp's HttpProcessingError.
        """
        while True:
            last = self._last
            found = (last + data).find(_END) if last else data.find(_END)
            if found < 0:
                if self._feed(data)[0]:
                    raise BadHttpMessage("a header section without an empty line at its end")
                self._last = (last + data)[-3:]
                return None, b""
            end = found + len(_END) - len(last)
            head, data = (data, b"") if end == len(data) else (data[:end], data[end:])
            self._last = b""
            messages = self._feed(head)[0]
            if len(messages) == 1:
                return messages[0][0], data
            if messages:
                raise BadHttpMessage("two header sections where there is one empty line")
            if not data:  # Empty lines before the first line of a message are no part of it.
                return None, b""

    def forget_upgrade(self) -> None:
        """The protocol is not switched: what follows is the next message."""
        self._parser.set_upgraded(False)


def request_heads(
    loop: asyncio.AbstractEventLoop, *, max_line: int, max_field: int, max_fields: int
) -> HeadReader[RawRequestMessage]:
    """For a caller's requests; limits in bytes, and in number of fields."""
    parser = HttpRequestParser(
        None,  # The protocol is told of bodies only.
        loop,
        _NO_LIMIT,
        max_line_size=max_line,
        max_field_size=max_field,
        max_headers=max_fields,
        response_with_body=False,
        auto_decompress=False,
    )
    return HeadReader(parser)


def response_heads(
    loop: asyncio.AbstractEventLoop, *, max_line: int, max_field: int, max_fields: int
) -> HeadReader[RawResponseMessage]:
    """For a vendor's answers."""
    parser = HttpResponseParser(
        None,
        loop,
        _NO_LIMIT,
        max_line_size=max_line,
        max_field_size=max_field,
        max_headers=max_fields,
        response_with_body=False,
        auto_decompress=False,
    )
    return HeadReader(parser)
