"""The command as a process: started, asked, stopped, and all that it wrote kept for inspection."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from click.testing import CliRunner

from proxy.cli import cli
from tests.canaries import issued, leaks, secrets_of

# Of this test run alone: a proxy that somebody runs beside it is none of its business.
_RUNTIME_FOLDER = tempfile.TemporaryDirectory(prefix="authproxy-tests-")
_NO_VARIABLES = dict.fromkeys(("AUTHPROXY_CONFIG", "AUTHPROXY_LISTEN", "AUTHPROXY_ADMIN", "XDG_CONFIG_HOME"))
COMMAND = [sys.executable, "-m", "proxy"]


def run(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=_environment(environ),
        cwd=cwd,
        check=False,
    )


def invoked(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """As `run`, inside this process: a hundred times faster, where streams and signals are not what is tested."""
    with chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(cli, arguments, env={**_NO_VARIABLES, **(environ or {})})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


@dataclass
class Running:
    """`listening` is the address of the `listening on` line, `admin` of its `admin` field."""

    process: subprocess.Popen[str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    pages: bytes = b""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in what was written, on either stream. Blocks until it is there or the process ends."""
        while True:
            for line in [*self.out, *self.err]:
                if match := re.search(pattern, line):
                    return match
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError("the process ended: " + "".join(self.err))

    @property
    def listening(self) -> dict[str, Any]:
        self.wait_for("listening on")
        return next(event for line in self.err if "listening on" in (event := json.loads(line))["event"])

    @property
    def address(self) -> str:
        return str(self.listening["event"].removeprefix("listening on "))

    def look_at_admin_pages(self) -> None:
        """Keep what an operator would see, if there is an admin listener and the process still lives."""
        lines = [json.loads(line) for line in self.err if line.startswith("{") and '"admin"' in line]
        admin = next((str(line["admin"]) for line in lines if line.get("admin")), "off")
        if self.process.poll() is not None or admin == "off" or admin.startswith("unix:"):
            return
        host, _, port = admin.rpartition(":")
        for page in ("/", "/metrics", "/readyz?verbose"):
            connection = http.client.HTTPConnection(
                host.replace("0.0.0.0", "127.0.0.1").strip("[]"), int(port), timeout=5
            )
            try:
                connection.request("GET", page)
                self.pages += connection.getresponse().read()
            except OSError:
                pass  # The test has stopped it.
            finally:
                connection.close()

    @property
    def written(self) -> bytes:
        return "".join([*self.out, *self.err]).encode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    command: Sequence[str] = COMMAND,
    descriptors: Sequence[int] = (),
) -> Iterator[Running]:
    """Start a command that serves; afterwards it is stopped, and its output and the admin pages are searched for
    `secrets` and for all that its configuration names.
    """
    named = {*secrets, *_configured(arguments, environ or {})}
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(environ),
        pass_fds=descriptors,
    )
    running = Running(process)
    assert process.stdout is not None and process.stderr is not None
    readers = [
        Thread(target=into.extend, args=(stream,), daemon=True)
        for into, stream in ((running.out, process.stdout), (running.err, process.stderr))
    ]
    for reader in readers:
        reader.start()
    try:
        yield running
        named |= _configured(arguments, environ or {})
        running.look_at_admin_pages()
    finally:
        running.stop()
        for reader in readers:
            reader.join(10)
        process.stdout.close()
        process.stderr.close()
    found = leaks({*named, *issued()}, running.written + running.pages)
    assert not found, f"{len(found)} secrets showed"


def _configured(arguments: tuple[str, ...], environ: Mapping[str, str]) -> set[str]:
    """The secrets that the configuration behind `-c` names, as it stands now."""
    if "-c" not in arguments:
        return set()
    path = Path(arguments[arguments.index("-c") + 1])
    try:
        return secrets_of(yaml.safe_load(path.read_text()), {**os.environ, **environ}, path.parent)
    except (OSError, yaml.YAMLError):
        return set()


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTHPROXY_")}
    return {**kept, "PYTHONUNBUFFERED": "1", "XDG_RUNTIME_DIR": _RUNTIME_FOLDER.name, **(extra or {})}
