"""What the project stands on: versions, what is packaged, the image, CI."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp.http_parser
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
CONSTRAINTS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]

# The first versions without the holes listed in the advisories that touch a proxy.
FLOORS = {"aiohttp": (3, 14, 3), "PyJWT": (2, 13)}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def plain_name(requirement: str) -> str:
    name = re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_versions_with_known_holes_are_neither_declared_nor_installed(name: str, floor: tuple[int, ...]) -> None:
    (declared,) = [one for one in PROJECT["dependencies"] if plain_name(one) == name.lower()]
    assert ">=" in declared
    assert numbers(declared.partition(">=")[2]) >= floor
    (pinned,) = [one for one in CONSTRAINTS if plain_name(one) == name.lower()]
    assert numbers(pinned.partition("==")[2]) >= floor
    assert numbers(version(name)) >= floor


def test_aiohttp_works_with_its_c_parser() -> None:
    """The pure-Python one lets requests through that the C parser refuses."""
    parser: Any = aiohttp.http_parser.HttpRequestParser
    assert parser.__module__ == "aiohttp._http_parser"


def test_every_dependency_is_pinned_without_a_host_or_a_path() -> None:
    pinned = {plain_name(line) for line in CONSTRAINTS}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in CONSTRAINTS)
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    assert {plain_name(one) for one in wanted} - {"authproxy"} <= pinned


def test_node_packages_are_locked_by_hash_and_name_no_registry() -> None:
    lock = json.loads((ROOT / "tests/node/package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == json.loads((ROOT / "tests/node/package.json").read_text())["dependencies"]
    for name, package in lock.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_what_is_installed_is_what_is_pinned() -> None:
    """A test run with other versions would prove something else. Only a look at what this project names itself."""
    pinned = {plain_name(line): line.partition("==")[2] for line in CONSTRAINTS}
    for requirement in PROJECT["dependencies"]:
        name = plain_name(requirement)
        assert version(name) == pinned[name], name


def test_extras_are_those_of_the_design() -> None:
    assert {"ethereum", "redis", "keyring", "uvloop", "test"} <= PROJECT["optional-dependencies"].keys()
    assert PROJECT["requires-python"] == ">=3.11"
    assert PROJECT["scripts"] == {"authproxy": "proxy.cli:main"}


def test_files_that_are_not_python_are_packaged_where_the_code_looks_for_them() -> None:
    packaged = PYPROJECT["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "proxy").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".so"):
            package = ".".join(path.parent.relative_to(ROOT).parts)
            assert any(path.match(pattern) for pattern in packaged.get(package, [])), path


def test_every_ignored_lint_rule_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert ignored is not None
    assert [line for line in ignored[1].splitlines() if "# " not in line] == []


# --- The image ----------------------------------------------------------------------------------------


def dockerfile() -> Iterator[tuple[str, str]]:
    """Instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, _, rest = line.strip().partition(" ")
            yield instruction, rest.strip()


def runtime_stage() -> list[tuple[str, str]]:
    lines = list(dockerfile())
    last = max(index for index, (instruction, _) in enumerate(lines) if instruction == "FROM")
    return lines[last:]


def test_the_base_image_is_pinned_to_a_version() -> None:
    bases = [rest.split()[0] for instruction, rest in dockerfile() if instruction == "FROM"]
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base)


def test_the_image_runs_as_nobody_given_by_number() -> None:
    """Kubernetes cannot tell of a name whether it is root."""
    (user,) = [rest for instruction, rest in runtime_stage() if instruction == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_the_image_needs_no_shell() -> None:
    stage = dict(runtime_stage())
    assert "RUN" not in stage
    assert stage["ENTRYPOINT"] == '["authproxy"]'
    assert stage["CMD"] == '["run"]'
    assert stage["HEALTHCHECK"].endswith('CMD ["authproxy", "healthcheck"]')
    assert stage["EXPOSE"] == "8080 9180"


def test_nothing_is_fetched_into_the_image_but_pinned_packages() -> None:
    for instruction, rest in dockerfile():
        assert instruction != "ADD"
        assert not re.search(r"https?://|curl|wget|apt-get", rest)
        if "pip" in rest and instruction == "RUN" and "install" in rest:
            assert "-c constraints.txt" in rest


def test_the_build_sees_only_what_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    needed = {
        source
        for instruction, rest in dockerfile()
        if instruction == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert {f"!{source.removeprefix('./')}" for source in needed} == {line for line in lines if line.startswith("!")}
    assert all((ROOT / source).exists() for source in needed)


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed here")
    linted = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


# --- CI and make --------------------------------------------------------------------------------------


def test_ci_is_a_strict_script_that_ends_with_the_tests() -> None:
    script = ROOT / ".ci/run"
    lines = script.read_text().splitlines()
    assert os.access(script, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make test"
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize("target", ["demo", "test", "check", "clean"])
def test_make_knows_its_targets(target: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed here")
    subprocess.run([make, "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_make_help_is_the_head_of_the_makefile_and_nothing_else() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed here")
    told = subprocess.run([make, "--silent", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    head = (ROOT / "Makefile").read_text().partition("\n\n")[0]
    assert told.splitlines() == [line.removeprefix("#").removeprefix(" ") for line in head.splitlines()]
    assert all(re.match(r"make |$|Each makes|      ", line) for line in told.splitlines())
