"""Taking the configuration as it is now, while requests go on; a wrong one changes nothing.

It is read in the background, since secrets may come from commands and slow disks, and put into effect in one step of
the event loop. One reload is under way at a time; whoever asks meanwhile waits for the next one, which begins after
he asked and so sees what he changed. Where a secret's command or file fails, which may pass without any change that
could be seen, it is tried again by itself, ever less often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.admin.actions import ReloadReport
from proxy.background import in_background
from proxy.clock import Clock
from proxy.config.models import Settings
from proxy.config.problems import ConfigError, Problem
from proxy.metrics import Metrics
from proxy.trust import Trust, trusts
from proxy.watching import Vigil, watch

log = logging.getLogger("authproxy.app")

# Reads the configuration for a proxy that runs with the given one. Raises ConfigError.
Read = Callable[[Settings], Settings]
SECONDS_BETWEEN_LOOKS = 1.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Current:
    """The configuration in use, and what its providers trust."""

    settings: Settings
    trusts: Mapping[str, Trust]


class Reloading:
    """`take` puts a configuration into effect; it is told whether a person asked for it, and does not fail.

    `loaded_at` is the wall clock's time at which the configuration in use was read; `problems` are why a later one
    was not taken. The files are looked at every `seconds_between_looks`, while they are watched; as long is the first
    pause before what may pass is tried again. Without `read` there is no reload.
    """

    def __init__(
        self,
        current: Callable[[], Current],
        read: Read | None,
        take: Callable[[Current, bool], None],
        metrics: Metrics,
        clock: Clock,
        seconds_between_looks: float = SECONDS_BETWEEN_LOOKS,
    ) -> None:
        self._current = current
        self._read = read
        self._take = take
        self._metrics = metrics
        self._clock = clock
        self._seconds_between_looks = seconds_between_looks
        self._vigil = Vigil(current().settings.files)
        self._watching: asyncio.Task[None] | None = None
        self.problems: tuple[Problem, ...] = ()
        self._loaded()
        self._running: asyncio.Task[ReloadReport] | None = None
        self._next: asyncio.Task[ReloadReport] | None = None
        self._asked_by_person = False
        self._retry: asyncio.TimerHandle | None = None
        self._pause = seconds_between_looks

    @property
    def is_possible(self) -> bool:
        return self._read is not None

    def begin(self, *, by_person: bool) -> asyncio.Task[ReloadReport]:
        """Ask for a reload that begins now or later. It goes on whether or not anybody waits for it."""
        self._asked_by_person = self._asked_by_person or by_person
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running), name="authproxy reload")
            self._next.add_done_callback(_tell_failure)
        return self._next

    async def reload(self) -> ReloadReport:
        """What became of a reload that began after a person's call."""
        task = self.begin(by_person=True)
        await asyncio.wait((task,))  # Unlike awaiting the task, this leaves it alone when the caller gives up.
        return task.result()

    async def _changed(self) -> None:
        await asyncio.wait((self.begin(by_person=False),))

    async def aclose(self) -> None:
        """Give up what is under way: what was read is not put into effect."""
        self._leave_retry()
        tasks = [task for task in (self._watching, self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, wanted: bool) -> None:
        """From now on reload when files change, or do not."""
        if wanted and self.is_possible and self._watching is None:
            looking = watch(self._vigil, self._changed, self._seconds_between_looks)
            self._watching = asyncio.create_task(looking, name="authproxy watch")
        elif not wanted and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _after(self, previous: asyncio.Task[ReloadReport] | None) -> ReloadReport:
        if previous is not None and not previous.done():
            await asyncio.wait((previous,))
        self._running, self._next = self._next, None
        self._leave_retry()
        by_person, self._asked_by_person = self._asked_by_person, False
        assert self._read is not None
        before, read = self._current(), self._read
        try:
            current = await in_background(lambda: _read(read, before))
        except ConfigError as error:
            self._vigil.took(error.files, completely=False)
            self._failed(error.problems)
            if error.may_pass:
                self._try_again(by_person)
            return report(before.settings, error.problems)
        self._vigil.took(current.settings.files, completely=True)
        self._take(current, by_person)
        self._loaded()
        self._metrics.reloaded(True)
        settings = current.settings
        log.info("configuration reloaded", extra={"routes": len(settings.routes), "providers": len(settings.providers)})
        return report(settings)

    def _try_again(self, by_person: bool) -> None:
        self._retry = asyncio.get_running_loop().call_later(self._pause, lambda: self.begin(by_person=by_person))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _leave_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _loaded(self) -> None:
        self._pause = self._seconds_between_looks
        self.loaded_at = self._clock.wall()
        self.problems = ()
        self._metrics.loaded(self.loaded_at)

    def _failed(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        self._metrics.reloaded(False)
        more = f"; and {len(problems) - 1} more, which `authproxy reload` tells" if len(problems) > 1 else ""
        log.error("configuration not reloaded, the old one stays: %s%s", str(problems[0]), more)


def report(settings: Settings, problems: tuple[Problem, ...] = ()) -> ReloadReport:
    """`settings` are those in use now; the old ones if there are problems."""
    return ReloadReport(
        errors=tuple(problem.described() for problem in problems),
        warnings=tuple(warning.described() for warning in settings.warnings),
        routes=len(settings.routes),
        providers=len(settings.providers),
    )


def _read(read: Read, before: Current) -> Current:
    settings = read(before.settings)
    try:
        return Current(settings, trusts(settings.providers.values(), before.trusts))
    except OSError as error:
        # They were good a moment ago, when the configuration was checked.
        message = f"a file for TLS cannot be used: {error.strerror or type(error).__name__}"
        problem = Problem(str(settings.source), 1, 1, "providers", message)
        raise ConfigError([problem], settings.files, may_pass=True) from None


def _tell_failure(task: asyncio.Task[ReloadReport]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("internal error", exc_info=error)  # A fault of ours; the old configuration stays.
