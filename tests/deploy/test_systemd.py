"""The units of deploy/systemd: what systemd says of them, and their steps walked by hand."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from proxy.sandbox import Wyre
from tests.integration.test_passed_sockets import handed
from tests.process import Running, run, running

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
CONFIG = (FOLDER / "config.yaml").read_text()
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd: apt-get install it")


def settings(unit: str) -> dict[str, list[str]]:
    """Every setting of a unit file, in all its sections, with all its values."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / unit).read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


SERVICE, SOCKET = settings("authproxy.service"), settings("authproxy.socket")
CREDENTIALS = dict(line.split(":", 1) for line in SERVICE["LoadCredential"])


@needs_systemd
def test_systemd_itself_has_nothing_to_say_of_the_units(tmp_path: Path) -> None:
    """But for the program's place, which is this installation's here."""
    command = Path(sys.executable).parent / "authproxy"
    for name in ("authproxy.service", "authproxy.socket"):
        text = (FOLDER / name).read_text().replace("/opt/authproxy/bin/authproxy", str(command))
        (tmp_path / name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@needs_systemd
def test_the_service_is_exposed_as_little_as_systemd_can_judge(tmp_path: Path) -> None:
    """Its scale goes from 0 to 10, here in tenths; a service that says nothing has 9.6."""
    unit = str(FOLDER / "authproxy.service")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=16", "--no-pager", unit]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


def test_each_secret_of_the_configuration_is_a_credential_and_each_credential_is_used() -> None:
    used = re.findall(r'"\$\{CREDENTIALS_DIRECTORY\}/([\w-]+)"', CONFIG)
    assert sorted(used) == sorted(CREDENTIALS)
    assert all(path == f"/etc/authproxy/credentials/{name}" for name, path in CREDENTIALS.items())


def test_what_restarting_cannot_mend_is_not_restarted() -> None:
    """The codes for a configuration that is wrong and for an address that is taken."""
    assert SERVICE["RestartPreventExitStatus"] == ["75 78"]
    assert SERVICE["Restart"] == ["on-failure"]


def prepared(folder: Path, url: str, keys: dict[str, str]) -> tuple[list[str], dict[str, str], Path]:
    """The service's arguments and variables, and its configuration; its credentials are copied for it alone."""
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    for name, secret in keys.items():
        (credentials / name).write_text(secret)
        (credentials / name).chmod(0o400)
    config = folder / "config.yaml"
    config.write_text(CONFIG.replace("preset: wyre", f"preset: wyre\n    base_url: {url}").replace(":9180", ":0"))
    [command] = SERVICE["ExecStart"]
    program, *arguments = shlex.split(command.replace("/etc/authproxy/config.yaml", str(config)))
    assert program == "/opt/authproxy/bin/authproxy"
    return arguments, {"CREDENTIALS_DIRECTORY": str(credentials)}, config


@contextmanager
def started(folder: Path, url: str, keys: dict[str, str]) -> Iterator[tuple[Running, Path, Path]]:
    """The service with its socket, opened beforehand and handed over by name."""
    arguments, environ, config = prepared(folder, url, keys)
    file = folder / Path(SOCKET["ListenStream"][0]).name
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(file))
        file.chmod(int(SOCKET["SocketMode"][0], 8))
        listening.listen()
        with running(
            *arguments,
            environ=environ,
            secrets=tuple(keys.values()),
            command=handed([listening], SOCKET["FileDescriptorName"][0]),
            descriptors=[listening.fileno()],
        ) as proxy:
            proxy.wait_for("listening on")
            yield proxy, file, config


def asked(file: Path, path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)  # The whole start of a proxy, on a machine that is busy.
        sock.connect(str(file))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def keys_of(vendor: Wyre) -> dict[str, str]:
    return {f"wyre-{name.replace('_', '-')}": vendor.credentials[name] for name in ("api_key", "secret_key")}


async def test_the_units_steps_lead_to_an_authenticated_request_a_reload_and_a_graceful_end(tmp_path: Path) -> None:
    async with Wyre() as vendor:
        keys = keys_of(vendor)

        def walk() -> int:
            with started(tmp_path, vendor.url, keys) as (proxy, file, config):
                assert asked(file, "/wyre/v2/rates").startswith(b"HTTP/1.1 200 ")
                config.write_text(config.read_text().replace("/wyre: wyre", "/renamed: wyre"))
                assert SERVICE["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
                proxy.process.send_signal(signal.SIGHUP)
                proxy.wait_for("configuration reloaded")
                assert asked(file, "/renamed/v2/rates").startswith(b"HTTP/1.1 200 ")
                return proxy.stop()

        assert await asyncio.to_thread(walk) == 0
    assert [received.verdict for received in vendor.api_requests] == ["ok", "ok"]


@needs_systemd
async def test_systemds_own_tool_starts_it_for_the_first_caller_who_waits(tmp_path: Path) -> None:
    """systemd-socket-activate(1) opens the socket and starts the command when somebody comes."""
    async with Wyre() as vendor:

        def walk() -> int:
            arguments, environ, _ = prepared(tmp_path, vendor.url, keys_of(vendor))
            file, [name] = tmp_path / "proxy.sock", SOCKET["FileDescriptorName"]
            tool = ["systemd-socket-activate", "-l", str(file), f"--fdname={name}"]
            passed = [word for variable in ("PATH", "XDG_RUNTIME_DIR", *environ) for word in ("-E", variable)]
            command = [*tool, *passed, sys.executable, "-m", "proxy"]
            with running(
                *arguments, environ=environ, secrets=tuple(keys_of(vendor).values()), command=command
            ) as proxy:
                proxy.wait_for("Listening on")
                assert asked(file, "/wyre/v2/rates").startswith(b"HTTP/1.1 200 ")
                return proxy.stop()

        assert await asyncio.to_thread(walk) == 0


def test_a_credential_that_systemd_did_not_pass_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    done = run("check", "-c", str(tmp_path / "config.yaml"), environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.returncode == 78
    assert done.stderr.count("this secret file cannot be read: No such file or directory") == len(CREDENTIALS)


def test_the_configuration_of_the_units_listens_where_the_socket_unit_says() -> None:
    server = yaml.safe_load(CONFIG)["server"]
    assert server["listen"] == "systemd"
    assert server["socket"]["mode"] == SOCKET["SocketMode"][0]
    assert SOCKET["FileDescriptorName"] == ["listen"]
