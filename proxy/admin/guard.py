"""Who may look: the same rules as for the main listener, but for a page of our own.

The Host header must name this listener, or DNS rebinding would let any web page read the status. Beyond the
loopback names and what is configured, the very address that a connection came to is accepted: kubelet and
Prometheus call a pod by its IP, and no foreign page can have an IP address for its origin that leads here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from proxy.admin.answers import BROWSER_REFUSED, HOST_NOT_ALLOWED, Problem
from proxy.hosts import hosts_of, loopback_hosts

# What browsers say of a page's own requests, and of an address that was typed or opened from outside a page.
_OWN_SITES = frozenset({b"same-origin", b"none"})

RawHeaders = Sequence[tuple[bytes, bytes]]
SocketName = tuple[str, int] | None


def objection(headers: RawHeaders, local: SocketName, allowed_hosts: Iterable[str]) -> Problem | None:
    """What speaks against answering, if anything. `local` is the connection's own end, None for a socket file."""
    hosts = _values(headers, b"host")
    if len(hosts) != 1 or hosts[0].lower().decode("latin-1") not in {*own_hosts(local), *map(str.lower, allowed_hosts)}:
        return HOST_NOT_ALLOWED
    if not all(site in _OWN_SITES for site in _values(headers, b"sec-fetch-site")):
        return BROWSER_REFUSED
    if not all(origin.lower() == b"http://" + hosts[0].lower() for origin in _values(headers, b"origin")):
        return BROWSER_REFUSED
    return None


def own_hosts(local: SocketName) -> Iterator[str]:
    """Every Host value that names this end of a connection."""
    if local is None:
        yield from loopback_hosts(None)
        return
    address, port = local
    yield from loopback_hosts(port)
    yield from hosts_of(_literal(address), port)


def _literal(address: str) -> str:
    ip = ip_address(address.partition("%")[0])
    if ip.version == 6:
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"[{ip}]"
    return str(ip)


def _values(headers: RawHeaders, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]
