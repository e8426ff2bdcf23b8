"""Work that may take long, off the event loop: in a thread that keeps nobody from ending the process."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")

_SECONDS_AT_EXIT = 1.0


async def in_background(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises. Whoever stops waiting leaves it to its end.

    It is no thread of an executor, since those are joined when the process ends: a file system may hang. This one
    gets a second then. (A thread that runs Python when the interpreter is being taken down is ended by force, and
    the whole process is aborted if frames of Rust are on its stack, such as those of pydantic.)
    """
    return await asyncio.wrap_future(begun(work))


def begun(work: Callable[[], Result]) -> Future[Result]:
    """As `in_background`, for those who wait by themselves."""
    outcome: Future[Result] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - passed on to where it is awaited, whatever it is
            outcome.set_exception(error)
        finally:
            atexit.unregister(let_end)

    thread = Thread(target=run, name="authproxy background", daemon=True)
    let_end = partial(thread.join, _SECONDS_AT_EXIT)
    atexit.register(let_end)
    thread.start()
    return outcome
