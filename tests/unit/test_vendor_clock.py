"""The vendor's time, learned from the Date of its answers."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from proxy.vendor_clock import LARGEST_SKEW, SAMPLES, SECONDS_BETWEEN_LOOKS, VendorClock
from tests.clock import FakeClock

HOUR = 3600.0


def answer(vendor: VendorClock, clock: FakeClock, skew: float, *, took: float = 0.2, **fields: str) -> None:
    """One answer of a vendor whose clock is ahead by `skew`, dated half-way and read at the end."""
    clock.advance(took / 2)
    date = formatdate(clock.wall() + skew, usegmt=True)
    clock.advance(took / 2)
    vendor.heard(
        [(b"Server", b"x"), (b"dAtE", date.encode()), *((k.encode(), v.encode()) for k, v in fields.items())], took
    )


def clocks(fraction: float = 0.0) -> tuple[FakeClock, VendorClock, list[float]]:
    clock, told = FakeClock(1_700_000_000 + fraction), list[float]()
    return clock, VendorClock(clock, told.append), told


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("skew", [-80_000.0, -HOUR, -120.0, -4.0, 4.0, 30.0, HOUR, 80_000.0])
def test_one_answer_tells_a_skew_to_the_second(skew: float, fraction: float) -> None:
    clock, vendor, told = clocks(fraction)
    answer(vendor, clock, skew)
    assert vendor.skew == pytest.approx(skew, abs=0.7)
    assert vendor.wall() == pytest.approx(clock.wall() + skew, abs=0.7)
    assert vendor.now() == clock.now()
    assert (told, vendor.version) == ([vendor.skew], 1)


@pytest.mark.parametrize("skew", [-1.0, -0.4, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("took", [0.0, 0.2, 5.0])
def test_what_resolution_and_latency_explain_is_no_skew(skew: float, took: float) -> None:
    clock, vendor, told = clocks()
    for _ in range(50):
        answer(vendor, clock, skew, took=took)
        clock.advance(10.37)
    assert (vendor.skew, told) == (0.0, [])


def test_a_steady_skew_is_applied_once_and_does_not_tremble() -> None:
    clock, vendor, told = clocks()
    for number in range(100):
        answer(vendor, clock, 90.0, took=0.05 + number % 7 / 10)
        clock.advance(10.37)
    assert len(told) == 1


def test_one_machine_with_a_wrong_clock_does_not_count() -> None:
    clock, vendor, told = clocks()
    for number in range(100):
        answer(vendor, clock, 600.0 if number % 5 == 1 else 0.0)
        clock.advance(11)
    assert told == []


def test_a_vendor_who_lies_by_more_than_a_day_is_ignored() -> None:
    clock, vendor, told = clocks()
    for skew in (LARGEST_SKEW + 10, -LARGEST_SKEW - 10, 1e9, -1.6e9):
        answer(vendor, clock, skew)
    assert told == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"Date", b"")],
        [(b"Date", b"yesterday")],
        [(b"Date", b"Tue, 99 Nov 2023 22:13:20 GMT")],
        [(b"Date", b"Tue, 14 Nov 2023 23:13:20 GMT"), (b"Age", b"30")],
        [(b"Age", b"30"), (b"Date", b"Tue, 14 Nov 2023 23:13:20 GMT")],
        [(b"Date", b"\xff\x00")],
    ],
)
def test_an_answer_that_says_nothing_of_the_time_changes_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    """A cache's answer carries the date of long ago."""
    _, vendor, told = clocks()
    vendor.heard(headers, 0.1)
    assert told == []


def test_an_answer_that_took_long_says_nothing() -> None:
    clock, vendor, told = clocks()
    answer(vendor, clock, 100.0, took=30)
    assert told == []


def test_when_the_skew_ends_so_does_its_correction() -> None:
    clock, vendor, told = clocks()
    for skew in (300.0,) * SAMPLES + (0.0,) * SAMPLES:
        answer(vendor, clock, skew)
        clock.advance(11)
    assert vendor.skew == 0
    assert told[-1] == 0


def test_setting_our_own_clock_voids_what_was_learned_of_its_error() -> None:
    clock, vendor, _ = clocks()
    for _ in range(SAMPLES):
        answer(vendor, clock, 300.0)
    clock.jump(300)
    answer(vendor, clock, 0.0)
    assert vendor.skew == 0


def test_once_settled_few_answers_are_looked_at() -> None:
    clock, vendor, told = clocks()
    for _ in range(SAMPLES):
        answer(vendor, clock, 0.0)
    for _ in range(40):
        answer(vendor, clock, 600.0, took=0.1)
    assert told == []


def test_until_it_is_settled_every_answer_is_asked_for_and_then_one_a_second() -> None:
    clock, vendor, _ = clocks()
    for _ in range(SAMPLES):
        assert vendor.listens_from <= clock.now()
        answer(vendor, clock, 0.0)
    answer(vendor, clock, 0.0)
    assert vendor.listens_from == clock.now() + SECONDS_BETWEEN_LOOKS


def test_answers_that_say_nothing_are_asked_for_once_a_second() -> None:
    clock, vendor, _ = clocks()
    vendor.heard([], 0.1)
    assert vendor.listens_from == clock.now() + SECONDS_BETWEEN_LOOKS


def test_to_whom_listens_when_it_wants_a_set_clock_is_known_after_a_second() -> None:
    clock, vendor, _ = clocks()
    for _ in range(SAMPLES + 1):
        answer(vendor, clock, 300.0)
    clock.jump(300)
    clock.advance(SECONDS_BETWEEN_LOOKS)
    assert vendor.listens_from <= clock.now()
    answer(vendor, clock, 0.0)
    assert vendor.skew == 0
