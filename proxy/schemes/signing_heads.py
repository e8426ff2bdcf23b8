"""What is signed and added, filled in as far as a request's head goes, and kept for the next request with that head.

What is left open differs from request to request: body, moment, signature, and secrets that may change. Nothing of an
answer to one head can be of another: what is kept is found by all of the head that was read for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.errors import BadTarget, CredentialRejected, ProxyError
from proxy.rendering import OF_BYTES, OF_NUMBER, QUOTED, Formats, escaped, places, quoted
from proxy.schemes.base import OutboundRequest
from proxy.schemes.fields import require_clean_value
from proxy.schemes.signing_scope import DECODED, NUMBERS, OF_TARGET, UNRESERVED, of_head
from proxy.target import add_encoded
from proxy.template import Scope, Template

MOST_KEPT = 256
# In bytes; longer heads are seldom the same twice.
LONGEST_KEPT = 2048

# Of the head it was made for: method, origin, target, and the fields, where one of them is used.
Key = tuple[str, str, str, tuple[tuple[bytes, bytes], ...]]


class SigningHead:
    """Formats of what is signed, of the header lines, of all query parameters, and of the target as it is signed.

    `number` is the same for equal heads, and hardly ever for others.
    """

    __slots__ = ("added", "lines", "message", "number", "target")

    def __init__(self, number: int, message: bytes, lines: bytes, added: bytes, target: bytes) -> None:
        self.number, self.message, self.lines, self.added, self.target = number, message, lines, added, target


class SigningHeads:
    """`names` are the places that stay open; `secrets` those of secrets that may change, by their names.

    `unchecked` are those among them that are in headers and may hold what a field may not, with whose fault that is.
    Which places each format of a head leaves open is the same for all heads: `in_message` and so on name them in order.
    """

    def __init__(
        self, message: Template, headers: Mapping[str, Template], query: Mapping[str, Template], known: Scope
    ) -> None:
        formats = Formats(known, UNRESERVED)
        self._headers = [(name.encode(), formats.of(template)) for name, template in headers.items()]
        self.unchecked: tuple[tuple[bytes, type[ProxyError]], ...] = (
            *((name, CredentialRejected) for name in (*formats.secrets, *(formats.names & {b"token"}))),
            *((name, BadTarget) for name in formats.names if name.decode() in DECODED),
        )
        self._message = formats.of(message)
        early, late = early_and_late(query)
        self._early, self._late = formats.of_query(early), formats.of_query(late)
        self.secrets = formats.secrets
        reads = {name: of_head(name.decode()) for name in formats.names}
        self._of_head = [(name, read) for name, read in reads.items() if read is not None]
        self._of_target = [(name, OF_TARGET[name.decode()]) for name in formats.names if name.decode() in OF_TARGET]
        of_head_or_target = {name for name, _ in self._of_head} | {name for name, _ in self._of_target}
        self.names = {name for name in formats.names if name.removeprefix(QUOTED) not in of_head_or_target}
        self._quoted = {name for name in formats.names if name.startswith(QUOTED)}
        self._open = {name: OF_NUMBER if name.decode() in NUMBERS else OF_BYTES for name in self.names}
        # The target has those places in it that its parameters leave open.
        self.in_target = self._left_open(self._early, ())
        self.in_message = self._left_open(self._message, self.in_target)
        self.in_lines = self._left_open(b"".join([header for _, header in self._headers]), self.in_target)
        self.in_added = self.in_target + self._left_open(self._late, ())
        self._reads_fields = any(name.startswith(b"header.") for name in formats.names)
        self._kept: dict[Key, SigningHead] = {}

    def of(self, request: OutboundRequest) -> SigningHead:
        """Raises CredentialRejected for a header that would hold a control character."""
        key = (request.method, request.origin, request.target, request.headers if self._reads_fields else ())
        head = self._kept.get(key)
        if head is None:
            head = self._filled(request, hash(key))
            if _length(key) <= LONGEST_KEPT:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = head
        return head

    def _left_open(self, octets: bytes, in_target: tuple[bytes, ...]) -> tuple[bytes, ...]:
        in_place = {**{name: (name,) for name in self.names}, **{name: in_target for name, _ in self._of_target}}
        return tuple(name for found in places(octets) for name in in_place.get(found, ()))

    def _filled(self, request: OutboundRequest, number: int) -> SigningHead:
        values = dict(self._open)
        for name, read in self._of_head:
            octets = read(request)
            values[name] = escaped(octets)
            if QUOTED + name in self._quoted:
                values[QUOTED + name] = escaped(quoted(octets))
        added = self._early % values
        target = add_encoded(_format(request.target), added.decode())
        for name, make in self._of_target:
            values[name] = make(_format(request.origin), target).encode("utf-8", "surrogateescape")
        lines = b"".join([_line(name, header % values) for name, header in self._headers])
        late = self._late % values
        added = b"&".join([part for part in (added, late) if part])
        return SigningHead(number, self._message % values, lines, added, target.encode())


def early_and_late(query: Mapping[str, Template]) -> tuple[dict[str, Template], dict[str, Template]]:
    """The parameters that are signed with the rest of the URL, and those that hold the signature."""
    late = {name: template for name, template in query.items() if "signature" in template.names}
    return {name: template for name, template in query.items() if name not in late}, late


def _length(key: Key) -> int:
    return len(key[2]) + sum(len(name) + len(value) for name, value in key[3])


def _format(text: str) -> str:
    return text.replace("%", "%%")


def _line(name: bytes, value: bytes) -> bytes:
    require_clean_value(value)
    return b"%b: %b\r\n" % (escaped(name), value)
