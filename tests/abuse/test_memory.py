"""The process's memory while it is attacked, each time by more than the limits let in."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest

from tests.abuse.contenders import CONTENDERS, PREFIX, Setting
from tests.abuse.stage import Stage, staged
from tests.abuse.wire import exchange

MEGABYTE = 1_000_000
_CALLERS = 300


def signing(setting: Setting) -> list[str]:
    """As authproxy, but every body is held, since a signature covers it."""
    line = CONTENDERS["authproxy"](setting)
    path = setting.folder / "authproxy.yaml"
    config = json.loads(path.read_text())
    config["providers"]["vendor"]["auth"] = {
        "scheme": "hmac_signature",
        "key": {"file": str(setting.folder / "credential")},
        "message": "{{body}}",
        "headers": {"Authorization": "{{signature}}"},
    }
    path.write_text(json.dumps(config))
    return line


def head(stage: Stage, line: str = "GET {prefix}/x", *fields: str) -> bytes:
    host = f"Host: 127.0.0.1:{stage.setting.port}"
    return "\r\n".join([f"{line.format(prefix=PREFIX)} HTTP/1.1", host, *fields, "", ""]).encode()


async def asked(stage: Stage, octets: bytes, count: int = 1) -> list[int]:
    """The statuses of the answers to so many requests on one connection."""
    done = await exchange(stage.setting.port, [octets], "GET", count)
    assert done.writer is not None
    done.writer.close()
    await done.writer.wait_closed()
    return [answer.status for answer in done.answers]


async def at_once(stage: Stage, octets: bytes, count: int = _CALLERS) -> None:
    """So many callers send these octets, or as much of them as is taken, and read nothing."""

    async def send(sock: socket.socket) -> None:
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().sock_sendall(sock, octets)
        except (TimeoutError, ConnectionError):
            pass

    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", stage.setting.port))) for _ in range(count)
        ]
        for sock in sockets:
            sock.setblocking(False)
        await asyncio.gather(*map(send, sockets))
        await asyncio.sleep(0.5)
        stage.most = max(stage.most, stage.resident())


async def heads_that_never_end(stage: Stage) -> None:
    await at_once(stage, head(stage)[:-2] + b"X-A: aaaa\r\n" * 20 + (b"X-B: " + b"b" * 7000 + b"\r\n") * 9)


async def pipelines_that_nobody_reads(stage: Stage) -> None:
    await at_once(stage, head(stage) * 5000)


async def empty_lines(stage: Stage) -> None:
    await at_once(stage, b"\r\n" * 500_000, 30)


async def requests_none_like_another(stage: Stage) -> None:
    for number in range(60):
        lines = (
            head(stage, f"GET {{prefix}}/{number}/{n}", "X-A: " + "a" * 1500, f"X-{number}-{n}: x") for n in range(50)
        )
        assert len(await asked(stage, b"".join(lines), 50)) == 50


async def a_vendors_heads_that_never_end(stage: Stage) -> None:
    for _ in range(30):
        stage.vendor.forget(b"HTTP/1.1 200 OK\r\n" + (b"X-A: " + b"a" * 16_000 + b"\r\n") * 1000)
        assert await asked(stage, head(stage)) == [502]


async def bodies_that_are_held(stage: Stage) -> None:
    size = 15 * 1024 * 1024
    await at_once(stage, head(stage, "POST {prefix}/x", f"Content-Length: {size}") + bytes(size - 1), 40)


Attack = Callable[[Stage], Awaitable[None]]
# What each may cost: a few times what the limits let in, since allocators give back late.
ATTACKS: dict[Attack, int] = {
    heads_that_never_end: 80 * MEGABYTE,
    pipelines_that_nobody_reads: 160 * MEGABYTE,
    empty_lines: 20 * MEGABYTE,
    requests_none_like_another: 20 * MEGABYTE,
    a_vendors_heads_that_never_end: 20 * MEGABYTE,
    bodies_that_are_held: 450 * MEGABYTE,
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_memory_is_bounded_under_attack(attack: Attack) -> None:
    command = signing if attack is bodies_that_are_held else CONTENDERS["authproxy"]
    async with staged(command) as stage:
        for _ in range(20):
            await asked(stage, head(stage))
        before = stage.most = stage.resident()
        if not before:
            pytest.skip("the memory of another process cannot be seen here")
        await attack(stage)
        stage.most = max(stage.most, stage.resident())
        assert stage.most - before < ATTACKS[attack]
        assert stage.is_alive
        assert await asked(stage, head(stage)) == [200]
