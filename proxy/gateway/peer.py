"""Whether a caller who sends nothing more has hung up or still waits for the answer.

Both look the same on the wire: an end of file. But callers are mostly on this machine, and its kernel knows whether
the other end of a connection still belongs to anybody.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_HEADER = struct.Struct("=LHHLL")
# family, protocol, extensions, padding, states
_QUERY = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH16s16sLQ")
_ALL_STATES = 0xFFFFFFFF
_ANY_COOKIE = 0xFFFFFFFFFFFFFFFF
# Of the answer (inet_diag_msg): the inode is the last of it, 0 for a socket that nobody holds any more.
_INODE = struct.Struct("=L")
_INODE_AT = _HEADER.size + 68


def has_hung_up(sock: socket.socket) -> bool:
    """True if the other end is a socket of this machine that was closed; False too where that cannot be known."""
    try:
        poll = select.poll()
        poll.register(sock.fileno(), 0)
        # A reset that came behind the end of file, which nobody waits for any more; or a Unix socket's other end.
        if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)):
            return True
        if sock.family == socket.AF_UNIX:
            return False
        ours, theirs = sock.getsockname(), sock.getpeername()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(0.1)
            kernel.send(_query(sock.family, theirs, ours))
            answer = kernel.recv(4096)
    except (OSError, AttributeError, ValueError):
        return False
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY or len(answer) < _INODE_AT + _INODE.size:
        return False
    return bool(_INODE.unpack_from(answer, _INODE_AT)[0] == 0)


def _query(family: int, source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """Which socket has this address and this peer."""
    question = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + _PORTS.pack(
        source[1], target[1], _octets(source[0]), _octets(target[0]), 0, _ANY_COOKIE
    )
    return _HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + question


def _octets(address: str) -> bytes:
    return ipaddress.ip_address(address.partition("%")[0]).packed.ljust(16, b"\0")
