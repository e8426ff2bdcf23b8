"""Which header fields pass, in both directions.

Names are compared in their canonical form, so that `X_Api_Key` cannot stand in for `X-Api-Key`. Fields that
pass keep their spelling, their bytes and their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

from proxy.errors import BadHeader
from proxy.gateway.layout import Layout, of_names, of_rows
from proxy.target import canonical

RawHeaders = tuple[tuple[bytes, bytes], ...]

# RFC 9110 §7.6.1, and what older software treats so.
HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
    }
)  # fmt: skip
# Made anew by us, meant for us, or able to change what the vendor reads as the method, the path or the caller.
_NEVER_FORWARDED = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"x-authproxy-token", b"forwarded", b"x-real-ip",
    b"x-original-url", b"x-rewrite-url", b"x-http-method", b"x-http-method-override", b"x-method-override",
}  # fmt: skip
_NEVER_FORWARDED_PREFIXES = (b"x-forwarded-",)
# A vendor's CORS headers would open the answer to web pages; the others are the proxy's own words.
_NEVER_RELAYED = HOP_BY_HOP | {b"proxy-status", b"x-authproxy-error", b"x-authproxy-request-id"}
_NEVER_RELAYED_PREFIXES = (b"access-control-",)
LONGEST_LENGTH = 18  # Digits.
_USUAL_CONNECTIONS = frozenset({b"keep-alive", b"close"})


# Names that say something about the request itself. Whatever else there is only passes through.
_SPECIAL = frozenset(
    {
        b"host", b"x-authproxy-token", b"origin", b"sec-fetch-site", b"sec-fetch-dest", b"sec-fetch-user",
        b"sec-fetch-mode", b"access-control-request-method", b"access-control-request-headers", b"content-length",
        b"transfer-encoding", b"expect", b"traceparent", b"tracestate",
    }
)  # fmt: skip
SpecialFields = dict[bytes, tuple[bytes, ...]]


class HeaderFilter:
    """Canonical names, and beginnings of names, that do not pass."""

    __slots__ = ("__weakref__", "_names", "_prefixes", "layouts", "verdicts")

    def __init__(self, names: frozenset[bytes], prefixes: tuple[bytes, ...]) -> None:
        self._names = names
        self._prefixes = prefixes
        self.verdicts = of_names(self._verdict)
        self.layouts = of_rows(self.verdicts)

    def _verdict(self, spelling: bytes) -> bool | None:
        """Whether a field passes; None for Connection, which does not and names others that do not."""
        name = _canonical(spelling)
        if name == b"connection":
            return None
        return name not in self._names and not name.startswith(self._prefixes)


RELAYED = HeaderFilter(_NEVER_RELAYED, _NEVER_RELAYED_PREFIXES)


# One for all routes that drop the same: what a filter remembers, callers fill.
_request_filters: WeakValueDictionary[frozenset[str], HeaderFilter] = WeakValueDictionary()


def request_filter(dropped: Iterable[str]) -> HeaderFilter:
    """What callers may not send on: the fixed list and `dropped`, canonical names that may end with `*`."""
    key = frozenset(dropped)
    known = _request_filters.get(key)
    if known is not None:
        return known
    names, prefixes = set(_NEVER_FORWARDED), list(_NEVER_FORWARDED_PREFIXES)
    for name in key:
        if name.endswith("*"):
            prefixes.append(name[:-1].encode())
        else:
            names.add(name.encode())
    made = _request_filters[key] = HeaderFilter(frozenset(names), tuple(prefixes))
    return made


def passing(headers: RawHeaders, header_filter: HeaderFilter) -> RawHeaders:
    """The fields that pass, also without those that `Connection` nominates."""
    return passed(headers, header_filter)[0]


def passed(headers: RawHeaders, header_filter: HeaderFilter) -> tuple[RawHeaders, bytes]:
    """The fields that pass, as `passing` says, and the same as they are written."""
    if not headers:
        return (), b""
    names, values = zip(*headers)  # noqa: B905 - a keyword would take longer than the rest
    layout = header_filter.layouts[names]
    for at in layout.connections:
        if values[at] not in _USUAL_CONNECTIONS:
            kept = _not_nominated(headers, [values[at] for at in layout.connections], layout)
            return kept, field_lines(kept)
    pick = layout.pick
    return pick(headers), layout.pattern % pick(values)


def _not_nominated(headers: RawHeaders, connections: list[bytes], layout: Layout) -> RawHeaders:
    unusual = [value for value in connections if value not in _USUAL_CONNECTIONS]
    nominated = {_canonical(token.strip()) for value in unusual for token in value.split(b",")}
    return tuple([field for field in layout.pick(headers) if _canonical(field[0]) not in nominated])


def field_lines(headers: RawHeaders) -> bytes:
    """Fields as they are written."""
    return b"\r\n".join([*map(b": ".join, headers), b""])


def special_fields(headers: RawHeaders) -> SpecialFields:
    """The values of the fields that say something about the request itself, by their names in lower case."""
    found: SpecialFields = {}
    for spelling, value in headers:
        name = _specials[spelling]
        if name is not None:
            found[name] = (*found[name], value) if name in found else (value,)
    return found


def check_framing(fields: SpecialFields, version: tuple[int, int]) -> None:
    """Raise BadHeader for a body whose end two parties could see in different places.

    The parser has refused most already; these it lets through: an empty or stacked Transfer-Encoding, one
    beside Content-Length, one in HTTP/1.0, and a length that has no room in a signed 64-bit number.
    """
    lengths = fields.get(b"content-length", ())
    if any(len(length) > LONGEST_LENGTH for length in lengths):
        raise BadHeader
    codings = fields.get(b"transfer-encoding")
    if codings is None:
        return
    if b"content-length" in fields or version != (1, 1) or [coding.lower() for coding in codings] != [b"chunked"]:
        raise BadHeader


def field_value(fields: SpecialFields, name: bytes) -> bytes | None:
    """The only value of a field; None if it is absent. Raises BadHeader if there are several."""
    values = fields.get(name)
    if values is None:
        return None
    if len(values) > 1:
        raise BadHeader
    return values[0]


def has_name(headers: RawHeaders, names: frozenset[str]) -> bool:
    """Whether a field of one of these canonical names is there."""
    return any(canonical(name.decode("latin-1")) in names for name, _ in headers)


def _canonical(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def _special(spelling: bytes) -> bytes | None:
    name = spelling.lower()
    return name if name in _SPECIAL else None


_specials = of_names(_special)
