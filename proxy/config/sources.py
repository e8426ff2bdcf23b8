"""Where secrets come from, and the readers that secret and template fields call while they are validated.

A secret is `{env: NAME}`, `{file: PATH}`, `{exec: [command, ...]}`, `{value: literal}` or `"${NAME}"`. All
errors are ValueErrors in our own words, without the value.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from proxy.config.command import output_of
from proxy.config.problems import Place, Report, listed, suggestion
from proxy.config.texts import Interpolated, variable
from proxy.secret import FileSecret, Secret
from proxy.template import Part, Template
from proxy.template import Place as TemplatePlace

SOURCES = ("env", "file", "exec", "value")
WRITE_IT_AS = "write it as {env: NAME}, {file: PATH}, or {value: ...}"
MAX_FILE = 64 * 1024
_SENT_AS_IT_IS = (
    "is sent as it is, a JSON object with the key `{}`; "
    "if a secret is meant, write ${{NAME}}, or put it under `variables` and write its name in double braces"
)
_MOUNTED = Path("/run/secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Reads secrets and templates. `secret_variables` are the names that stand for secrets in this provider."""

    folder: Path
    environ: Mapping[str, str]
    report: Report
    command_timeout: float = 10.0
    secret_variables: frozenset[str] = field(default_factory=frozenset)

    def secret(self, value: Any) -> Secret:
        """One secret from its source."""
        if isinstance(value, Secret):
            return value
        if isinstance(value, dict):
            return self._from_mapping(value)
        if isinstance(value, Interpolated):
            _refuse_missing(value)
            if len(value.parts) == 1 and isinstance(value.parts[0], Secret):
                return value.parts[0]
            raise ValueError(f"a secret is one ${{NAME}} without text around it, or {WRITE_IT_AS}")
        if value is None:
            raise ValueError(f"the secret is empty; {WRITE_IT_AS}")
        raise ValueError(f"a secret is not written here as it is; {WRITE_IT_AS}")

    def template(self, value: Any) -> Template:
        """A text with places, or a secret's source."""
        if isinstance(value, Template):
            return value
        if isinstance(value, dict | Secret):
            return Template((self.secret(value),))
        if not isinstance(value, str):
            hint = "" if value is None else "; put quotes around it"
            raise ValueError(f"expected a text{hint}")  # noqa: TRY004 - pydantic takes only a ValueError
        parts: list[Part] = []
        for piece in _parts(value):
            parts += [piece] if isinstance(piece, Secret) else _compiled(piece)
        return Template(tuple(parts))

    def secret_text(self, value: Any) -> Template:
        """As `template`, but some part of it has to be a secret."""
        template = self.template(value)
        holds_secret = any(isinstance(part, Secret) for part in template.parts)
        if not (holds_secret or template.names & self.secret_variables):
            raise ValueError(f"a secret is not written here as it is; {WRITE_IT_AS}, or put ${{NAME}} into the text")
        return template

    def json_template(self, value: Any) -> Any:
        """Any JSON, its strings compiled. A mapping here is a JSON object, whatever its keys."""
        if isinstance(value, dict):
            if len(value) == 1 and (source := next(iter(value))) in ("env", "file", "exec"):
                self.report.warn(getattr(value, "place", Place()), _SENT_AS_IT_IS.format(source))
            return {key: self.json_template(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json_template(item) for item in value]
        if isinstance(value, str | Secret | Template):
            return self.template(value)
        if isinstance(value, float) and not isfinite(value):
            raise ValueError("JSON has no such number")
        return value

    def _from_mapping(self, value: dict[str, Any]) -> Secret:
        if unknown := [key for key in value if key not in SOURCES]:
            # Not shown: `{sk_live_...}` is a mapping too, and here its key would be the secret.
            raise ValueError(f"a secret's source is {listed(SOURCES)}{suggestion(unknown[0], SOURCES)}")
        if len(value) != 1:
            raise ValueError(f"a secret has one source: one of {listed(SOURCES)}")
        (source, argument), *_ = value.items()
        match source:
            case "env":
                return variable(_text(argument), self.environ)
            case "file":
                name, place = _text(argument), getattr(value, "place", Place())
                return self._unless_it_fails(lambda: self._from_file(name, place))
            case "exec":
                command = _command(argument)
                return self._unless_it_fails(lambda: self._from_command(command))
            case _:
                return _literal(argument)

    def _unless_it_fails(self, read: Callable[[], Secret]) -> Secret:
        try:
            return read()
        except ValueError:
            self.report.may_pass = True
            raise

    def _from_file(self, name: str, place: Place) -> Secret:
        if name.startswith("~/") and "HOME" in self.environ:
            name = self.environ["HOME"] + name[1:]
        path = self.folder / name
        self.report.reads(path)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("this secret file is not a regular file")
            if status.st_size > MAX_FILE:
                raise ValueError("this secret file is larger than 64 KiB")
            secret = FileSecret(path)
        except OSError as error:
            raise ValueError(f"this secret file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError("this secret file is not UTF-8 text") from None
        if not secret.reveal().strip():
            raise ValueError("this secret file is empty")
        if shows_to_others(path, status.st_mode):
            self.report.warn(
                place, f"every user of this machine can read the secret file {path}; `chmod o=` keeps others out"
            )
        return secret

    def _from_command(self, command: tuple[str, ...]) -> Secret:
        return Secret(output_of(command, self.folder, self.environ, self.command_timeout), "exec")


def shows_to_others(path: Path, mode: int) -> bool:
    """Whether every user of the machine can read the file.

    Where container engines mount secrets they choose the mode, and there are no other users.
    """
    return bool(mode & stat.S_IROTH) and not path.resolve().is_relative_to(_MOUNTED)


def _literal(value: Any) -> Secret:
    if isinstance(value, Interpolated):
        value = value.written
    if not isinstance(value, str):
        raise ValueError("`value` takes a text; put quotes around it")  # noqa: TRY004 - as above
    if not value.strip():
        raise ValueError("the secret is empty")
    return Secret(value)


def _text(argument: Any) -> str:
    if not isinstance(argument, str) or not argument:
        raise ValueError("the source takes a text")
    _refuse_missing(argument)
    return argument


def _command(argument: Any) -> tuple[str, ...]:
    if not (isinstance(argument, list) and argument and all(isinstance(part, str) for part in argument)):
        raise ValueError("`exec` takes a list of texts: the command and its arguments")
    for part in argument:
        _refuse_missing(part)
    return tuple(argument)


def _refuse_missing(text: str) -> None:
    if isinstance(text, Interpolated) and text.missing:
        raise text.missing


def _parts(text: str) -> tuple[str | Secret, ...]:
    _refuse_missing(text)
    return text.parts if isinstance(text, Interpolated) else (text,)


def _compiled(text: str) -> tuple[Part, ...]:
    parts = Template.parse(text).parts
    if any("{{" in part for part in parts if isinstance(part, str) and not isinstance(part, TemplatePlace)):
        raise ValueError("`{{` must be followed by a name and `}}`")
    return parts
