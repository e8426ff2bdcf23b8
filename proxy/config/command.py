"""A secret that a command prints: no shell, bounded in time and size, and nothing of its words is shown."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from proxy.secret import one_line

MAX_OUTPUT = 64 * 1024


def output_of(arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str], timeout: float) -> str:
    """What the command prints, without the one newline behind it; run in `folder`, `timeout` in seconds.

    Raises ValueError if it does not start, takes too long, exits with another status than 0, or prints
    nothing, too much, or no text.
    """
    if not threading.main_thread().is_alive():
        raise ValueError("the proxy ends, and starts no command")
    try:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # A buffer's lock, held by a thread that waits here, would abort an interpreter that ends meanwhile.
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        # A ValueError is a NUL byte in an argument.
        reason = error.strerror if isinstance(error, OSError) else "an argument holds a NUL character"
        raise ValueError(f"the command cannot be started: {reason}") from None
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        _kill(process)

    timer = threading.Timer(timeout, give_up)
    # Whoever ends the proxy meanwhile waits for no command, and leaves none behind.
    timer.daemon = True
    atexit.register(give_up)
    timer.start()
    with process:
        assert process.stdout is not None
        raw = b""
        while len(raw) <= MAX_OUTPUT and (more := process.stdout.read(MAX_OUTPUT)):
            raw += more
        if len(raw) > MAX_OUTPUT:
            _kill(process)
    timer.cancel()
    atexit.unregister(give_up)
    if expired.is_set():
        raise ValueError(f"the command took longer than {timeout:g} s")
    return _text(raw, process.returncode)


def _text(raw: bytes, status: int) -> str:
    if len(raw) > MAX_OUTPUT:
        raise ValueError("the command printed more than 64 KiB")
    if status != 0:
        raise ValueError(f"the command failed with exit status {status}")
    try:
        text = one_line(raw.decode())
    except UnicodeDecodeError:
        raise ValueError("the command printed something that is not UTF-8 text") from None
    if not text.strip():
        raise ValueError("the command printed nothing")
    return text


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and whatever it started, which may hold its output open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
