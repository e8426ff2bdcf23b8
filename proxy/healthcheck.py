"""Asking a proxy on this machine whether it is alive: for containers, which have no curl."""

from __future__ import annotations

import http.client
import socket

_SECONDS = 3.0


class _SocketFileConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def is_alive(address: str) -> bool:
    """Whether /livez answers 200 on the admin listener at `host:port` or `unix:/path`."""
    connection = _connection(address)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _SocketFileConnection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    # What listens on every address is asked on the loopback one, whose name is always allowed.
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104
    return http.client.HTTPConnection(host, int(port), timeout=_SECONDS)
