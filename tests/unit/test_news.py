"""What a status page is told, and that a slow one costs nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from proxy.admin.news import News
from proxy.admin.status import ProviderStatus, StatusSnapshot
from proxy.journal.journal import CLOSE_LOOKS, MOST_KEPT, Journal
from proxy.journal.pulse import Pulse
from tests.unit.test_journal import kept

WELL = StatusSnapshot((ProviderStatus("io", "ok", expires_in=30.0, generation=1),), in_flight=2)


class Page:
    def __init__(self, after: int = 0, pulse: Pulse | None = None) -> None:
        self.snapshot = WELL
        self.pulse = pulse or Pulse(Journal())
        self.news = News(lambda: self.snapshot, self.pulse, lambda: 1_700_000_000.0, after)

    def look(self) -> dict[str, Any]:
        return {name: json.loads(text) for name, text in self.news.look()}


def test_a_page_is_first_told_everything_even_if_that_is_nothing() -> None:
    told = Page().look()
    assert told["status"]["providers"][0]["name"] == "io"
    assert told["beats"] == {"beats": [], "in_flight": 2}
    assert told["requests"] == {"entries": [], "missed": 0}


def test_then_it_is_told_only_what_is_new() -> None:
    page = Page()
    kept(page.pulse.journal, 2)
    page.pulse.beat(5.0)
    first = page.look()
    assert [one["number"] for one in first["requests"]["entries"]] == [1, 2]
    assert [beat[0] for beat in first["beats"]["beats"]] == [5]
    assert page.look() == {}
    kept(page.pulse.journal)
    page.pulse.beat(6.0)
    second = page.look()
    assert [one["number"] for one in second["requests"]["entries"]] == [3]
    assert [beat[0] for beat in second["beats"]["beats"]] == [6]
    assert "status" not in second


def test_the_state_is_told_when_it_changes_and_not_because_time_passes() -> None:
    page = Page()
    page.look()
    page.snapshot = replace(WELL, providers=(replace(WELL.providers[0], expires_in=29.0),))
    assert page.look() == {}
    page.snapshot = replace(WELL, providers=(replace(WELL.providers[0], generation=2),))
    assert page.look()["status"]["providers"][0]["generation"] == 2
    page.snapshot = replace(page.snapshot, draining=True)
    assert page.look()["status"]["reason"] == "draining"


def test_the_state_is_told_again_now_and_then_so_that_no_countdown_strays() -> None:
    page = Page()
    page.look()
    told = [page.look() for _ in range(40)]
    assert len([one for one in told if "status" in one]) == 2


def test_a_page_that_comes_back_is_not_told_again_what_it_knows() -> None:
    page = Page(after=2)
    kept(page.pulse.journal, 3)
    assert [one["number"] for one in page.look()["requests"]["entries"]] == [3]


def test_a_slow_page_misses_requests_and_is_told_how_many() -> None:
    page = Page()
    page.look()
    kept(page.pulse.journal, 100_000)
    told = page.look()["requests"]
    assert len(told["entries"]) == CLOSE_LOOKS
    assert told["missed"] == 100_000 - CLOSE_LOOKS


def test_what_waits_for_pages_is_bounded_however_many_there_are() -> None:
    pulse = Pulse(Journal())
    pages = [Page(pulse=pulse) for _ in range(50)]
    for page in pages:
        page.look()
    kept(pulse.journal, 10 * MOST_KEPT)
    assert len(pulse.journal.since(0)[0]) == MOST_KEPT
