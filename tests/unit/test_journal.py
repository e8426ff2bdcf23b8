"""What is kept of requests: the last few, bounded, and nothing that may not be shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import CredentialUnavailable, NoRoute, ProxyError, UpstreamUnreachable
from proxy.journal.entry import entry, times
from proxy.journal.journal import CLOSE_LOOKS, Journal
from proxy.journal.masking import shown_target
from proxy.journal.pulse import MOST_PROVIDERS, SECONDS_KEPT, Pulse
from proxy.journal.record import Record

USUAL: dict[str, Any] = {
    "id": "a1b2c3-7",
    "started": 10.0,
    "begun": 0.0,
    "authorized": 10.001,
    "sent": 10.003,
    "answered": 10.013,
    "ended": 10.014,
    "route": "/io",
    "provider": "io",
    "method": "GET",
    "target": "/io/v1/accounts?limit=3",
    "status": 200,
    "request_bytes": 0,
    "response_bytes": 7,
    "credential": "cached",
    "repeats": 0,
    "error": None,
    "client": None,
    "removed": None,
}


def record(number: int = 1, **changed: object) -> Record:
    return Record(number=number, **{**USUAL, **changed})


def kept(journal: Journal, count: int = 1, **changed: object) -> None:
    for _ in range(count):
        journal.keep(tuple(record(next(journal.numbers), **changed)))


class TestJournal:
    def test_the_last_requests_are_kept_and_no_more(self) -> None:
        journal = Journal(most=4)
        kept(journal, 1000)
        found, missed = journal.look(0, 100)
        assert [one.number for one in found] == [997, 998, 999, 1000]
        assert missed == 996

    def test_who_looks_gets_what_is_new_the_older_first(self) -> None:
        journal = Journal()
        kept(journal, 3)
        assert [one.number for one in journal.look(0, 10)[0]] == [1, 2, 3]
        kept(journal, 2)
        assert [one.number for one in journal.look(3, 10)[0]] == [4, 5]
        assert journal.look(5, 10) == ([], 0)

    def test_who_wants_few_gets_the_newest_and_is_told_how_many_he_missed(self) -> None:
        journal = Journal()
        kept(journal, 30)
        found, missed = journal.look(10, 5)
        assert ([one.number for one in found], missed) == ([26, 27, 28, 29, 30], 15)

    def test_requests_are_worth_a_closer_look_only_for_a_while_after_somebody_looked(self) -> None:
        journal = Journal()
        assert journal.attention == 0
        journal.look(0, 1)
        assert journal.attention == CLOSE_LOOKS


class TestPulse:
    def test_a_second_tells_how_many_passed_and_how_many_did_not(self) -> None:
        pulse = Pulse(Journal())
        kept(pulse.journal, 3)
        kept(pulse.journal, 2, status=404, provider=None)
        kept(pulse.journal, status=503, provider="one45")
        pulse.beat(1000.9)
        pulse.beat(1001.9)
        first, second = pulse.beats
        assert first[:4] == (1000, 3, 2, 1)
        assert first.providers == {"io": (3, 0), "one45": (1, 1)}
        assert second == (1001, 0, 0, 0, None, None, {})

    def test_its_times_are_those_of_requests_and_not_of_tunnels(self) -> None:
        pulse = Pulse(Journal())
        for milliseconds in range(1, 21):
            kept(pulse.journal, ended=10.0 + milliseconds / 1000)
        kept(pulse.journal, ended=5000.0, status=101)
        pulse.beat(1000.0)
        assert pulse.beats[0].median == pytest.approx(0.011)
        assert pulse.beats[0].slow == pytest.approx(0.020)

    def test_of_more_than_the_journal_keeps_the_number_is_exact_and_the_rest_a_share(self) -> None:
        pulse = Pulse(Journal(most=10))
        kept(pulse.journal, 90)
        for _ in range(5):
            kept(pulse.journal)
            kept(pulse.journal, status=500)
        pulse.beat(1000.0)
        beat = pulse.beats[0]
        assert beat.passed + beat.refused + beat.failed == 100
        assert (beat.failed, beat.providers) == (50, {"io": (100, 50)})

    def test_seconds_and_providers_are_bounded(self) -> None:
        pulse = Pulse(Journal())
        for number in range(100):
            kept(pulse.journal, provider=f"p{number}")
        for second in range(SECONDS_KEPT + 5):
            pulse.beat(1000.0 + second)
            kept(pulse.journal)
        assert len(pulse.beats) == SECONDS_KEPT
        many = Pulse(pulse.journal)
        many.beat(1.0)
        assert len(many.beats[0].providers) == MOST_PROVIDERS

    def test_what_is_new_is_what_came_later(self) -> None:
        pulse = Pulse(Journal())
        for second in range(5):
            pulse.beat(1000.0 + second)
        assert [beat.at for beat in pulse.since(1002)] == [1003, 1004]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/io/v1/accounts", "/io/v1/accounts"),
        ("/io?limit=3&cursor=abc", "/io?limit=***&cursor=***"),
        ("/io?", "/io?"),
        ("/io?flag&a=b=c&=d", "/io?flag&a=***&=***"),
        ("/io?q=a?b=c", "/io?q=***"),
        ("/u/9c1f7f7e-1d0c-4d43-9a57-0e6f8d2b6b51/x", "/u/9c1f7f7e-1d0c-4d43-9a57-0e6f8d2b6b51/x"),
        ("/u/507f1f77bcf86cd799439011", "/u/507f1f77bcf86cd799439011"),
        ("/a-rather-long-name-of-a-resource-in-words", "/a-rather-long-name-of-a-resource-in-words"),
        ("/services/T0001/B0001/XyZ1abc2DEF3ghi4JKL5mno6", "/services/T0001/B0001/***"),
        ("/bot12345678:AAF_xYz-0123456789abcdefghijk/send", "/bot12345678:AAF_xYz-0123456789abcdefghijk/send".replace("bot12345678:AAF_xYz-0123456789abcdefghijk", "***")),
        ("/k/0123456789abcdef0123456789abcdef0123456789abcdef", "/k/***"),
        ("/x?Sk1Live0aBcDeFgHiJkLmN0", "/x?***"),
        ("/x?Sk1Live0aBcDeFgHiJkLmN0=1", "/x?***=***"),
        ("/" + "a" * 500, "/" + "a" * 399 + "…"),
    ],
)  # fmt: skip
def test_of_a_target_the_path_is_shown_and_neither_values_nor_what_looks_like_a_key(target: str, shown: str) -> None:
    assert shown_target(target) == shown


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {"authorize": 1, "connect": 2, "wait": 10, "relay": 1, "total": 14}),
        ({"begun": 10.0005}, {"before": 0.5, "authorize": 0.5, "connect": 2, "wait": 10, "relay": 1, "total": 14}),
        ({"authorized": 0, "sent": 0, "answered": 0, "error": NoRoute}, {"before": 14, "total": 14}),
        ({"authorized": 0, "sent": 0, "answered": 0, "error": CredentialUnavailable}, {"authorize": 14, "total": 14}),
        ({"authorized": 0, "sent": 0, "answered": 0, "status": 499}, {"authorize": 14, "total": 14}),
        ({"sent": 0, "answered": 0, "error": UpstreamUnreachable}, {"authorize": 1, "connect": 13, "total": 14}),
        ({"answered": 0, "error": ProxyError}, {"authorize": 1, "connect": 2, "wait": 11, "total": 14}),
        # The first attempt had been sent; the second found no connection.
        ({"begun": 10.005, "authorized": 10.006, "answered": 0}, {"before": 5, "authorize": 1, "connect": 8, "total": 14}),
    ],
)  # fmt: skip
def test_the_time_went_where_the_request_was(changed: dict[str, Any], expected: dict[str, float]) -> None:
    found = times(record(**changed))
    assert found == {name: pytest.approx(value) for name, value in expected.items()}
    assert sum(found.values()) == pytest.approx(2 * found["total"])


def test_an_entry_is_metadata_with_the_wall_clocks_time() -> None:
    told = entry(
        record(error=NoRoute, status=404, removed=(("header", "Cookie", "why"),)), wall=1_700_000_005.0, now=15.0
    )
    assert (told["number"], told["id"]) == (1, "a1b2c3-7")
    assert told["at"] == 1_700_000_000.0
    assert told["target"] == "/io/v1/accounts?limit=***"
    assert told["error"] == {"code": "no_route", "title": NoRoute.title}
    assert json.loads(json.dumps(told))["removed"] == [["header", "Cookie", "why"]]
    assert entry(record(target=None), 0, 0)["target"] is None
