"""What is written to the log, and what never is."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from proxy.logs import Log, configure
from proxy.secret import Secret
from proxy.template import Template
from tests.logged import Told, log_request

CANARY = "CANARY-5d1e-in-a-log"
WALL = 1_700_000_000.25


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class BrokenPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("authproxy")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Log:
    return configure(stream, json=True, wall=lambda: WALL)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_json_line_with_these_keys(log: Log, stream: io.StringIO) -> None:
    log_request(log, Told(received=3, sent=4, credential="cached", retries=1, id="a1b2c3-7f"))
    assert lines(stream) == [
        {
            "time": "2023-11-14T22:13:20.250Z",
            "level": "info",
            "event": "request",
            "route": "/io",
            "provider": "io",
            "method": "GET",
            "status": 200,
            "duration_ms": 12.34,
            "upstream_ms": 11.1,
            "request_bytes": 3,
            "response_bytes": 4,
            "credential": "cached",
            "retries": 1,
            "error": None,
            "request_id": "a1b2c3-7f",
        }
    ]


def test_an_answer_of_our_own_tells_its_code_and_what_is_not_known_is_null(log: Log, stream: io.StringIO) -> None:
    log_request(log, Told(route=None, provider=None, status=404, upstream=None, error="no_route"))
    (line,) = lines(stream)
    assert (line["route"], line["provider"], line["upstream_ms"], line["error"]) == (None, None, None, "no_route")


def test_the_trace_of_a_request_is_named_if_there_is_one(log: Log, stream: io.StringIO) -> None:
    log_request(log, Told(trace_id="0af7651916cd43dd8448eb211c80319c"))
    log_request(log, Told())
    first, second = lines(stream)
    assert first["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace_id" not in second


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("upstream_dns", "authproxy test io"),
        ("credential_rejected", "authproxy test io"),
        ("method_not_allowed", "authproxy explain GET /io/..."),
        ("no_route", "authproxy routes"),
        ("bad_header", None),
        (None, None),
    ],
)
def test_a_request_that_failed_names_the_command_that_says_more(
    error: str | None, command: str | None, log: Log, stream: io.StringIO
) -> None:
    log_request(log, Told(error=error))
    assert lines(stream)[0].get("next") == command
    text = io.StringIO()
    log_request(configure(text, json=False), Told(error=error))
    assert (f"(next: {command})" in text.getvalue()) == (command is not None)


def test_in_text_a_request_that_failed_has_its_id(stream: io.StringIO) -> None:
    log = configure(stream, json=False)
    log_request(log, Told(id="a1b2c3-7f"))
    assert "a1b2c3-7f" not in stream.getvalue()
    log_request(log, Told(id="a1b2c3-7f", status=404, error="no_route"))
    assert stream.getvalue().endswith("no_route a1b2c3-7f (next: authproxy routes)\n")


def test_a_named_client_is_named(log: Log, stream: io.StringIO) -> None:
    log_request(log, Told(client="billing"))
    assert lines(stream)[0]["client"] == "billing"


@pytest.mark.parametrize("forged", ['GET"}\n{"event":"forged', "\x1b[2J", "\x00\x7f\u2028\u009b", "caf\xe9"])
@pytest.mark.parametrize("as_json", [True, False])
def test_no_caller_can_forge_a_line_or_move_the_cursor(forged: str, as_json: bool, stream: io.StringIO) -> None:
    log = configure(stream, json=as_json)
    log_request(log, Told(method=forged, route=forged))
    logging.getLogger("authproxy.test").warning("about %s", forged)
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert re.fullmatch(r"[\x20-\x7e\n]*", text)


def test_a_terminal_gets_a_compact_coloured_line() -> None:
    terminal = Terminal()
    log_request(configure(terminal, json=False, wall=lambda: WALL), Told(credential="fetched", retries=1))
    assert terminal.getvalue() == (
        "22:13:20.250 \x1b[32m200\x1b[0m GET     /io -> io                    12.3 ms (upstream 11.1)  fetched retries 1\n"
    )


def test_text_that_goes_to_a_file_has_no_colours(stream: io.StringIO) -> None:
    log = configure(stream, json=False, wall=lambda: WALL)
    log_request(log, Told(status=502, error="upstream_dns"))
    logging.getLogger("authproxy.test").error("it failed")
    assert "\x1b" not in stream.getvalue()
    assert "502" in stream.getvalue()
    assert "upstream_dns" in stream.getvalue()


def test_a_message_of_ours_is_a_line_with_its_fields(log: Log, stream: io.StringIO) -> None:
    logging.getLogger("authproxy.tokens").warning(
        "login of %s failed", "io", extra={"provider": "io", "status": 503, "next_attempt": 1.5}
    )
    (line,) = lines(stream)
    assert line["event"] == "login of io failed"
    assert line["level"] == "warning"
    assert (line["logger"], line["provider"], line["status"]) == ("authproxy.tokens", "io", 503)


def test_no_text_of_an_exception_is_written_only_its_kind_and_our_line(log: Log, stream: io.StringIO) -> None:
    """An exception's text may hold whole headers."""
    with pytest.raises(ValueError, match=CANARY.upper()) as caught:
        configure(stream, json=True, level=f"unknown {CANARY}")
    error = caught.value
    logger = logging.getLogger("authproxy.gateway")
    logger.error("internal error", exc_info=error)
    logger.error("it was %s", error)
    logger.error("and %s by name", {"error": error})
    logger.error(error)
    logger.error("last", extra={"error_value": error, "raw": CANARY.encode(), "secret": Secret(CANARY, "env:X")})
    assert CANARY.lower() not in stream.getvalue().lower()
    first = lines(stream)[0]
    assert first["error"] == "ValueError"
    assert re.fullmatch(r"proxy/logs\.py:\d+", str(first["at"]))
    assert lines(stream)[1]["event"] == "it was ValueError"
    assert lines(stream)[4]["secret"] == "<secret env:X>"


def test_the_line_named_is_the_innermost_of_ours(log: Log, stream: io.StringIO) -> None:
    with pytest.raises(KeyError) as caught:
        Template.parse("{{missing}}").render({})
    ours = [entry for entry in caught.traceback if str(entry.path).endswith("template.py")]
    assert len(ours) > 1
    logging.getLogger("authproxy.gateway").error("internal error", exc_info=caught.value)
    assert lines(stream)[0]["at"] == f"proxy/template.py:{ours[-1].lineno + 1}"


def test_what_other_libraries_say_is_only_located(log: Log, stream: io.StringIO) -> None:
    """asyncio and aiohttp put exceptions, transports and pieces of what came over the wire into their messages."""
    logging.getLogger("asyncio").error("Exception in callback f(b'%s')", CANARY, exc_info=ValueError(CANARY))
    logging.getLogger("aiohttp.server").error(f"bad line {CANARY}")
    logging.getLogger("somebody").info("chatter")
    assert CANARY not in stream.getvalue()
    first, second = lines(stream)
    assert re.fullmatch(r"message of asyncio at test_logs\.py:\d+", str(first["event"]))
    assert (first["error"], first["at"]) == ("ValueError", None)
    assert second["logger"] == "aiohttp.server"


def test_arguments_that_do_not_fit_cost_no_request(log: Log, stream: io.StringIO) -> None:
    log.handle(logging.LogRecord("authproxy.test", logging.WARNING, __file__, 1, "%s and %s", ("one",), None))
    assert lines(stream)[0]["event"] == "%s and %s"


def test_a_reader_that_went_away_stops_nobody() -> None:
    log = configure(BrokenPipe(), json=True)
    log_request(log, Told())
    closed = io.StringIO()
    closed.close()
    log_request(configure(closed, json=True), Told())


def test_the_level_holds_for_our_loggers_and_for_requests(stream: io.StringIO) -> None:
    log = configure(stream, json=True, level="warning")
    log_request(log, Told())
    logging.getLogger("authproxy.test").info("no")
    logging.getLogger("authproxy.test").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]
    configure(stream, json=True, level="debug")
    logging.getLogger("authproxy.test").debug("now")
    assert lines(stream)[-1]["event"] == "now"


def test_configuring_again_takes_the_place_of_what_was(log: Log, stream: io.StringIO) -> None:
    other = io.StringIO()
    configure(other, json=True)
    logging.getLogger("authproxy.test").warning("once")
    assert stream.getvalue() == ""
    assert len(lines(other)) == 1
