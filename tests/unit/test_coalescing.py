"""The kernel is asked to wait for more only while more keeps coming, never for long, and never for more than comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from proxy.wire.coalescing import ENOUGH, MOMENT, Coalescing

MEBIBYTE = 1024 * 1024
SMALL = 16 * 1024
BULK = 16 * 1024


class Timers(asyncio.AbstractEventLoop):
    """An event loop of nothing but timers, whose time a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set: list[asyncio.TimerHandle] = []

    def get_debug(self) -> bool:
        return False

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        self.set.append(asyncio.TimerHandle(self.now + delay, callback, args, self))
        return self.set[-1]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if handle in self.set:
            self.set.remove(handle)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for due in [handle for handle in self.set if handle.when() <= self.now]:
            self.set.remove(due)
            due._run()


class Transport(asyncio.Transport):
    """One that knows what its kernel was told to wait for."""

    def __init__(self, refusal: Exception | None = None) -> None:
        super().__init__()
        self.waits_for = 1
        self.is_gone = False
        self.refusal = refusal

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "socket" else default

    def is_closing(self) -> bool:
        return self.is_gone

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        assert not self.is_gone
        if self.refusal is not None:
            raise self.refusal
        self.waits_for = value


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def coalescing(timers: Timers, transport: Transport) -> Coalescing:
    return Coalescing(timers, transport)


def test_after_a_small_read_the_kernel_waits_for_more(coalescing: Coalescing, transport: Transport) -> None:
    coalescing.has_read(SMALL, MEBIBYTE)
    assert transport.waits_for == ENOUGH


def test_a_large_read_changes_nothing(coalescing: Coalescing, transport: Transport, timers: Timers) -> None:
    coalescing.has_read(ENOUGH, MEBIBYTE)
    assert (transport.waits_for, timers.set) == (1, [])


def test_it_waits_on_while_there_is_enough_in_every_moment(
    coalescing: Coalescing, transport: Transport, timers: Timers
) -> None:
    coalescing.has_read(SMALL, MEBIBYTE)
    for _ in range(10):
        coalescing.has_read(ENOUGH, MEBIBYTE)
        timers.pass_by(MOMENT)
    assert transport.waits_for == ENOUGH
    assert len(timers.set) == 1


def test_what_has_come_is_kept_back_for_two_moments_at_the_most(
    coalescing: Coalescing, transport: Transport, timers: Timers
) -> None:
    coalescing.has_read(SMALL, MEBIBYTE)
    timers.pass_by(MOMENT / 2)
    coalescing.has_read(SMALL, MEBIBYTE)
    for _ in range(2):
        timers.pass_by(MOMENT)
    assert (transport.waits_for, timers.set) == (1, [])


def test_it_begins_anew_with_the_next_small_read(coalescing: Coalescing, transport: Transport, timers: Timers) -> None:
    for _ in range(3):
        coalescing.has_read(SMALL, MEBIBYTE)
        timers.pass_by(MOMENT)
        assert transport.waits_for == 1
    coalescing.has_read(SMALL, MEBIBYTE)
    assert transport.waits_for == ENOUGH


@pytest.mark.parametrize("left", [0, 1, ENOUGH - 1, ENOUGH, ENOUGH + 16 * 1024])
def test_it_never_waits_for_more_than_comes_even_if_tls_has_a_part_of_that(
    coalescing: Coalescing, transport: Transport, timers: Timers, left: int
) -> None:
    coalescing.has_read(SMALL, left)
    assert transport.waits_for == 1
    coalescing.has_read(SMALL, MEBIBYTE)
    coalescing.has_read(ENOUGH, left)
    assert (transport.waits_for, timers.set) == (1, [])


def test_a_body_of_unknown_length_has_to_be_long_and_to_come_in_bulk(
    coalescing: Coalescing, transport: Transport, timers: Timers
) -> None:
    """A row of events, however long it has been, is told of one by one."""
    for _ in range(2 * MEBIBYTE // BULK):
        coalescing.has_read(BULK, None)
        assert transport.waits_for == 1
    coalescing.has_read(BULK, None)
    assert transport.waits_for == ENOUGH
    timers.pass_by(MOMENT)
    timers.pass_by(MOMENT)
    coalescing.has_read(BULK - 1, None)
    assert transport.waits_for == 1


def test_at_the_end_the_next_message_is_told_of_at_once(
    coalescing: Coalescing, transport: Transport, timers: Timers
) -> None:
    coalescing.has_read(SMALL, MEBIBYTE)
    coalescing.end()
    coalescing.end()
    assert (transport.waits_for, timers.set) == (1, [])


def test_of_a_connection_that_has_ended_nothing_is_asked(
    coalescing: Coalescing, transport: Transport, timers: Timers
) -> None:
    coalescing.has_read(SMALL, MEBIBYTE)
    transport.is_gone = True
    coalescing.end()
    assert timers.set == []


def test_a_system_that_does_not_know_of_it_is_no_error(timers: Timers) -> None:
    coalescing = Coalescing(timers, Transport(refusal=OSError("Protocol not available")))
    coalescing.has_read(SMALL, MEBIBYTE)
    coalescing.end()
