"""One proxy as a process, before a vendor that keeps every octet; and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.abuse.case import LONG
from tests.abuse.contenders import PREFIX, Command, Setting
from tests.abuse.vendor import BASE_PATH, Vendor
from tests.canaries import leaks

_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 40.0
_taken: set[int] = set()


@dataclass
class Stage:
    """`output` is what the process wrote; `leaking`, known when it has ended, where a secret shows.

    `most` is the most memory that was seen.
    """

    vendor: Vendor
    setting: Setting
    process: asyncio.subprocess.Process
    output: bytearray = field(default_factory=bytearray)
    leaking: list[str] = field(default_factory=list)
    most: int = 0
    echo: str = field(default_factory=lambda: f"ECHO-{secrets.token_hex(8)}")

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.setting.credential, *([self.setting.token] if self.setting.token else []))

    @property
    def places(self) -> dict[str, str]:
        """What stands for the braces in cases."""
        return {
            "host": f"127.0.0.1:{self.setting.port}",
            "port": str(self.setting.port),
            "prefix": PREFIX,
            "base": BASE_PATH,
            "credential": self.setting.credential,
            "token": self.setting.token or "",
            "evil": f"127.0.0.1:{self.vendor.evil_port}",
            "echo": self.echo,
            "vendor": f"127.0.0.1:{self.vendor.port}",
            **LONG,
        }

    def open_files(self) -> int:
        """How many descriptors the process has; 0 where that cannot be told."""
        with suppress(OSError):
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        return 0

    def resident(self) -> int:
        """Bytes of memory that the process occupies; 0 where that cannot be told."""
        with suppress(OSError):
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def leaks_in_output(self) -> list[str]:
        """Where a secret or what a caller sent shows: the process's output, its files, its command line."""
        files = [path for path in self.setting.folder.rglob("*") if path.is_file()]
        ours = ("credential", "token", "authproxy.yaml", "nginx.conf", "naive.py", "pid")
        sinks = {path.name: path.read_bytes() for path in files if path.name not in ours}
        sinks["output"] = bytes(self.output)
        with suppress(OSError):
            sinks["command line"] = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return [name for name, octets in sinks.items() if leaks((*self.secrets, self.echo), octets)]


@asynccontextmanager
async def staged(command: Command, *, with_token: bool = False) -> AsyncIterator[Stage]:
    """Start the proxy and wait until it listens; at the end it is stopped."""
    with TemporaryDirectory(prefix="abuse-") as folder:
        async with Vendor() as vendor:
            setting = Setting(
                Path(folder),
                _free_port(),
                f"http://127.0.0.1:{vendor.port}{BASE_PATH}",
                f"CANARY-{secrets.token_urlsafe(24)}",
                f"LOCAL-{secrets.token_urlsafe(24)}" if with_token else None,
            )
            process = await asyncio.create_subprocess_exec(
                *command(setting),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "PYTHONUNBUFFERED": "1",
                    # Where it leaves word for other commands: nobody else shall find it.
                    "XDG_RUNTIME_DIR": folder,
                },
            )
            stage = Stage(vendor, setting, process)
            reading = asyncio.create_task(_read_output(stage))
            try:
                await _listening(stage)
                yield stage
            finally:
                if process.returncode is None:
                    process.terminate()
                try:
                    async with asyncio.timeout(_ENDS_WITHIN):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
                await reading
                stage.leaking = stage.leaks_in_output()


async def _read_output(stage: Stage) -> None:
    assert stage.process.stdout is not None
    while piece := await stage.process.stdout.read(65536):
        stage.output += piece


async def _listening(stage: Stage) -> None:
    async with asyncio.timeout(_STARTS_WITHIN):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", stage.setting.port)
                writer.close()
                return
            except OSError:
                if not stage.is_alive:
                    raise RuntimeError(f"the proxy ended: {bytes(stage.output[-500:])!r}") from None
                await asyncio.sleep(0.05)


def _free_port() -> int:
    """Not one that the kernel would give to a connection in between, nor the same twice."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            if port not in _taken:
                _taken.add(port)
                return port
