"""A real Prometheus on a free port of loopback, with its own folder; and promtool, which comes with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import yaml

from proxy.listening import bind, bound_port


def needs(program: str) -> str:
    """The program's path. Skips the test where there is none; in CI that is a failure."""
    path = shutil.which(program)
    if path is None:
        words = f"install {program} (Debian: apt install prometheus)"
        if os.environ.get("CI") == "1":
            pytest.fail(words)
        pytest.skip(words)
    return path


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [needs("promtool"), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)


@dataclass
class Prometheus:
    """Its HTTP API, as far as the tests ask it."""

    client: httpx.Client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query; fails for one that does not parse."""
        answer = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def series(self, selector: str) -> list[dict[str, str]]:
        """The label sets of what a selector selects."""
        answer = self.client.get("/api/v1/series", params={"match[]": selector}).json()
        assert answer["status"] == "success", f"{selector}: {answer['error']}"
        found: list[dict[str, str]] = answer["data"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        groups = self.client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(target: str, rules: Path) -> Iterator[Prometheus]:
    """One that has scraped the target as job authproxy, and evaluated each rule, when it is handed over."""
    program = needs("prometheus")
    with bind("127.0.0.1:0") as free:
        port = bound_port(free)
    with TemporaryDirectory() as folder:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "authproxy", "static_configs": [{"targets": [target]}]}],
        }
        path = Path(folder) / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        address = f"127.0.0.1:{port}"
        options = [f"--config.file={path}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([program, *options], stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=30) as client:
                server = Prometheus(client)
                _wait(process, lambda: _has_scraped(server), Path(folder))
                scraped = datetime.now(UTC)
                _wait(process, lambda: _has_evaluated(server, scraped), Path(folder))
                yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], has_come: Callable[[], bool], folder: Path) -> None:
    while not has_come():
        assert process.poll() is None, (folder / "log").read_text()


def _has_scraped(server: Prometheus) -> bool:
    try:
        return bool(server.query('up{job="authproxy"} == 1'))
    except (httpx.TransportError, ValueError):
        return False


def _has_evaluated(server: Prometheus, since: datetime) -> bool:
    """Each rule, on what was scraped: until then the proxy is missing."""
    return all(datetime.fromisoformat(rule["lastEvaluation"]) > since for rule in server.rules())
