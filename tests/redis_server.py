"""A real redis-server on a free port of loopback, without persistence; started, stopped, frozen and killed by tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from proxy.listening import bind, bound_port


class RedisServer:
    """One port for its whole life, over any number of starts."""

    def __init__(self, folder: Path, *options: str) -> None:
        with bind("127.0.0.1:0") as free:
            port = bound_port(free)
        assert port is not None
        self.port = port
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--dir", str(self._folder), *self._options], stdout=log)
        while b"PONG" not in self._ping() and b"NOAUTH" not in self._ping():
            assert self._process.poll() is None, (self._folder / "log").read_text()

    def stop(self) -> None:
        """At once, with all that it knew."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def freeze(self) -> None:
        """It accepts connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | bytes) -> Any:
        """The raw answer to one command."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(request + b"*1\r\n$4\r\nQUIT\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def everything(self) -> bytes:
        """All that is stored, in one piece."""
        keys = [line for line in self.command("KEYS", "*").split(b"\r\n") if line.startswith(b"authproxy:")]
        dumped = [self.command("HGETALL", key) + self.command("GET", key) for key in keys]
        return b"\n".join([*keys, *dumped])

    def _ping(self) -> bytes:
        try:
            return bytes(self.command("PING"))
        except OSError:
            return b""


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Skips the test where there is none; in CI that is a failure."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI") == "1":
            pytest.fail("install redis-server")
        pytest.skip("install redis-server")
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
