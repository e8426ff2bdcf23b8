"""The running proxy's memory and environment are its own (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.process import running

KEY = "CANARY-key-77c2-in-the-environment"
CONFIG = """
server: {listen: "127.0.0.1:0", admin: "127.0.0.1:0"}
providers: {a: {base_url: "http://127.0.0.1:1", auth: {scheme: static, headers: {X-Key: {env: ACME}}}}}
routes: {/a: a}
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and prctl are Linux's")
# As another user of the same number, in a process without capabilities: what root may do is not the question.
SAME_USER = """
import ctypes, os, resource, sys
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from proxy.memory import close_to_others
os.setgroups([]), os.setgid(65534), os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)  # setuid() closed it; as a process is that never was another user's.
if sys.argv[1] == "closed":
    close_to_others()
child = os.fork()
if not child:
    for name in ("environ", "mem", "maps", "fd"):
        path = f"/proc/{os.getppid()}/{name}"
        try:
            os.listdir(path) if name == "fd" else open(path, "rb").close()
            print(name, "open")
        except PermissionError:
            print(name, "closed")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
registry = CollectorRegistry()
ProcessCollector(registry=registry)
text = generate_latest(registry).decode()
print("metrics", all(f"process_{name} " in text for name in ("open_fds", "resident_memory_bytes", "cpu_seconds_total")))
print("core", resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes nobody, which only root can")
@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_process_of_the_same_user_can_read_neither_memory_nor_environment(state: str) -> None:
    done = subprocess.run([sys.executable, "-c", SAME_USER, state], capture_output=True, text=True, check=True)
    said = dict(line.split() for line in done.stdout.splitlines())
    assert said["metrics"] == "True"
    assert [said[name] for name in ("environ", "mem", "maps", "fd")] == [state] * 4
    if state == "closed":
        assert said["core"] == "0"


def test_run_closes_itself_and_its_metrics_still_see_the_process(tmp_path: Path) -> None:
    config = tmp_path / "authproxy.yaml"
    config.write_text(CONFIG)
    with running("run", "-c", str(config), environ={"ACME": KEY}, secrets=(KEY,)) as proxy:
        metrics = httpx.get(f"http://{proxy.listening['admin']}/metrics", trust_env=False).text
        folder = Path(f"/proc/{proxy.process.pid}")
        limits = (folder / "limits").read_text()
        (core,) = [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")]
        command = (folder / "cmdline").read_bytes()
    assert core == "0"
    assert KEY.encode() not in command
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"):
        assert f"\n{name} " in metrics


AS_NOBODY = """
import ctypes, os, sys, uvloop, proxy.commands.run
from proxy.cli import cli
os.setgroups([]), os.setgid(65534), os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)  # setuid() closed it; as a process is that never was another user's.
"""
# Read once before, so that all of it is imported: the interpreter's files may be root's only.
WARM_UP = "import os, pathlib, sys, proxy.config; proxy.config.load(pathlib.Path(sys.argv[1]), os.environ)"
RUN = f"{WARM_UP}{AS_NOBODY}cli(['run', '-c', sys.argv[1]])"
READ = AS_NOBODY + "open(f'/proc/{sys.argv[1]}/environ', 'rb').read()"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes nobody, which only root can")
def test_the_running_proxys_environment_cannot_be_read_by_its_own_user() -> None:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        config = Path(folder) / "authproxy.yaml"
        config.write_text(CONFIG)
        environ = {"ACME": KEY, "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": folder}
        command = [sys.executable, "-c", RUN, str(config)]
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "listening on" not in (line := process.stderr.readline()):
                assert line, "the proxy ended"
            reading = [sys.executable, "-c", READ, str(process.pid)]
            read = subprocess.run(reading, capture_output=True, text=True, check=False)
            process.terminate()
            assert "PermissionError" in read.stderr
