"""A log that nobody reads stops nobody, and says what it lacks."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import TextIO

import pytest

from proxy.logs import Log
from proxy.logstream import MOST_LINES, log_stream
from tests.logged import Told, log_request

RECORD = Told()


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Both ends: a descriptor to read from, and a stream as standard error is one."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def a_log(stream: TextIO) -> Log:
    return Log(stream, json=True, wall=lambda: 1_700_000_000.0)


def everything(reader: int, log: Log, stream: TextIO, more: int = 0) -> list[dict[str, object]]:
    """All lines, read while so many more are logged one by one, and the log is brought to its end."""
    pieces: list[bytes] = []

    def read() -> None:
        pieces.extend(iter(lambda: os.read(reader, 65536), b""))

    thread = Thread(target=read)
    thread.start()
    log.flush()
    for _ in range(more):
        log_request(log, RECORD)
        log.flush()
    log.close()
    stream.close()
    thread.join(10)
    return [json.loads(line) for line in b"".join(pieces).splitlines()]


def test_lines_come_in_order(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = a_log(stream)
    for number in range(100):
        log_request(log, RECORD._replace(status=number))
    assert [line["status"] for line in everything(reader, log, stream)] == list(range(100))
    assert log.dropped == 0


def test_a_flush_does_not_wait_longer_than_it_takes(pipe: tuple[int, TextIO]) -> None:
    _, writer = pipe
    stream = log_stream(writer, b"%d".__mod__)
    stream.write([b"one\n"])
    assert stream.flush()
    stream.close()


def test_a_flush_has_written_all_that_was_logged_before(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = a_log(stream)
    log_request(log, RECORD)
    log.flush()
    assert os.read(reader, 65536).endswith(b"}\n")
    log.close()


def test_a_pipe_that_nobody_reads_blocks_nobody_and_fills_no_memory(pipe: tuple[int, TextIO]) -> None:
    """Three queues full; the bound holds, and every line is either read later or counted as dropped."""
    reader, stream = pipe
    log = a_log(stream)
    sent = 3 * MOST_LINES
    for _ in range(sent):
        log_request(log, RECORD)
    assert log.dropped >= MOST_LINES - 1000  # The queue, what the thread took out of it, and what the pipe holds.
    log.flush()  # Returns, although nothing can be written.
    lines = everything(reader, log, stream)
    read = [line for line in lines if line["event"] == "request"]
    assert len(read) + log.dropped == sent


def test_the_log_tells_how_many_lines_it_lacks(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = a_log(stream)
    for _ in range(3 * MOST_LINES):
        log_request(log, RECORD)
    dropped = log.dropped
    lines = everything(reader, log, stream, more=5)
    told = [line for line in lines if line["event"] != "request"]
    assert sum(int(str(line["lines"])) for line in told) == dropped
    assert told[0]["level"] == "warning"
    assert f"{told[0]['lines']} lines of the log were lost here" in str(told[0]["event"])


def test_a_stream_that_is_set_to_not_block_loses_nothing(pipe: tuple[int, TextIO]) -> None:
    """Some parents hand such a one down; a write then fails where it would have waited."""
    reader, stream = pipe
    os.set_blocking(stream.fileno(), False)
    log = a_log(stream)
    for _ in range(5000):
        log_request(log, RECORD)
    assert len(everything(reader, log, stream)) == 5000
    assert log.dropped == 0


def test_what_a_reader_who_left_does_not_get_is_counted(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = a_log(stream)
    other, writer = os.pipe()
    os.dup2(other, reader)  # Closes the only reading end of the log's pipe.
    log_request(log, RECORD)
    log.flush()
    assert log.dropped == 1
    log.close()
    os.close(other)
    os.close(writer)


def test_a_stream_that_others_close_does_not_make_the_log_write_elsewhere(tmp_path: Path) -> None:
    """The number of a closed descriptor is soon another file's, or a vendor's connection's."""
    stream = (tmp_path / "log").open("w")
    number = stream.fileno()
    log = a_log(stream)
    stream.close()
    with (tmp_path / "other").open("w") as other:
        assert other.fileno() == number
        log_request(log, RECORD)
        log.flush()
    assert (tmp_path / "other").read_text() == ""
    assert (tmp_path / "log").read_text().endswith("}\n")
    log.close()


def test_a_stream_in_memory_has_its_lines_at_once() -> None:
    stream = io.StringIO()
    log = a_log(stream)
    log_request(log, RECORD)
    assert stream.getvalue().endswith("}\n")
    stream.close()
    log_request(log, RECORD)
    assert log.dropped == 1


def test_what_could_not_be_told_of_lost_lines_is_told_later(tmp_path: Path) -> None:
    """To say how many are missing can fail like any other line, and is none of the lines that are missing."""
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with path.open("w") as stream:
        log = a_log(stream)
        os.close(reader)
        for _ in range(3):
            log_request(log, RECORD)
            log.flush()
        assert log.dropped == 3
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        log_request(log, RECORD)
        log.flush()
        lines = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
        log.close()
    os.close(reader)
    assert [line.get("lines") for line in lines] == [None, 3]
