"""Whatever a file holds: a configuration, or a list of mistakes with places, in bounded time and without a secret."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.config.load import load
from proxy.config.problems import ConfigError

_VARIABLES = {"KEY": "CANARY+OF=THE+ENVIRONMENT", "TOKEN": "CANARY+OF=THE+TOKEN", "NUMBER": "5"}
# What stands for `@@` in a file. No key looks like this, and keys alone may be repeated.
_IN_TEXT = "CANARY+OF=THE+TEXT"
_folder = TemporaryDirectory(prefix="authproxy-fuzz-")
_path = Path(_folder.name) / "authproxy.yaml"
(_path.parent / "secret").write_text("CANARY+OF=THE+FILE\n")
_is_judging = False
_is_watched = False


def judge(octets: bytes) -> None:
    global _is_judging  # noqa: PLW0603 - an audit hook has no other way to learn of it
    _watch()
    _path.write_bytes(octets.replace(b"@@", _IN_TEXT.encode()))
    _is_judging = True
    try:
        shown = repr(load(_path, _VARIABLES))
    except ConfigError as error:
        shown = str(error)
        _judge_mistakes(error)
    finally:
        _is_judging = False
    assert "CANARY" not in shown, "a secret shows"


def _judge_mistakes(error: ConfigError) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.line >= 1 and problem.column >= 1
        assert problem.message and problem.message.isprintable(), "a message that no terminal should see"


def _watch() -> None:
    """A file may name commands; whatever comes of random names, none is started."""
    global _is_watched  # noqa: PLW0603 - no audit hook is ever removed
    if not _is_watched:
        _is_watched = True
        sys.addaudithook(_refuse_commands)


def _refuse_commands(event: str, arguments: object) -> None:
    if event == "subprocess.Popen" and _is_judging:
        raise PermissionError
