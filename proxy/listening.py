"""Sockets to listen on, for callers and for the admin pages; and who may connect to one that is a file."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Instead of an address: the socket was opened before we were started (`proxy.passed_sockets`).
PASSED = "systemd"
# For the event loop's create_unix_server: since Python 3.13 it would remove the file, which may be another's by then.
KEEPING_FILE: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}

_MINE_ONLY = 0o600
_OTHER_FILES = 64
_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group (unix(7))


@dataclass(frozen=True, slots=True)
class SocketFile:
    """How a socket file is made: `owner` and `group` are numbers, None for the process's own.

    `allowed_uids` are the users whose processes may connect, on systems that tell (Linux). None: root, us and
    the owner if the mode gives nobody else access, and whoever the mode lets in otherwise.
    """

    mode: int = _MINE_ONLY
    owner: int | None = None
    group: int | None = None
    allowed_uids: frozenset[int] | None = None

    def admits(self, uid: int) -> bool:
        if self.allowed_uids is not None:
            return uid in self.allowed_uids
        return bool(self.mode & 0o077) or uid in (0, os.geteuid(), self.owner)


def bind(address: str, socket_file: SocketFile = SocketFile()) -> socket.socket:
    """A listening socket for `host:port`, `[::1]:port` or `unix:/path`.

    A socket file that a dead process left behind is replaced, a symlink never. Raises OSError with the address
    as its `filename`.
    """
    try:
        if address.startswith("unix:"):
            return _bind_unix(Path(address.removeprefix("unix:")), socket_file)
        return _bind_tcp(address)
    except OSError as error:
        error.filename = address  # So that whoever tells of it can say which of two addresses it was.
        raise


def bound_address(sock: socket.socket) -> str:
    """How to reach a bound socket, in the form of `server.listen`."""
    if sock.family == socket.AF_UNIX:
        # A name beginning with NUL is none of a file (unix(7)); it is written with an @.
        return "unix:" + os.fsdecode(sock.getsockname()).replace("\0", "@")
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bound_port(sock: socket.socket) -> int | None:
    return None if sock.family == socket.AF_UNIX else int(sock.getsockname()[1])


def is_admitted(sock: socket.socket | None, socket_file: SocketFile) -> bool:
    """Whether this connection's other end may speak here. Only a socket file knows whose process that is."""
    if sock is None or sock.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return socket_file.admits(uid)


def affordable(connections: int) -> int:
    """So many connections, or as many as this process may have open files for; that limit is raised if need be.

    Each caller's connection wants one to a vendor; half as many more may be told to come again.
    """
    wanted = connections * 5 // 2 + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):  # Some systems allow less than they say.
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return max(min(connections, (soft - _OTHER_FILES) * 2 // 5), 1)


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


def _bind_unix(path: Path, socket_file: SocketFile) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(path):
            _remove_dead_socket(path)
        before = os.umask(0o777 & ~socket_file.mode)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        if socket_file.owner is not None or socket_file.group is not None:
            # Nobody can connect before listen(), so there is no moment with the wrong owner.
            unchanged = -1
            owner = unchanged if socket_file.owner is None else socket_file.owner
            group = unchanged if socket_file.group is None else socket_file.group
            os.chown(path, owner, group, follow_symlinks=False)
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
