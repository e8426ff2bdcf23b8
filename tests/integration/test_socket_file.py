"""A listener that is a file: its mode and owner, and whose processes may connect."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from proxy.listening import SocketFile
from tests.process import running

NOBODY = 65534
KEY = "CANARY-key-61aa-of-the-vendor"
REQUEST = "GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ASK = f"""
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
if len(sys.argv) > 2:  # Only now: this interpreter's files need not be another user's to read.
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    sock.connect(sys.argv[1])
    sock.sendall({REQUEST.encode()!r})
    print(sock.recv(100)[:12].decode() or "hung up")
except (BrokenPipeError, ConnectionResetError):
    print("hung up")
except OSError as error:
    print(type(error).__name__)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
on_linux = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="only Linux tells whose process it is")


@contextmanager
def serving(admin: str = "off", **settings: Any) -> Iterator[Path]:
    """The proxy at a socket file in a folder that everybody may enter."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path, config = Path(folder) / "proxy.sock", Path(folder) / "authproxy.yaml"
        acme = {"base_url": "http://127.0.0.1:1", "auth": {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}}
        server = {"listen": f"unix:{path}", "admin": admin.format(folder=folder), "socket": settings}
        config.write_text(json.dumps({"server": server, "providers": {"a": acme}, "routes": {"/a": "a"}}))
        config.chmod(0o600)
        with running("run", "-c", str(config), secrets=(KEY,)) as proxy:
            assert proxy.address == f"unix:{path}"
            yield path


def asked(path: Path, uid: int | None = None) -> str:
    """The beginning of the answer, or how it ended, for a process of this user."""
    command = [sys.executable, "-c", ASK, str(path), *([] if uid is None else [str(uid)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@as_root
def test_another_user_has_no_access_to_the_file() -> None:
    with serving() as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (asked(path), asked(path, NOBODY)) == ("HTTP/1.1 404", "PermissionError")


@as_root
@on_linux
@pytest.mark.parametrize("settings", [{}, {"mode": "0660", "allowed_uids": ["root"]}])
def test_another_user_is_hung_up_on_though_the_file_was_opened_to_everybody(settings: dict[str, Any]) -> None:
    with serving(**settings) as path:
        path.chmod(0o666)
        assert (asked(path), asked(path, NOBODY)) == ("HTTP/1.1 404", "hung up")


@as_root
@on_linux
@pytest.mark.parametrize(
    "settings",
    [{"owner": NOBODY}, {"mode": "0660", "group": NOBODY}, {"owner": NOBODY, "allowed_uids": [0, NOBODY]}],
)
def test_a_user_to_whom_the_file_was_given_is_served(settings: dict[str, Any]) -> None:
    with serving(**settings) as path:
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (settings.get("owner", 0), settings.get("group", 0))
        assert stat.S_IMODE(status.st_mode) == int(settings.get("mode", "0600"), 8)
        assert (asked(path), asked(path, NOBODY)) == ("HTTP/1.1 404", "HTTP/1.1 404")


@as_root
@on_linux
def test_the_admin_socket_is_guarded_alike() -> None:
    with serving(admin="unix:{folder}/admin.sock") as path:
        admin = path.parent / "admin.sock"
        admin.chmod(0o666)
        assert (asked(admin), asked(admin, NOBODY)) == ("HTTP/1.1 404", "hung up")


@pytest.mark.parametrize(
    ("socket_file", "admitted", "refused"),
    [
        (SocketFile(), [0, os.geteuid()], [12345]),
        (SocketFile(owner=12345), [0, os.geteuid(), 12345], [54321]),
        (SocketFile(mode=0o660), [0, 12345], []),
        (SocketFile(mode=0o606), [0, 12345], []),
        (SocketFile(allowed_uids=frozenset({12345})), [12345], [0, 54321]),
        (SocketFile(mode=0o666, allowed_uids=frozenset()), [], [0, 12345]),
    ],
)
def test_who_is_admitted_follows_from_mode_owner_and_list(
    socket_file: SocketFile, admitted: list[int], refused: list[int]
) -> None:
    assert all(socket_file.admits(uid) for uid in admitted)
    assert not any(socket_file.admits(uid) for uid in refused)
