"""Templates as formats of Python's own, `b"...%(name)b..."`: what is known is filled in, the rest takes one step.

`format % values` puts bytes into their places. Where a value is a format itself, what comes out is a format again; so a
template is filled in by stages, what stays longest first. Text has its percent signs doubled once for each stage. In
the last stage, which is each request's own, places have no names but an order: that takes half the time.

What was filled in may be secret: a format is shown to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote

from proxy.secret import Secret
from proxy.template import Part, Place, Scope, Template, text_of

# Before the name of a place whose value is to be percent-encoded; no name of a template's has a space in it.
QUOTED = b"quoted "
# What is open in the last stage: bytes, or a whole number.
OF_BYTES, OF_NUMBER = b"%b", b"%d"

_PLACE = re.compile(rb"%(?:%|\(([^)]+)\))")


class Formats:
    """Makes formats for two stages. `known` are values that stay.

    `unreserved` are names whose values are the same percent-encoded. `names` are those of all places in the formats;
    `secrets` are those among them whose file may be written anew.
    """

    def __init__(self, known: Scope, unreserved: Collection[str] = ()) -> None:
        self._known = known
        self._unreserved = unreserved
        self.names: set[bytes] = set()
        self.secrets: dict[bytes, Secret] = {}

    def of(self, template: Template) -> bytes:
        return b"".join([self._part(part, is_quoted=False) for part in template.parts])

    def of_query(self, templates: Mapping[str, Template]) -> bytes:
        """Parameters as they are written: percent-encoded (RFC 3986 unreserved stay as they are)."""
        return b"&".join(
            [
                _text(name, is_quoted=True)
                + b"="
                + b"".join([self._part(part, is_quoted=True) for part in value.parts])
                for name, value in templates.items()
            ]
        )

    def _part(self, part: Part, *, is_quoted: bool) -> bytes:
        value = self._known.get(part, part) if isinstance(part, Place) else part
        if isinstance(value, Place):
            name = value.encode()
            is_quoted = is_quoted and value not in self._unreserved
        elif isinstance(value, Secret) and value.may_change:
            name = b"secret %d" % len(self.secrets)
            self.secrets[name] = value
        else:
            return _text(text_of(value), is_quoted=is_quoted)
        self.names.add(name)
        if is_quoted:
            name = QUOTED + name
            self.names.add(name)
        return b"%%(%b)b" % name


def places(octets: bytes) -> list[bytes]:
    """The names of the places in a format for two stages, in order, as often as they are there."""
    return [found[1] for found in _PLACE.finditer(octets) if found[1]]


def escaped(octets: bytes) -> bytes:
    """A format, for one stage, that says this."""
    return octets.replace(b"%", b"%%")


def quoted(octets: bytes) -> bytes:
    """Percent-encoded."""
    return quote(octets, safe="").encode()


def _text(text: str, *, is_quoted: bool) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    return escaped(escaped(quoted(octets) if is_quoted else octets))
