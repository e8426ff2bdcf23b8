"""The servers of a run: each started when it is first needed, verified, and kept up to the end.

All of them stay up while slices are taken in turn, so that what the machine does besides hits all alike.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contender import CALLERS_OWN, CREDENTIAL, Contender, Plan
from bench.servers import Usage, free_port, resident_mebibytes, start, usage, wait_for_port
from bench.upstream import start_upstream
from bench.verification import request_head, verify

# What a proxy is put before: small answers, or bodies of 100 MiB; in plain text or over TLS.
UPSTREAMS = ("plain", "tls", "bodies", "bodies_tls")
OUR_ROUTES = ("plain", "signed", "minted", "fetched")


@dataclass(frozen=True)
class Server:
    """A contender that listens. `process` is None where there is no proxy."""

    process: subprocess.Popen[bytes] | None
    port: int

    @property
    def authorization(self) -> str:
        return CALLERS_OWN if self.process else CREDENTIAL

    def path(self, path: str, route: str = "plain") -> str:
        return f"/{route}{path}" if self.process else path

    def url(self, path: str, route: str = "plain") -> str:
        return f"http://127.0.0.1:{self.port}{self.path(path, route)}"

    def head(self, path: str, method: str = "GET", length: int | None = None) -> bytes:
        return request_head(self.port, self.path(path), self.authorization, method, length)

    def usage(self) -> Usage:
        return usage(self.process.pid) if self.process else Usage(0.0, 0.0)

    def resident_mebibytes(self) -> float:
        return resident_mebibytes(self.process.pid) if self.process else 0.0


class Stage:
    """Where a run takes place: a folder of its own, one upstream, and servers by contender and upstream."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self.folder = folder
        self.running = running
        folder.chmod(0o755)  # nginx, started by root, reads as another user.
        self.upstream = start_upstream(folder / "upstream", running)
        self._servers: dict[tuple[str, str], Server] = {}

    def server(self, contender: Contender, upstream: str = "plain") -> Server:
        key = contender.key, upstream
        if key not in self._servers:
            self._servers[key] = self.fresh_server(contender, upstream)
        return self._servers[key]

    def fresh_server(self, contender: Contender, upstream: str = "plain", running: ExitStack | None = None) -> Server:
        """A server that nobody has asked anything yet but whether it sends the credential."""
        upstream_port = int(getattr(self.upstream, upstream))
        if contender.is_direct:
            return Server(None, upstream_port)
        folder = self.own_folder(f"{contender.key.replace(':', '-')}-{upstream}")
        ca = self.upstream.ca if upstream.endswith("tls") else None
        plan = Plan(folder, free_port(), upstream_port, ca)
        process = start(contender.command(plan), folder, running or self.running)
        wait_for_port(plan.port, process, folder)
        server = Server(process, plan.port)
        for route in OUR_ROUTES if contender.is_ours else OUR_ROUTES[:1]:
            verify(contender.title, plan.port, server.path("/head", route))
        return server

    def own_folder(self, name: str) -> Path:
        folder = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        return folder
