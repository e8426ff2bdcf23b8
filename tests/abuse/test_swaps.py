"""Things that are replaced under the running proxy: a secret's file while it is written anew, a socket by a successor's."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Guard
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.server import Listener
from proxy.listening import bind
from proxy.secret import FileSecret
from tests.raw_upstream import RawUpstream
from tests.served import Witness, provider

REQUEST = b"GET /a/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("meanwhile", [b"", b"\n", b"\xff\xfe"])
def test_a_secret_file_that_is_just_being_written_gives_the_secret_of_before(meanwhile: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"CANARY-old-secret\n")
    secret = FileSecret(file)
    file.write_bytes(meanwhile)
    assert secret.reveal() == "CANARY-old-secret"
    file.unlink()
    assert secret.reveal() == "CANARY-old-secret"
    file.write_bytes(b"CANARY-another-secret\n")
    assert secret.reveal() == "CANARY-another-secret"


async def test_whoever_stops_leaves_the_socket_of_a_successor_alone(tmp_path: Path) -> None:
    path = tmp_path / "authproxy.sock"

    async def begin(vendor: RawUpstream) -> Listener:
        listener = Listener(Gateway(Guard(None), RouteTable([Route.to(provider(vendor.url), "/a")]), Witness([])))
        await listener.listen(bind(f"unix:{path}"))
        return listener

    async with RawUpstream() as vendor:
        first = await begin(vendor)
        assert path.stat().st_mode & 0o777 == 0o600
        await first.stop_accepting()
        second = await begin(vendor)
        await first.close()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(REQUEST)
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        await second.close()
    assert not path.exists()


def test_neither_a_file_nor_a_symlink_nor_a_living_socket_is_replaced(tmp_path: Path) -> None:
    """Case 10."""
    file, link, living = tmp_path / "file", tmp_path / "link", tmp_path / "living"
    file.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(living))
        listening.listen()
        for path in (file, link, living):
            with pytest.raises(OSError):
                bind(f"unix:{path}")
    assert file.read_text() == "mine" and link.is_symlink()
    bind(f"unix:{living}").close()  # The process that had it is gone.
