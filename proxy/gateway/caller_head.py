"""A request's head, and what is remembered of heads: programs repeat them to the byte, or all but the request line.

What is remembered of a header section is what plain functions make of its fields, as the parser gave them for the
request at hand; of the line before it nothing goes in.
"""

from __future__ import annotations

from typing import Any

from proxy.gateway.headers import LONGEST_LENGTH, RawHeaders, SpecialFields, special_fields
from proxy.wire.aiohttp_parts import RawRequestMessage
from proxy.wire.head_memory import HeadMemory

# Fields that say something about a request which is settled without looking at the rest of it.
_PLAIN = frozenset({b"host", b"x-authproxy-token", b"content-length"})


class HeaderSection:
    """Header fields of a request, and of later ones that have the same.

    `length` is the Content-Length in bytes, None without one. `is_plain` says that there is nothing in them that has
    to be judged beyond Host, token and length: no page's marks, no expectation, no coding, no trace. `passed` is the
    gateway's: the route by which it passed these fields on the last time, what passed, and that on the wire.
    """

    __slots__ = ("fields", "is_plain", "length", "passed")

    def __init__(self, headers: RawHeaders) -> None:
        self.fields: SpecialFields = special_fields(headers)
        lengths = self.fields.get(b"content-length")
        self.length = None if lengths is None else int(lengths[0])
        self.is_plain = self.fields.keys() <= _PLAIN and (
            lengths is None or (len(lengths) == 1 and len(lengths[0]) <= LONGEST_LENGTH)
        )
        self.passed: tuple[Any, RawHeaders, bytes] | None = None


class CallerHead:
    """A request's head. The same object may be a later request's too, if that was the same to the byte.

    `fields` and `length` are its section's. `keeps_alive` says whether another request may follow. `decision` is the
    gateway's, what it made of this head the last time. Filled in by `CallerHeads`.
    """

    __slots__ = ("decision", "fields", "has_body", "keeps_alive", "length", "message", "method", "section")

    message: RawRequestMessage
    section: HeaderSection
    method: str
    fields: SpecialFields
    length: int | None
    has_body: bool
    keeps_alive: bool
    decision: Any


class CallerHeads(HeadMemory[bytes, CallerHead]):
    """Heads that callers sent lately, by their bytes; `sections` are their fields."""

    def __init__(self) -> None:
        super().__init__(len)
        self.sections: HeadMemory[RawHeaders, HeaderSection] = HeadMemory(_size)

    def head(self, message: RawRequestMessage) -> CallerHead:
        """The head that the parser read."""
        headers = message.raw_headers
        section = self.sections.get(headers) or self._section(headers)
        head = CallerHead()
        head.message = message
        head.section = section
        head.method = message.method
        head.fields = section.fields
        head.length = length = section.length
        head.has_body = message.chunked or length is not None
        head.keeps_alive = not message.should_close and message.version == (1, 1)
        head.decision = None
        return head

    def _section(self, headers: RawHeaders) -> HeaderSection:
        sections = self.sections
        if headers in sections.older and (section := sections.recall(headers)) is not None:
            return section
        section = HeaderSection(headers)
        sections.keep(headers, section)
        return section

    def forget_decisions(self) -> None:
        """They would keep the routes by which they were made, and all that hangs on them, in memory."""
        for head in self.everything():
            head.decision = None
            head.section.passed = None  # It may be remembered no more but with this head.
        for section in self.sections.everything():
            section.passed = None


def _size(headers: RawHeaders) -> int:
    return sum([len(name) + len(value) for name, value in headers])
