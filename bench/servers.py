"""Processes under measurement: started on one core, waited for, their CPU time and memory read from /proc."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = str(_CORES[0])
# Load and upstream: never where the proxy is, unless there is nowhere else.
LOAD_CORES = ",".join(str(core) for core in _CORES[1:] or _CORES)


def settle() -> int:
    """Move this process, which makes some of the load, to its cores; the files that each process may have open."""
    os.sched_setaffinity(0, {int(core) for core in LOAD_CORES.split(",")})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(command: list[str], folder: Path, running: ExitStack, core: str = PROXY_CORE) -> subprocess.Popen[bytes]:
    """A process on one core until `running` is left, what it prints in a file of its folder."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(["taskset", "-c", core, *command], stdout=output, stderr=output)
    running.callback(stop, process)
    return process


def wait_for_port(port: int, process: subprocess.Popen[bytes], folder: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}: {(folder / 'output').read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU that a process used, and that others had on the proxies' core; in steps of 1/100 s."""

    cpu: float
    others: float

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.cpu - other.cpu, max(self.others - other.others, 0.0))


def usage(pid: int) -> Usage:
    """What a process and its descendants have used so far, and what all others have."""
    own = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        own += int(fields[11]) + int(fields[12])
    return Usage(own / _TICKS, (busy_ticks(Path("/proc/stat").read_text(), PROXY_CORE) - own) / _TICKS)


def busy_ticks(statistics: str, core: str) -> int:
    """For how long a core was not idle, by /proc/stat: what the hypervisor stole counts, guests are in `user`."""
    for line in statistics.splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, *interrupts_and_stolen = (int(tick) for tick in ticks[:8])
            return user + nice + system + sum(interrupts_and_stolen)
    return 0


def resident_mebibytes(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))
