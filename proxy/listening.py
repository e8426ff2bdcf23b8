"""Sockets to listen on, for callers and for the admin pages."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path


def bind(address: str) -> socket.socket:
    """A listening socket for `host:port`, `[::1]:port` or `unix:/path`.

    A socket file is made with mode 0600; one that a dead process left behind is replaced, a symlink never.
    Raises OSError with the address as its `filename`.
    """
    try:
        if address.startswith("unix:"):
            return _bind_unix(Path(address.removeprefix("unix:")))
        return _bind_tcp(address)
    except OSError as error:
        error.filename = address  # So that whoever tells of it can say which of two addresses it was.
        raise


def bound_address(sock: socket.socket) -> str:
    """How to reach a bound socket, in the form of `server.listen`."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bound_port(sock: socket.socket) -> int | None:
    return None if sock.family == socket.AF_UNIX else int(sock.getsockname()[1])


def _bind_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(path):
            _remove_dead_socket(path)
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_dead_socket(path: Path) -> None:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise FileExistsError(errno.EEXIST, "exists and is not a socket")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    else:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    finally:
        probe.close()
