"""Reloads come one after the other, and whoever asks gets one that began after he asked."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.config.models import Settings
from proxy.config.problems import ConfigError, Problem
from proxy.metrics import Metrics
from proxy.reloading import Current, Reloading
from tests.clock import FakeClock

DOCUMENT = {
    "providers": {
        "a": {"base_url": "http://127.0.0.1:1", "auth": {"scheme": "static", "headers": {"A": {"env": "S"}}}}
    },
    "routes": {"/a": "a"},
}


@dataclass
class Disk:
    """Each reading takes the state of the moment at which it begins, and lasts until it is let go."""

    settings: Settings
    state: int = 0
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    error: Exception | None = None

    def read(self, running: Settings) -> Settings:
        read = replace(self.settings, source=Path(str(self.state)))
        self.began.release()
        assert self.may_end.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        return read


@dataclass
class House:
    disk: Disk
    reloading: Reloading
    taken: list[tuple[str, bool]]

    async def reading_began(self) -> None:
        assert await asyncio.to_thread(self.disk.began.acquire, timeout=10)


@pytest.fixture
def house(tmp_path: Path) -> House:
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps(DOCUMENT))
    settings = load(path, {"S": "CANARY-reloading"})
    disk, taken = Disk(settings), []

    def take(current: Current, by_person: bool) -> None:
        taken.append((str(current.settings.source), by_person))

    current = Current(settings, {})
    reloading = Reloading(lambda: current, disk.read, take, Metrics("1"), FakeClock(), seconds_between_looks=0.01)
    return House(disk, reloading, taken)


async def test_one_is_under_way_at_a_time_and_many_share_the_next_one(house: House) -> None:
    first = house.reloading.begin(by_person=True)
    await house.reading_began()
    house.disk.state = 1
    later = {house.reloading.begin(by_person=False) for _ in range(10)}
    assert len(later) == 1
    await asyncio.sleep(0)
    assert not house.disk.began.acquire(blocking=False), "two readings at once: the older one might be taken last"
    house.disk.may_end.release(2)
    await asyncio.wait({first, *later})
    assert house.taken == [("0", True), ("1", False)]


async def test_a_person_among_those_who_ask_counts_once(house: House) -> None:
    house.disk.may_end.release(2)
    house.reloading.begin(by_person=True)
    await house.reloading.begin(by_person=False)
    await house.reloading.begin(by_person=False)
    assert [by_person for _, by_person in house.taken] == [True, False]


async def test_it_goes_on_when_whoever_asked_has_left(house: House) -> None:
    asking = asyncio.create_task(house.reloading.reload())
    await house.reading_began()
    asking.cancel()
    house.disk.may_end.release(2)
    await house.reloading.begin(by_person=False)
    assert len(house.taken) == 2


async def test_what_was_read_as_the_proxy_ended_is_not_taken(house: House) -> None:
    task = house.reloading.begin(by_person=True)
    await house.reading_began()
    ending = asyncio.create_task(house.reloading.aclose())
    await ending
    house.disk.may_end.release()
    assert task.cancelled()
    assert house.taken == []


async def test_a_fault_of_ours_leaves_the_old_one_and_the_next_reload_possible(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.disk.error = RuntimeError("CANARY-in-an-exception")
    house.disk.may_end.release()
    with pytest.raises(RuntimeError):
        await house.reloading.reload()
    assert [record.getMessage() for record in caplog.records] == ["internal error"]
    house.disk.error = None
    house.disk.may_end.release()
    assert (await house.reloading.reload()).errors == ()


async def test_only_the_first_of_many_mistakes_is_logged_and_all_are_reported(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.disk.error = ConfigError([Problem("f", line, 1, "p", "is wrong") for line in (1, 2, 3)])
    house.disk.may_end.release()
    report = await house.reloading.reload()
    assert [error["line"] for error in report.errors] == [1, 2, 3]
    [line] = [record.getMessage() for record in caplog.records]
    assert line == (
        "configuration not reloaded, the old one stays: f:1:1: p: is wrong; and 2 more, which `authproxy reload` tells"
    )
    assert [str(problem) for problem in house.reloading.problems] == [f"f:{n}:1: p: is wrong" for n in (1, 2, 3)]


# --- What may pass by itself --------------------------------------------------------------------------------------------


def failing(*, may_pass: bool) -> ConfigError:
    return ConfigError([Problem("c.yaml", 1, 1, "providers.a", "the command failed")], may_pass=may_pass)


@pytest.mark.parametrize("by_person", [True, False])
async def test_a_secret_that_cannot_be_read_is_tried_again_until_it_can(house: House, by_person: bool) -> None:
    """For whoever asked first; and when it is there nothing more is tried."""
    house.disk.error = failing(may_pass=True)
    house.disk.may_end.release(4)
    report = await house.reloading.begin(by_person=by_person)
    assert report.errors != ()
    for _ in range(3):
        await house.reading_began()
    await house.reading_began()
    assert house.taken == []
    house.disk.error = None
    house.disk.may_end.release(2)
    await house.reading_began()
    async with asyncio.timeout(5):
        while not house.taken:
            await asyncio.sleep(0.005)
    assert house.taken == [("0", by_person)]
    assert house.reloading.problems == ()
    assert house.reloading._retry is None


async def test_a_mistake_is_not_tried_again(house: House) -> None:
    house.disk.error = failing(may_pass=False)
    house.disk.may_end.release()
    await house.reloading.reload()
    assert house.reloading._retry is None


async def test_the_pauses_between_tries_grow_to_a_minute(house: House) -> None:
    house.disk.error = failing(may_pass=True)
    pauses = []
    for _ in range(16):
        house.disk.may_end.release()
        await house.reloading.reload()
        assert house.reloading._retry is not None
        pauses.append(house.reloading._retry.when() - asyncio.get_running_loop().time())
        house.reloading._leave_retry()
    assert pauses[:3] == pytest.approx([0.01, 0.02, 0.04], abs=0.01)
    assert pauses[-2:] == pytest.approx([60, 60], abs=1)


async def test_what_is_to_be_tried_again_ends_with_the_proxy(house: House) -> None:
    house.disk.error = failing(may_pass=True)
    house.disk.may_end.release()
    await house.reloading.reload()
    await house.reloading.aclose()
    assert house.reloading._retry is None
