"""Whether the other end of a connection is still somebody's, as the kernel knows it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from proxy.gateway.peer import has_hung_up

Pair = tuple[socket.socket, socket.socket]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def tcp_pair(family: socket.AddressFamily, host: str) -> Pair:
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        other = socket.create_connection(listener.getsockname()[:2])
        return listener.accept()[0], other


PAIRS: list[Callable[[], Pair]] = [
    lambda: tcp_pair(socket.AF_INET, "127.0.0.1"),
    lambda: tcp_pair(socket.AF_INET6, "::1"),
    socket.socketpair,
]


@pytest.fixture(params=PAIRS, ids=["ipv4", "ipv6", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    ours, theirs = request.param()
    with ours, theirs:
        yield ours, theirs


def test_whoever_is_connected_is_there(pair: Pair) -> None:
    assert not has_hung_up(pair[0])


def test_whoever_only_ends_its_sending_is_there(pair: Pair) -> None:
    pair[1].shutdown(socket.SHUT_WR)
    assert pair[0].recv(1) == b""
    assert not has_hung_up(pair[0])


def test_whoever_closed_is_gone(pair: Pair) -> None:
    pair[1].close()
    assert pair[0].recv(1) == b""
    assert has_hung_up(pair[0])


def test_whoever_closed_is_gone_when_the_kernel_has_forgotten_it_too(pair: Pair) -> None:
    """What is sent to a closed socket is answered by a reset, which takes its last trace away."""
    pair[1].close()
    try:
        pair[0].send(b"x")
    except BrokenPipeError:
        assert pair[0].family == socket.AF_UNIX
    assert has_hung_up(pair[0])
