"""Every case of `cases/` against the command as a process, in every cut; and against a proxy that has no guard at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.abuse.case import cases
from tests.abuse.contenders import CONTENDERS, given
from tests.abuse.scorecard import scored
from tests.abuse.wire import CUTS, Answer, answers

# What a proxy without any guard does not stand.
TELLING = (
    "A1 rebound name",
    "A5",
    "B16 dot segments: '%2e%2e'",
    "B21",
    "C24",
    "D35 answers that break off",
    "F45 no colon",
)


async def test_no_hostile_request_gets_through_and_nothing_secret_gets_out() -> None:
    """Whole, octet by octet, and cut at line ends; after each an ordinary request gets its own answer."""
    card = await scored("authproxy", CONTENDERS["authproxy"], cases())
    assert (card.unsafe, card.inexact) == ({}, {})
    assert {verdict.cut for verdict in card.verdicts} == set(CUTS)
    assert {verdict.case for verdict in card.verdicts} > {case.name for case in cases()}


async def test_the_cases_are_worth_something() -> None:
    """They find the faults of a proxy that is written as one would at first, or they would find none of ours."""
    wanted = [case for case in cases() if case.name.startswith(TELLING)]
    card = await scored("naive", CONTENDERS["naive aiohttp"], wanted)
    for beginning in TELLING:
        assert any(name.startswith(beginning) for name in card.unsafe | card.inexact), beginning
    assert any("the answer repeats what was sent" in reasons for reasons in card.unsafe.values())


async def test_any_command_line_can_be_tried(tmp_path: Path) -> None:
    program = tmp_path / "closed.py"
    program.write_text(
        "import socket, sys\n"
        "listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: listening.accept()[0].close()\n"
    )
    wanted = [case for case in cases() if case.name.startswith("A1 rebound name")]
    card = await scored("closed", given(f"python3 {program} {{port}}"), wanted)
    assert card.inexact.keys() >= {"A1 rebound name"}
    assert "| A browsers and callers | 2 | 0 | 0 |" in card.table()  # It serves nobody, whom it ought to serve either.


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_loses_nothing(cut: str) -> None:
    octets = bytes(range(256)) * 9 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert b"".join(CUTS[cut](octets)) == octets


@pytest.mark.parametrize(
    ("octets", "is_over", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", True, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", True, False),
        (b"HTTP/1.1 200 OK\r\n\r\nok", True, True),
        (b"HTTP/1.1 200 OK\r\n\r\nok", False, False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", False, True),
        (b"nonsense", True, False),
    ],
)
def test_an_answer_that_is_cut_off_is_not_whole(octets: bytes, is_over: bool, whole: bool) -> None:
    found: list[Answer] = list(answers(octets, "GET", is_over=is_over))
    assert [answer.is_whole for answer in found] == [whole]
