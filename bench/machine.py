"""Where it was measured, in one line: cores and versions, never a name."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.contender import Contender
from bench.rounds import Extent

_LIBRARIES = ("aiohttp", "uvloop")


def described(contenders: Sequence[Contender], extent: Extent) -> str:
    versions = [*(_library(name) for name in _LIBRARIES), *(_version(one) for one in contenders if one.version)]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, median of {extent.rounds} paired rounds of {extent.seconds} s, in brackets the "
        f"lowest and the highest. {os.cpu_count()} cores ({_processor()}), Linux {_numbers(platform.release())}, "
        f"Python {platform.python_version()}, {', '.join(filter(None, dict.fromkeys(versions)))}."
    )


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found and found[1].strip(" 0123456789") else platform.machine()


def _library(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def _version(contender: Contender) -> str:
    assert contender.program is not None
    said = subprocess.run([contender.program, *contender.version], capture_output=True, text=True, check=False)
    name = contender.title.partition(",")[0]
    return f"{name} {_numbers(said.stdout + said.stderr)}"


def _numbers(text: str) -> str:
    """The first thing in a text that looks like a version."""
    found = re.search(r"\d+\.\d+(\.\d+)*", text)
    return found[0] if found else "?"
