"""Plugins for pytest: which tests run, how long each may take, and which lines of a file each of them runs."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

# A test that a mutant makes wait for ever has this much longer than it takes otherwise.
_PATIENCE = 8.0
_TIMES, _LONGEST = 5.0, 20.0


@dataclass(eq=False)
class Clocked:
    """Gives each test its time, and notes how long it took and whether it failed. Nobody handles the signal."""

    durations: dict[str, float]
    took: dict[str, float] = field(default_factory=dict)
    failed: str | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.nodeid in self.durations:
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE + min(_TIMES * self.durations[item.nodeid], _LONGEST))
        began = time.monotonic()
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.took[item.nodeid] = time.monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid or "collection"


@dataclass(eq=False)
class Chosen:
    """These tests only, in this order."""

    tests: list[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = in_order(items, self.tests)


def in_order(items: list[pytest.Item], tests: list[str]) -> list[pytest.Item]:
    order = {name: place for place, name in enumerate(tests)}
    return sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


@dataclass(eq=False)
class Traced:
    """Notes which lines of a file each test runs, in whatever thread."""

    path: str
    lines: dict[str, list[int]] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        touched = set[int]()

        def line(frame: Any, event: str, argument: object) -> Any:
            if event == "line":
                touched.add(frame.f_lineno)
            return line

        def call(frame: Any, event: str, argument: object) -> Any:
            return line if frame.f_code.co_filename == self.path else None

        sys.settrace(call)
        threading.settrace(call)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self.lines[item.nodeid] = sorted(touched)
