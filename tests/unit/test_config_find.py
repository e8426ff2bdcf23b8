"""Which file is read, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import ConfigError, find_config


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_option_beats_variable_beats_what_lies_around(tmp_path: Path) -> None:
    """From the most explicit to the least."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    in_home = made(tmp_path / "home/.config/authproxy/config.yaml")
    assert find_config(None, {"HOME": environ["HOME"]}, tmp_path) == in_home
    in_xdg = made(tmp_path / "xdg/authproxy/config.yaml")
    assert find_config(None, environ, tmp_path) == in_xdg
    second = made(tmp_path / "config.yaml")
    assert find_config(None, environ, tmp_path) == second
    first = made(tmp_path / "authproxy.yaml")
    assert find_config(None, environ, tmp_path) == first
    environ["AUTHPROXY_CONFIG"] = "/named/by/variable"
    assert find_config(None, environ, tmp_path) == Path("/named/by/variable")
    assert find_config("/named/by/option", environ, tmp_path) == Path("/named/by/option")


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path) -> None:
    """As the XDG Base Directory Specification asks."""
    in_home = made(tmp_path / ".config/authproxy/config.yaml")
    assert find_config(None, {"XDG_CONFIG_HOME": "xdg", "HOME": str(tmp_path)}, tmp_path) == in_home


def test_nothing_found_says_where_it_looked(tmp_path: Path) -> None:
    """And how to name a file."""
    with pytest.raises(ConfigError, match=r"-c or \$AUTHPROXY_CONFIG.*authproxy\.yaml.*/etc/authproxy"):
        find_config(None, {"AUTHPROXY_CONFIG": ""}, tmp_path)
