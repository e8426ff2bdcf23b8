"""Socket activation: the command is started with descriptors that are open already, as systemd does it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process import COMMAND, Running, running

KEY = "CANARY-key-9c02-of-the-vendor"
# What systemd does between fork and exec: descriptors from 3 on, and our own process's number.
HAND_OVER = """
import fcntl, os, sys
given, names, wanted = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
spare = [fcntl.fcntl(int(descriptor), fcntl.F_DUPFD, 50) for descriptor in given if descriptor]
for number, descriptor in enumerate(spare):
    os.dup2(descriptor, 3 + number, inheritable=True)
os.environ |= {"LISTEN_FDS": str(len(spare)), "LISTEN_PID": wanted or str(os.getpid())}
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(sys.executable, [sys.executable, "-m", "proxy", *sys.argv[4:]])
"""


def handed(sockets: Sequence[socket.socket], names: str = "", process: str = "") -> list[str]:
    given = ",".join(str(sock.fileno()) for sock in sockets)
    return [sys.executable, "-c", HAND_OVER, given, names, process]


def listening(host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, 0))


def config(folder: Path, listen: str = "systemd", admin: str = "off", key: object = None, **server: object) -> Path:
    path = folder / "authproxy.yaml"
    headers = {"X-Key": key or {"value": KEY}}
    acme = {"base_url": "http://127.0.0.1:1", "auth": {"scheme": "static", "headers": headers}}
    whole = {"server": {"listen": listen, "admin": admin, **server}, "providers": {"a": acme}, "routes": {"/a": "a"}}
    path.write_text(json.dumps(whole))
    path.chmod(0o600)
    return path


@contextmanager
def started(path: Path, sockets: Sequence[socket.socket], names: str = "") -> Iterator[Running]:
    with running(
        "run", "-c", str(path), command=handed(sockets, names), secrets=(KEY,),
        descriptors=[sock.fileno() for sock in sockets],
    ) as proxy:  # fmt: skip
        proxy.wait_for("listening on")
        yield proxy


def refused(path: Path, sockets: Sequence[socket.socket], names: str = "", process: str = "") -> tuple[int, str]:
    """The exit code and what was said of a start that must fail."""
    done = subprocess.run(
        [*handed(sockets, names, process), "run", "-c", str(path)],
        pass_fds=[sock.fileno() for sock in sockets],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert KEY not in done.stderr
    return done.returncode, done.stderr


def asked(name: object, path: bytes = b"/none", host: bytes = b"localhost") -> bytes:
    family = socket.AF_INET if isinstance(name, tuple) else socket.AF_UNIX
    port = b":%d" % name[1] if isinstance(name, tuple) else b""
    with socket.socket(family) as sock:
        sock.settimeout(10)
        sock.connect(name)
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: %b%b\r\nConnection: close\r\n\r\n" % (path, host, port))
        return sock.recv(1000)[:12]


def test_a_listener_whose_address_is_systemd_takes_the_passed_socket(tmp_path: Path) -> None:
    with listening() as sock, started(config(tmp_path), [sock]) as proxy:
        assert proxy.address == f"127.0.0.1:{sock.getsockname()[1]}"
        assert asked(sock.getsockname()) == b"HTTP/1.1 404"


@pytest.mark.parametrize(("names", "first_is_admin"), [("", False), ("listen:admin", False), ("admin:listen", True),
                                                       ("a.socket:b.socket", False), ("admin:a.socket", True)])  # fmt: skip
def test_names_say_which_socket_is_for_whom_and_else_their_order(
    tmp_path: Path, names: str, first_is_admin: bool
) -> None:
    with listening() as first, listening() as second:
        admin, callers = (first, second) if first_is_admin else (second, first)
        with started(config(tmp_path, admin="systemd"), [first, second], names):
            assert asked(callers.getsockname(), b"/livez") == b"HTTP/1.1 404"
            assert asked(admin.getsockname(), b"/livez") == b"HTTP/1.1 200"


def test_an_option_or_a_variable_may_say_systemd(tmp_path: Path) -> None:
    with listening() as sock:
        path = config(tmp_path, listen="127.0.0.1:0")
        with running(
            "run", "-c", str(path), "--listen", "systemd", command=handed([sock]), descriptors=[sock.fileno()]
        ) as proxy:
            assert proxy.address == f"127.0.0.1:{sock.getsockname()[1]}"


def test_children_get_neither_the_descriptors_nor_the_variables(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    command = ["sh", "-c", f"env > {seen}; ls -l /proc/self/fd >> {seen}; echo {KEY}"]
    with listening() as sock, started(config(tmp_path, key={"exec": command}), [sock]):
        pass
    assert "LISTEN_" not in seen.read_text()
    assert "socket:" not in seen.read_text()


def test_the_descriptors_close_by_themselves_where_a_program_is_started() -> None:
    """Whoever starts one, and however: Python's own subprocess module closes everything anyway."""
    look = "import os; from proxy.passed_sockets import passed_sockets as p; kept = p(os.environ, os.getpid()); "
    look += "print(os.get_inheritable(3), os.get_inheritable(4), [name for name in os.environ if 'LISTEN_' in name])"
    with listening() as one, listening() as two:
        command = handed([one, two], "a:b")
        command[2] = command[2].replace('"-m", "proxy"', f'"-c", {look!r}')
        done = subprocess.run(
            command, pass_fds=[one.fileno(), two.fileno()], capture_output=True, text=True, check=False
        )
    assert (done.stdout, done.stderr) == ("False False []\n", "")


def test_a_socket_file_is_left_where_it_is_and_who_waits_is_answered_by_the_next_process(tmp_path: Path) -> None:
    """It is systemd's: a restart loses no connection."""
    file = tmp_path / "proxy.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(file))
        sock.listen()
        with started(config(tmp_path), [sock]) as proxy:
            assert proxy.address == f"unix:{file}"
            assert asked(str(file)) == b"HTTP/1.1 404"
        assert file.is_socket()
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.settimeout(10)
            waiting.connect(str(file))
            waiting.sendall(b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with started(config(tmp_path), [sock]):
                assert waiting.recv(1000)[:12] == b"HTTP/1.1 404"


def test_who_may_connect_to_a_passed_socket_file_is_ours_to_say(tmp_path: Path) -> None:
    """systemd's own default lets everybody in (SocketMode=0666)."""
    file = tmp_path / "proxy.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(file))
        sock.listen()
        nobody_at_all = config(tmp_path, socket={"allowed_uids": [54321]})
        with started(nobody_at_all, [sock]), pytest.raises((ConnectionError, AssertionError)):
            assert asked(str(file))


def test_a_socket_that_other_machines_reach_takes_a_token(tmp_path: Path) -> None:
    with listening("0.0.0.0") as sock:
        code, said = refused(config(tmp_path), [sock])
        assert (code, "other machines could use the credentials" in said) == (78, True)
        with started(config(tmp_path, token={"value": "CANARY-token"}), [sock]):
            assert asked(("127.0.0.1", sock.getsockname()[1])) == b"HTTP/1.1 403"


def test_a_reload_cannot_take_the_token_away_from_such_a_socket(tmp_path: Path) -> None:
    with listening("0.0.0.0") as sock, started(config(tmp_path, token={"value": "CANARY-token"}), [sock]) as proxy:
        config(tmp_path)
        proxy.process.send_signal(signal.SIGHUP)
        proxy.wait_for("configuration not reloaded.*other machines could use the credentials")
        assert asked(("127.0.0.1", sock.getsockname()[1])) == b"HTTP/1.1 403"


def test_what_fits_nobody_is_refused_in_words(tmp_path: Path) -> None:
    with listening() as one, listening() as two, listening() as three, socket.socket() as deaf:
        elsewhere = config(tmp_path, listen="127.0.0.1:0")
        assert refused(elsewhere, [one]) == (
            1, "authproxy: server.listen: systemd passed a socket for it; set it to `systemd`\n",
        )  # fmt: skip
        here = config(tmp_path)
        assert "server.admin: systemd passed a socket for it" in refused(here, [one, two])[1]
        assert "more sockets than one" in refused(here, [one, two, three])[1]
        assert "more sockets than one" in refused(here, [one, two], "listen:listen")[1]
        assert "descriptor 3: not a listening stream socket" in refused(here, [deaf])[1]


def test_sockets_for_another_process_are_not_ours(tmp_path: Path) -> None:
    with listening() as sock:
        code, said = refused(config(tmp_path), [sock], process="1")
    assert (code, said) == (1, "authproxy: server.listen: systemd passed no socket for it (LISTEN_FDS)\n")
    done = subprocess.run([*COMMAND, "run", "-c", str(config(tmp_path))], capture_output=True, text=True, check=False)
    assert done.stderr == said


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no files are Linux's")
def test_a_socket_without_a_file_has_a_name_with_an_at_sign(tmp_path: Path) -> None:
    name = f"\0authproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
        sock.listen()
        with started(config(tmp_path), [sock]) as proxy:
            assert proxy.address == f"unix:@{name[1:]}"
            assert asked(name) == b"HTTP/1.1 404"
