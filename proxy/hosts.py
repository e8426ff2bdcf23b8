"""The Host values by which callers on this machine name a listener: one list for callers and for the admin pages."""

from __future__ import annotations

from collections.abc import Iterator

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def loopback_hosts(port: int | None) -> Iterator[str]:
    """The loopback names as a Host header gives them; `port` is the listener's, None for a Unix socket.

    No other spelling of an address: what a resolver makes of `127.1` or `0.0.0.0`, a page's own name may lead to.
    """
    for name in LOOPBACK_NAMES:
        yield from hosts_of(name, port)


def hosts_of(name: str, port: int | None) -> Iterator[str]:
    """One name with the port, and without it where clients leave it out."""
    if port is not None:
        yield f"{name}:{port}"
    if port in (None, 80):
        yield name
