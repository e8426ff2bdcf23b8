"""Resident memory: idle, after 100 MiB each way, with 10,000 connections open, and after they are gone."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench.answers import Answer
from bench.contender import Contender
from bench.rounds import Extent, Rows
from bench.stage import Server, Stage
from bench.transfers import download, upload

CONNECTIONS = 10_000
# Besides its connections each process opens files, and a proxy its connections to the upstream.
_SPARE_DESCRIPTORS = 1_500
_SETTLE_SECONDS = 0.5


def memory(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    """One round: memory has a history, and only a fresh process has none."""
    able = min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS)
    rows: Rows = {}
    for contender in contenders:
        if contender.is_direct or contender.is_for_bodies:
            continue
        with ExitStack() as running:
            server = stage.fresh_server(contender, "bodies", running)
            figures = {"idle_mib": _settled(server)}
            download(server)
            upload(server)
            figures["after_bodies_mib"] = _settled(server)
            with ExitStack() as opened:
                figures["connections"] = _hold(server, able, opened)
                figures["with_connections_mib"] = _settled(server)
            figures["after_connections_mib"] = _settled(server)
        rows[contender.key] = {quantity: [value] for quantity, value in figures.items()}
    return rows


def _settled(server: Server) -> float:
    time.sleep(_SETTLE_SECONDS)
    return server.resident_mebibytes()


def _hold(server: Server, wanted: int, opened: ExitStack) -> int:
    """Open so many connections and ask once on each. How many were answered: some proxies have a limit."""
    for number in range(wanted):
        try:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            connection.sendall(server.head("/head"))
            answer = Answer()
            while not answer.feed(received := connection.recv(65536)):
                if not received:
                    return number
        except OSError:
            return number
    return wanted
