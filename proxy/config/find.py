"""Which configuration file is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy.config.problems import ConfigError, Problem

VARIABLE = "AUTHPROXY_CONFIG"


def find_config(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The file named by option or variable, or the first that exists of the usual ones.

    A named file is returned whether it exists or not. Raises ConfigError if none is named and none exists.
    """
    named = explicit or environ.get(VARIABLE)
    if named:
        return Path(named)
    for path in _usual(environ, cwd):
        if path.is_file():
            return path
    places = ", ".join(str(path) for path in _usual(environ, cwd))
    message = (
        f"no configuration found; name one with -c or ${VARIABLE}, or write one of {places}; "
        "`authproxy init --preset NAME` writes the first"
    )
    raise ConfigError([Problem("authproxy.yaml", 1, 1, "", message, is_in_file=False)])


def _usual(environ: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    yield cwd / "authproxy.yaml"
    yield cwd / "config.yaml"
    # XDG Base Directory Specification: a relative path in the variable is to be ignored.
    folder = environ.get("XDG_CONFIG_HOME", "")
    if folder.startswith("/"):
        yield Path(folder) / "authproxy" / "config.yaml"
    elif environ.get("HOME"):
        yield Path(environ["HOME"]) / ".config" / "authproxy" / "config.yaml"
    yield Path("/etc/authproxy/config.yaml")
