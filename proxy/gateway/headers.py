"""Which header fields pass, in both directions.

Names are compared in their canonical form, so that `X_Api_Key` cannot stand in for `X-Api-Key`. Fields that
pass keep their spelling, their bytes and their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.errors import BadHeader
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
_NEVER_RELAYED = HOP_BY_HOP | {b"proxy-status", b"x-authproxy-error"}
_NEVER_RELAYED_PREFIXES = (b"access-control-",)


@dataclass(frozen=True, slots=True)
class HeaderFilter:
    """Canonical names, and beginnings of names, that do not pass."""

    names: frozenset[bytes]
    prefixes: tuple[bytes, ...]

    def passes(self, name: bytes) -> bool:
        return name not in self.names and not name.startswith(self.prefixes)


RELAYED = HeaderFilter(_NEVER_RELAYED, _NEVER_RELAYED_PREFIXES)


def request_filter(dropped: Iterable[str]) -> HeaderFilter:
    """What callers may not send on: the fixed list and `dropped`, canonical names that may end with `*`."""
    names, prefixes = set(_NEVER_FORWARDED), list(_NEVER_FORWARDED_PREFIXES)
    for name in dropped:
        if name.endswith("*"):
            prefixes.append(name[:-1].encode())
        else:
            names.add(name.encode())
    return HeaderFilter(frozenset(names), tuple(prefixes))


def passing(headers: RawHeaders, header_filter: HeaderFilter) -> RawHeaders:
    """The fields that pass, also without those that `Connection` nominates."""
    nominated = nominated_names(headers)
    return tuple(
        (name, value)
        for name, value in headers
        if header_filter.passes(key := name.lower().replace(b"_", b"-")) and key not in nominated
    )


def nominated_names(headers: RawHeaders) -> frozenset[bytes]:
    """The canonical names of the fields that a Connection header declares as meant for this hop only."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    if not values or values in ([b"keep-alive"], [b"close"]):
        return frozenset()
    return frozenset(token.strip().lower().replace(b"_", b"-") for value in values for token in value.split(b","))


def check_framing(headers: RawHeaders, version: tuple[int, int]) -> None:
    """Raise BadHeader for a body whose end two parties could see in different places.

    The parser has refused most already; these it lets through: an empty or stacked Transfer-Encoding, one
    beside Content-Length, one in HTTP/1.0.
    """
    codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
    if not codings:
        return
    has_length = any(name.lower() == b"content-length" for name, _ in headers)
    if has_length or version != (1, 1) or [coding.lower() for coding in codings] != [b"chunked"]:
        raise BadHeader


def field_value(headers: RawHeaders, name: bytes) -> bytes | None:
    """The only value of a field; None if it is absent. Raises BadHeader if there are several."""
    values = [value for key, value in headers if key.lower() == name]
    if len(values) > 1:
        raise BadHeader
    return values[0] if values else None


def has_name(headers: RawHeaders, names: frozenset[str]) -> bool:
    """Whether a field of one of these canonical names is there."""
    return any(canonical(name.decode("latin-1")) in names for name, _ in headers)
