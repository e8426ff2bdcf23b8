"""What is written down: a line for each request, and what the rooms have to tell.

One JSON object a line for machines, one aligned line for a person at a terminal. Never a query, a token, a
body or a header, and never the text of an exception or of another library: these may carry any of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import TextIO

from proxy import loglines
from proxy.loglines import Field, RequestKind, RequestLine
from proxy.logstream import log_stream
from proxy.secret import Secret

__all__ = ["Log", "RequestKind", "configure"]

_PACKAGE = Path(__file__).resolve().parent
_OURS = "authproxy"
# What a LogRecord has of itself; everything else came by `extra` and is a field of the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Log(logging.Handler):
    """Writes lines to one stream, without ever waiting for its reader."""

    def __init__(self, stream: TextIO, *, json: bool, wall: Callable[[], float]) -> None:
        super().__init__()
        self._wall = wall
        # How lines of one kind of request are made: to be asked once for each kind.
        self.request_line: Callable[[RequestKind], RequestLine]
        if json:
            self.request_line, self._event_line = loglines.request_json, loglines.event_json
        elif stream.isatty():
            self.request_line, self._event_line = loglines.request_coloured, loglines.event_coloured
        else:
            self.request_line, self._event_line = loglines.request_text, loglines.event_text
        self.wants_requests = True
        self._stream = log_stream(stream, self._lost)

    @property
    def dropped(self) -> int:
        """How many lines were not written, because nobody read them."""
        return self._stream.dropped

    def stamp(self) -> str:
        """This moment, as lines have it."""
        return loglines.timestamp(self._wall())

    def write_requests(self, lines: Sequence[bytes]) -> None:
        """Write lines down that were made by `request_line`. Cheap, and never raises."""
        self._stream.write(lines)

    def emit(self, record: logging.LogRecord) -> None:
        fields = _fields_of(record)
        self._stream.write((self._event_line(loglines.timestamp(record.created), record.levelname.lower(), fields),))

    def flush(self) -> None:
        """Wait until what was logged is written; for a second at the most, if nobody reads it."""
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _lost(self, count: int) -> bytes:
        fields: dict[str, Field] = {
            "event": f"{count} lines of the log were lost here: they came faster than they were read",
            "logger": f"{_OURS}.log",
            "lines": count,
        }
        return self._event_line(self.stamp(), "warning", fields)


def configure(stream: TextIO, *, json: bool, level: str = "info", wall: Callable[[], float] = time.time) -> Log:
    """Send everything that is logged in this process to `stream`, and nothing of it anywhere else.

    `level` holds for our own loggers and for requests, which are `info`; others are heard from `warning` up.
    Called again, it takes the place of what was there. Raises ValueError for an unknown level.
    """
    log = Log(stream, json=json, wall=wall)
    root, ours = logging.getLogger(), logging.getLogger(_OURS)
    ours.setLevel(level.upper())
    log.wants_requests = ours.isEnabledFor(logging.INFO)
    for handler in [handler for handler in root.handlers if isinstance(handler, Log)]:
        handler.flush()
        handler.close()
        root.removeHandler(handler)
    root.addHandler(log)
    root.setLevel(logging.WARNING)
    return log


def _fields_of(record: logging.LogRecord) -> dict[str, Field]:
    """What a line says: the message of our own loggers and what came by `extra`; of others, only where it arose."""
    if record.name == _OURS or record.name.startswith(f"{_OURS}."):
        fields: dict[str, Field] = {"event": _message(record), "logger": record.name}
        fields |= {name: _harmless(value) for name, value in vars(record).items() if name not in _STANDARD}
    else:
        fields = {"event": f"message of {record.name} at {record.filename}:{record.lineno}", "logger": record.name}
    if record.exc_info and record.exc_info[1] is not None:
        fields |= {"error": type(record.exc_info[1]).__name__, "at": _own_frame(record.exc_info[1])}
    return fields


def _message(record: logging.LogRecord) -> str:
    text, given = str(_harmless(record.msg)), record.args
    if not given:
        return text
    try:
        if isinstance(given, tuple):
            return text % tuple(map(_harmless, given))
        return text % {name: _harmless(value) for name, value in given.items()}
    except (TypeError, ValueError, KeyError):
        return text  # Arguments that do not fit are a mistake of ours, but no reason to fail a request.


def _harmless(value: object) -> Field:
    """A value whose text was chosen by us; of anything else only its kind."""
    if value is None or isinstance(value, str | int | float):
        return value
    return repr(value) if isinstance(value, Secret) else type(value).__name__


def _own_frame(error: BaseException) -> str | None:
    """File and line of the innermost frame that is code of this package."""
    for frame in reversed(extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            return f"{path.relative_to(_PACKAGE.parent)}:{frame.lineno}"
    return None
