"""Sockets that were opened before we were started, and handed over: systemd's socket activation (sd_listen_fds(3)).

They are taken only by a listener whose address is `systemd`: where a proxy listens that spends credentials shall
stand in its configuration. A socket that no listener takes is an error, since nobody would ever answer on it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

from proxy.listening import PASSED, SocketFile, bind

_FIRST = 3  # SD_LISTEN_FDS_START
_LISTENERS = ("listen", "admin")


@dataclass(frozen=True, slots=True)
class PassedSockets:
    """Listening sockets, each under the name of the key that it is for."""

    listen: socket.socket | None = None
    admin: socket.socket | None = None


def passed_sockets(variables: MutableMapping[str, str], process: int) -> PassedSockets:
    """Those that were handed to this process, which they alone are for: no child gets them, or the variables.

    A socket named `listen` or `admin` (LISTEN_FDNAMES) is for that listener; those of other names are for the
    listeners that are left, in this order. Raises OSError for anything that cannot be listened on.
    """
    wanted, count, names, _ = (variables.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES", "PIDFDID"))
    if wanted != str(process):
        return PassedSockets()
    if not re.fullmatch(r"[1-9]\d?", count):
        raise OSError(errno.EINVAL, "expected the number of sockets", "LISTEN_FDS")
    descriptors = range(_FIRST, _FIRST + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    named = names.split(":") if names else []
    named += [""] * (len(descriptors) - len(named))
    taken: dict[str, socket.socket] = {}
    # The named ones first: what has no name of ours takes what is left.
    for name, descriptor in sorted(zip(named, descriptors, strict=False), key=lambda pair: pair[0] not in _LISTENERS):
        place = name if name in _LISTENERS else next((one for one in _LISTENERS if one not in taken), None)
        if place is None or place in taken:
            raise OSError(errno.EINVAL, "more sockets than one for `listen` and one for `admin`", "LISTEN_FDS")
        taken[place] = _listening_socket(descriptor)
    return PassedSockets(**taken)


def opened(key: str, address: str, passed: socket.socket | None, socket_file: SocketFile) -> socket.socket:
    """The socket for the listener `server.<key>`: the one that was passed, or a new one. Raises OSError."""
    if address == PASSED:
        if passed is None:
            raise OSError(errno.ENOTSOCK, "systemd passed no socket for it (LISTEN_FDS)", f"server.{key}")
        return passed
    if passed is not None:
        raise OSError(errno.EINVAL, f"systemd passed a socket for it; set it to `{PASSED}`", f"server.{key}")
    return bind(address, socket_file)


def _listening_socket(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    is_stream = sock.type == socket.SOCK_STREAM and sock.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if not is_stream or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise OSError(errno.EINVAL, "not a listening stream socket; a unit has Accept=no", f"descriptor {descriptor}")
    return sock
