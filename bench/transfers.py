"""100 MiB through a proxy, one body at a time: what it costs, and how fast it goes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from bench.answers import Answer
from bench.bodies import LARGE
from bench.contender import Contender, fit_for_bodies
from bench.rounds import Extent, Rows, WrongAnswers, in_turn
from bench.stage import Server, Stage

_BLOCK = 256 * 1024
_STALLED_SECONDS = 60

Transfer = Callable[[Server], None]


def down(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies", download)


def up(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies", upload)


def down_tls(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies_tls", download)


def paced(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies", partial(download, target="/paced"))


def paced_tls(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies_tls", partial(download, target="/paced"))


def up_tls(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _transferred(stage, contenders, extent, "bodies_tls", upload)


def download(server: Server, target: str = "/large") -> None:
    with _connected(server) as connection:
        connection.sendall(server.head(target))
        answer = _answer(connection)
    if answer.status != 200 or answer.received < LARGE:
        raise WrongAnswers(f"{answer.status}, {answer.received} bytes")


def upload(server: Server) -> None:
    block = bytes(_BLOCK)
    with _connected(server) as connection:
        connection.sendall(server.head("/upload", "POST", LARGE))
        for _ in range(LARGE // _BLOCK):
            connection.sendall(block)
        answer = _answer(connection)
    if answer.status != 200:
        raise WrongAnswers(f"{answer.status}")


def _transferred(
    stage: Stage, contenders: Sequence[Contender], extent: Extent, upstream: str, transfer: Transfer
) -> Rows:
    """As many bodies as fit into a slice, at least one. nginx takes part once, with buffers that fit."""
    servers = {
        one.key: stage.server(one, upstream)
        for one in fit_for_bodies(contenders)
        if not (one.is_direct and upstream.endswith("tls"))
    }

    def measure(row: str) -> dict[str, float]:
        server, count = servers[row], 0
        before, began = server.usage(), time.perf_counter()
        while (seconds := time.perf_counter() - began) < extent.seconds or not count:
            transfer(server)
            count += 1
        used = server.usage() - before
        return {
            "cpu_ms": used.cpu / count * 1e3,
            "mb_per_s": count * LARGE / seconds / 1e6,
            "others": used.others / seconds,
        }

    return in_turn(list(servers), extent.rounds, measure, warm_up=0)


def _connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), _STALLED_SECONDS)


def _answer(connection: socket.socket) -> Answer:
    answer, buffer = Answer(), memoryview(bytearray(_BLOCK))
    while count := connection.recv_into(buffer):
        if answer.feed(buffer[:count]):
            return answer
    raise WrongAnswers("the connection ended in the middle of an answer")
