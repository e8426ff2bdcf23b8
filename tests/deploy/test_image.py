"""The Dockerfile's steps walked without an engine: built from what the build sees, and run as the image runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process import running
from tests.unit.test_ground import ROOT, dockerfile, runtime_stage

PREFIX = "/opt/authproxy"
# What an image may hold: our own package, and what it needs with these extras, of which eth-account is half.
MOST_MEGABYTES = 130
KEY = "CANARY-image-4d1f-key"


@dataclass(frozen=True)
class Image:
    """What the last stage would have: its one folder, and the variables of its ENV."""

    prefix: Path
    environ: Mapping[str, str]

    def packages(self) -> set[str]:
        found = (self.prefix / "lib").glob("python*/site-packages/*.dist-info")
        return {re.sub(r"[-_.]+", "-", path.name.partition("-")[0]).lower() for path in found}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """COPY and RUN of the first stage, one after the other; ENV of the last."""
    folder = tmp_path_factory.mktemp("image")
    source, prefix = folder / "src", folder / "prefix"
    source.mkdir()
    for instruction, rest in dockerfile():
        if instruction == "COPY" and "--from" not in rest:
            *names, target = rest.split()
            for name in names:
                copied(ROOT / name, source / target)
        elif instruction == "RUN":
            done = subprocess.run(
                [*here(rest, prefix)], cwd=source, capture_output=True, text=True, timeout=300, check=False
            )
            if "install" in rest and done.returncode and "CI" not in os.environ:
                pytest.skip("no package index can be reached from here")
            assert done.returncode == 0, done.stderr
    [variables] = [rest for instruction, rest in runtime_stage() if instruction == "ENV"]
    named = dict(word.split("=", 1) for word in shlex.split(variables))
    named["PATH"] = named["PATH"].replace(PREFIX, str(prefix)).replace("$PATH", "/usr/bin:/bin")
    return Image(prefix, named)


def copied(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(path, target)


def here(command: str, prefix: Path) -> list[str]:
    """A RUN line with this interpreter for `python` and `pip`, and a folder of the test's for /opt/authproxy."""
    program, *arguments = shlex.split(command.replace(PREFIX, str(prefix)))
    return [sys.executable, *(["-m", "pip"] if program == "pip" else []), *arguments]


def test_it_holds_what_it_needs_and_nothing_to_build_or_test_with(image: Image) -> None:
    packages = image.packages()
    assert {"authproxy", "aiohttp", "eth-account", "redis", "uvloop"} <= packages
    assert packages.isdisjoint({"pip", "setuptools", "wheel", "pytest", "hypothesis", "ruff", "mypy", "trustme"})
    assert not list(image.prefix.glob("lib/python*/site-packages/tests"))


def test_it_stays_small(image: Image) -> None:
    size = sum(path.stat().st_size for path in image.prefix.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < MOST_MEGABYTES * 1_000_000, f"{size / 1e6:.0f} MB"


def test_what_it_runs_is_compiled_already(image: Image) -> None:
    """Its root may be read-only, and it is told to write no bytecode."""
    assert image.environ["PYTHONDONTWRITEBYTECODE"] == "1"
    [package] = image.prefix.glob("lib/python*/site-packages/proxy")
    sources = list(package.rglob("*.py"))
    assert len([*package.rglob("*.pyc")]) == len(sources) > 100


def test_its_command_runs_from_its_own_files_and_ends_with_0(image: Image, tmp_path: Path) -> None:
    """ENTRYPOINT and CMD, with a secret as a file; then the HEALTHCHECK; then the STOPSIGNAL."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    config = tmp_path / "config.yaml"
    config.write_text(
        "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
        "providers:\n  acme: {base_url: 'http://127.0.0.1:1', auth: {scheme: static, headers: {X-Key: {file: key}}}}\n"
        "routes: {/acme: acme}\n"
    )
    stage = dict(runtime_stage())
    assert (stage["ENTRYPOINT"], stage["CMD"], stage["STOPSIGNAL"]) == ('["authproxy"]', '["run"]', "SIGTERM")
    environ = {**image.environ, "AUTHPROXY_CONFIG": str(config), "PYTHONPATH": ""}
    command = [str(image.prefix / "bin" / "authproxy")]
    with running("run", environ=environ, command=command, secrets=(KEY,)) as proxy:
        admin = proxy.listening["admin"]
        health = [*command, "healthcheck", "--admin", admin]
        assert subprocess.run(health, env=environ, cwd=tmp_path, check=False).returncode == 0
        assert proxy.stop() == 0
        assert subprocess.run(health, env=environ, capture_output=True, check=False).returncode == 1
