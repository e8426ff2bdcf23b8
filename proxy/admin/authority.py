"""Who may do more than look at health: whoever has the admin token, or the two halves of a session that it opened.

The token is read from `Authorization: Bearer` alone. No browser adds that by itself, and no foreign page can without a
preflight, which is refused; so the token is a guard against forged requests, too.

A session is for the status page. One half is a cookie that no script can read (HttpOnly) and no other site's page can
use (SameSite=Strict). But cookies know no ports: any other server on this host gets to see it. So it opens nothing
without the other half, which the page keeps in its origin's storage and sends in a header of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe

from proxy.secret import Secret

_PREFIX = b"bearer "
_CSRF_HEADER = b"x-authproxy-csrf"
MOST_SESSIONS = 32

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser is given of one: `cookie` is a whole Set-Cookie value, `csrf` for the header."""

    cookie: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Digests: of the other half, and of the token without which the session is over."""

    csrf: bytes
    token: bytes


class Authority:
    """The tokens that count, and the sessions that they opened: as long as the process lives, the last few."""

    def __init__(self) -> None:
        self._tokens: tuple[Secret, ...] = ()
        self._sessions: dict[bytes, _Opened] = {}

    def trust(self, tokens: Iterable[Secret]) -> None:
        """From now on these tokens count, and no session of any other."""
        self._tokens = tuple(tokens)

    def allows(self, headers: RawHeaders, port: int | None) -> bool:
        """Whether the one Authorization field has a token; or, without any, whether both halves of a session fit."""
        if _values(headers, b"authorization"):
            return self._shown(headers) is not None
        return self._session(headers, port) is not None

    def sign_in(self, headers: RawHeaders, port: int | None) -> Session | None:
        """A new session for whoever shows the token."""
        token = self._shown(headers)
        if token is None:
            return None
        cookie, csrf = token_urlsafe(32), token_urlsafe(32)
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(cookie.encode())] = _Opened(_digest(csrf.encode()), token)
        return Session(f"{_cookie_name(port)}={cookie}; Path=/; HttpOnly; SameSite=Strict", csrf)

    def sign_out(self, headers: RawHeaders, port: int | None) -> str:
        """End the session; the Set-Cookie value that clears it."""
        found = self._session(headers, port)
        if found is not None:
            del self._sessions[found]
        return f"{_cookie_name(port)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"

    def _shown(self, headers: RawHeaders) -> bytes | None:
        """The digest of the token in the headers. Takes the same time for every wrong one."""
        values = _values(headers, b"authorization")
        if len(values) != 1 or values[0][: len(_PREFIX)].lower() != _PREFIX:
            return None
        given = _digest(values[0][len(_PREFIX) :])
        fits = any([hmac.compare_digest(given, token) for token in self._wanted()])  # noqa: C419 - compares with each
        return given if fits else None

    def _session(self, headers: RawHeaders, port: int | None) -> bytes | None:
        """The digest of the cookie of a session both halves of which are there."""
        csrf = _values(headers, _CSRF_HEADER)
        if len(csrf) != 1:
            return None
        given, wanted = _digest(csrf[0]), self._wanted()
        for cookie in _cookies(headers, _cookie_name(port)):
            # Found by its digest: how long that takes tells nothing of the cookie.
            opened = self._sessions.get(_digest(cookie))
            if opened is not None and hmac.compare_digest(given, opened.csrf) and opened.token in wanted:
                return _digest(cookie)
        return None

    def _wanted(self) -> list[bytes]:
        return [_digest(token.reveal().encode()) for token in self._tokens]


def _cookie_name(port: int | None) -> str:
    """One for each proxy on this host."""
    return f"authproxy_{port or 'socket'}"


def _cookies(headers: RawHeaders, name: str) -> list[bytes]:
    pairs = [pair.strip().partition(b"=") for value in _values(headers, b"cookie") for pair in value.split(b";")]
    return [value for key, _, value in pairs if key == name.encode()]


def _digest(octets: bytes) -> bytes:
    return sha256(octets).digest()


def _values(headers: RawHeaders, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]
