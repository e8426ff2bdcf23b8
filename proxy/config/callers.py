"""Who may call: whether the listeners, their sockets, hosts, clients and routes go together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from proxy.config.addresses import reaches_beyond_loopback
from proxy.config.models import ServerSettings, Settings
from proxy.config.nodes import AnyNode, ListNode, MapNode
from proxy.config.problems import Place, Report, suggestion
from proxy.config.urls import host_and_port, is_loopback
from proxy.listening import PASSED

_SET_A_TOKEN = "set `server.token` or `server.clients`"  # noqa: S105 - a hint


def check_callers(server: ServerSettings, node: MapNode, report: Report) -> None:
    """Report what would let in others than the machine's own user, and what has no effect."""
    _check_listeners(server, node, report)
    _check_socket(server, node, report)
    _check_hosts(server, node, report)


def check_clients(server: ServerSettings, node: AnyNode, prefixes: Collection[str], report: Report) -> None:
    """Report routes that there are not, and tokens that two clients share."""
    seen = [] if server.token is None else [server.token]
    for name, client in server.clients.items():
        routes = _inner(node, "clients", name, "routes")
        if not client.routes:
            report.error(_place(routes, node), "an empty list allows nothing; leave the client out")
        for number, prefix in enumerate(client.routes):
            if prefix not in prefixes:
                place = routes.items[number].place if isinstance(routes, ListNode) else _place(routes, node)
                report.error(place, f"no route has this prefix{suggestion(prefix, prefixes)}")
        if any(client.token == other for other in seen):
            report.error(_place(_inner(node, "clients", name, "token"), node), "somebody else has the same token")
        seen.append(client.token)


def check_unmoved(server: ServerSettings, running: ServerSettings, node: MapNode, report: Report) -> None:
    """Report what a running proxy cannot change: where it listens.

    The rest is not taken either. A listener that stays, open to other machines, without the token that goes, would
    be a hole.
    """
    for key in ("listen", "admin", "socket"):
        if getattr(server, key) != getattr(running, key):
            report.error(replace(_key(node, key), path=f"server.{key}"), "has changed, which takes a restart")


def check_reach(settings: Settings, address: str) -> None:
    """Raise ConfigError if other machines could use the credentials at an address that the configuration does not name.

    So it is with a socket that was passed to us.
    """
    if reaches_beyond_loopback(address) and not settings.server.wants_tokens:
        report = Report(str(settings.source), files=dict(settings.files))
        report.error(
            Place(path="server.listen"), f"other machines could use the credentials at {address}; {_SET_A_TOKEN}"
        )
        report.raise_errors()


def _check_listeners(server: ServerSettings, node: MapNode, report: Report) -> None:
    listen, admin = (_key(node, key) for key in ("listen", "admin"))
    if reaches_beyond_loopback(server.listen) and not server.wants_tokens:
        report.error(
            replace(listen, path="server.listen"),
            f"other machines could use the credentials; listen on 127.0.0.1, or {_SET_A_TOKEN}",
        )
    if server.admin is None:
        return
    if server.admin == server.listen and not server.listen.endswith(":0") and server.listen != PASSED:
        report.error(replace(admin, path="server.admin"), "the same address as `server.listen`")
    elif reaches_beyond_loopback(server.admin):
        report.warn(replace(admin, path="server.admin"), "other machines can read metrics and status")


def _check_socket(server: ServerSettings, node: MapNode, report: Report) -> None:
    if "socket" not in node.entries:
        return
    if not any(address is not None and _may_be_a_file(address) for address in (server.listen, server.admin)):
        report.warn(_key(node, "socket"), "has no effect: no listener is a socket file")
    if _may_be_a_file(server.listen) and server.socket.mode & 0o007 and not server.wants_tokens:
        report.error(
            _place(_inner(node, "socket", "mode"), node),
            f"every user of this machine could use the credentials; choose 0660 or 0600, or {_SET_A_TOKEN}",
        )


def _check_hosts(server: ServerSettings, node: MapNode, report: Report) -> None:
    if server.wants_tokens or not any(not is_loopback(host_and_port(host)[0]) for host in server.allowed_hosts):
        return
    report.warn(
        _key(node, "allowed_hosts"),
        "browsers do not mark what pages send to a plain-http host that is no loopback name, "
        f"so a page could spend the credentials with it; {_SET_A_TOKEN}",
    )


def _may_be_a_file(address: str) -> bool:
    return address == PASSED or address.startswith("unix:")


def _key(node: MapNode, key: str) -> Place:
    return node.entries[key].place if key in node.entries else node.key


def _inner(node: AnyNode, *keys: str) -> AnyNode | None:
    found: AnyNode | None = node
    for key in keys:
        found = found.entries.get(key) if isinstance(found, MapNode) else None
    return found


def _place(node: AnyNode | None, outer: AnyNode) -> Place:
    return outer.key if node is None else node.place
