"""Asking a proxy on this machine, over its admin listener."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes


class _SocketFileConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(address: str, method: str, path: str, *, token: str | None = None, seconds: float = 3.0) -> Reply | None:
    """The answer of the admin listener at `host:port` or `unix:/path`; None if there is none within so many seconds.

    Raises ValueError if the address is neither.
    """
    connection = _connection(address, seconds)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connection(address: str, seconds: float) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _SocketFileConnection(address.removeprefix("unix:"), seconds)
    host, _, port = address.rpartition(":")
    # What listens on every address is asked on the loopback one, whose name is always allowed.
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104
    return http.client.HTTPConnection(host, int(port), timeout=seconds)
