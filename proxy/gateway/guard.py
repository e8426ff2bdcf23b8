"""May this caller speak here?

Reachability is authority: whoever gets a request through acts as the credential's owner. So the Host header
must name this listener (DNS rebinding), web pages are refused unless a route lists their origin, and where a
local token is configured it must be there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from proxy.errors import BrowserRefused, CallerNotAuthorized, HostNotAllowed
from proxy.gateway.headers import SpecialFields
from proxy.secret import Secret

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# A browser's own marks. Node's fetch sends `sec-fetch-mode: cors` alone, which no browser does.
_BROWSER_HEADERS = frozenset({b"origin", b"sec-fetch-site", b"sec-fetch-dest", b"sec-fetch-user"})


class Guard:
    """`port` is the listener's, None for a Unix socket."""

    def __init__(self, port: int | None, allowed_hosts: Iterable[str] = (), token: Secret | None = None) -> None:
        self._hosts = frozenset(allowed_host_values(port, allowed_hosts))
        self._token = token

    def check_caller(self, fields: SpecialFields) -> None:
        """Raise HostNotAllowed or CallerNotAuthorized."""
        hosts = fields.get(b"host", ())
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise HostNotAllowed
        if self._token is not None:
            tokens = fields.get(b"x-authproxy-token", ())
            if len(tokens) != 1 or not _equal(tokens[0], self._token.reveal().encode()):
                raise CallerNotAuthorized


def check_page(fields: SpecialFields, allowed_origins: frozenset[str]) -> str | None:
    """Refuse a web page whose origin the route does not list; the origin of one that it does, or None."""
    if _BROWSER_HEADERS.isdisjoint(fields) and all(mode == b"cors" for mode in fields.get(b"sec-fetch-mode", ())):
        return None
    origins = fields.get(b"origin", ())
    origin = origins[0].decode("latin-1") if len(origins) == 1 else None
    if origin not in allowed_origins:
        raise BrowserRefused
    return origin


def allowed_host_values(port: int | None, allowed_hosts: Iterable[str]) -> Iterable[bytes]:
    """Every Host value that is answered: the loopback names with the port, and what configuration adds."""
    for name in _LOOPBACK_NAMES:
        if port is not None:
            yield f"{name}:{port}".encode()
        if port in (None, 80):
            yield name.encode()
    for host in allowed_hosts:
        yield host.lower().encode()


def _equal(given: bytes, expected: bytes) -> bool:
    # Digests of one length, so that the time taken tells nothing of the length either.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())
