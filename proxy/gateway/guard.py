"""May this caller speak here?

Reachability is authority: whoever gets a request through acts as the credential's owner. So the Host header
must name this listener (DNS rebinding), web pages are refused unless a route lists their origin, and where
local tokens are configured one of them must be there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from proxy.errors import BrowserRefused, CallerNotAuthorized, ClientNotAllowed, HostNotAllowed
from proxy.gateway.headers import SpecialFields
from proxy.hosts import loopback_hosts
from proxy.secret import Secret

# A browser's own marks. Node's fetch sends `sec-fetch-mode: cors` alone, which no browser does.
_BROWSER_HEADERS = frozenset({b"origin", b"sec-fetch-site", b"sec-fetch-dest", b"sec-fetch-user"})


@dataclass(frozen=True, slots=True)
class Client:
    """A caller with a token: `name` is for the log, `routes` are the prefixes it may use, None for every route."""

    name: str | None
    token: Secret
    routes: frozenset[str] | None = None


class Guard:
    """`port` is the listener's, None for a Unix socket. `token` opens every route, a client's token its own."""

    def __init__(
        self,
        port: int | None,
        allowed_hosts: Iterable[str] = (),
        token: Secret | None = None,
        clients: Iterable[Client] = (),
    ) -> None:
        self._hosts = frozenset(allowed_host_values(port, allowed_hosts))
        self._only_hosts = frozenset([(host,) for host in self._hosts])
        self._clients = (*clients, *([Client(None, token)] if token is not None else []))
        # Where callers need no token, all that it says of a request follows from the request's head.
        self.wants_tokens = bool(self._clients)

    def check_caller(self, method: str, fields: SpecialFields) -> Client | None:
        """Who calls; None where callers need no token. Raises HostNotAllowed or CallerNotAuthorized."""
        hosts = fields.get(b"host", ())
        # Most callers write it as we do, which is seen in one look.
        if hosts not in self._only_hosts and (len(hosts) != 1 or hosts[0].lower() not in self._hosts):
            raise HostNotAllowed
        if not self._clients:
            return None
        tokens = fields.get(b"x-authproxy-token", ())
        if not tokens and _is_preflight_of_a_page(method, fields):
            return None
        client = self._client_of(tokens[0]) if len(tokens) == 1 else None
        if client is None:
            raise CallerNotAuthorized
        return client

    def _client_of(self, token: bytes) -> Client | None:
        # Digests, so that the time tells nothing of a token's length; all of them, so that it tells not whose it is.
        digest, found = sha256(token).digest(), None
        for client in self._clients:
            if compare_digest(digest, sha256(client.token.reveal().encode()).digest()):
                found = client
        return found


def check_client(client: Client | None, prefix: str | None) -> None:
    """Raise ClientNotAllowed for a route that is not the client's.

    `prefix` is None where no route was found, which is refused alike: a client learns of its own routes only.
    """
    if client is not None and client.routes is not None and prefix not in client.routes:
        raise ClientNotAllowed


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
    for host in (*loopback_hosts(port), *allowed_hosts):
        yield host.lower().encode()


def _is_preflight_of_a_page(method: str, fields: SpecialFields) -> bool:
    """Browsers put no token on a preflight, and nothing is sent on for one that has an Origin: see `check_page`."""
    return method == "OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields
