"""Very many callers at once (case 43): a limit, a clear word beyond it, and nobody harmed for good."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections import Counter
from contextlib import ExitStack

import pytest

from proxy.listening import affordable
from tests.abuse.contenders import CONTENDERS, PREFIX, Command, Setting
from tests.abuse.stage import Stage, staged
from tests.abuse.wire import Answer, exchange

_FILES = 256


def limited(max_connections: int) -> Command:
    def command(setting: Setting) -> list[str]:
        line = CONTENDERS["authproxy"](setting)
        path = setting.folder / "authproxy.yaml"
        config = json.loads(path.read_text())
        config["server"]["max_connections"] = max_connections
        path.write_text(json.dumps(config))
        return line

    return command


def short_of_files(setting: Setting) -> list[str]:
    return ["/bin/sh", "-c", f'ulimit -n {_FILES}; exec "$@"', "sh", *CONTENDERS["authproxy"](setting)]


async def ask(stage: Stage) -> Answer | None:
    head = f"GET {PREFIX}/x HTTP/1.1\r\nHost: 127.0.0.1:{stage.setting.port}\r\n\r\n".encode()
    try:
        done = await exchange(stage.setting.port, [head], "GET")
    except OSError:
        return None
    if done.writer is not None:
        done.writer.close()
    return done.answers[0] if done.answers else None


async def test_more_callers_than_the_limit_are_told_to_come_again() -> None:
    async with staged(limited(10)) as stage:
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(socket.create_connection(("127.0.0.1", stage.setting.port)))
            await asyncio.sleep(0.2)
            surplus = await ask(stage)
            assert surplus is not None
            assert (surplus.status, surplus.values("retry-after")) == (503, ["1"])
            assert surplus.values("proxy-status") == ["authproxy; error=connection_limit_reached"]
            assert surplus.values("connection") == ["close"]
            assert stage.vendor.requests == []
        for _ in range(50):
            served = await ask(stage)
            if served is not None and served.status == 200:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("nobody was served after the others had left")


async def test_a_crowd_does_not_end_the_proxy() -> None:
    """With more callers than it may have files: some are served, others told to come again, and then all is as before."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > 2 * _FILES
    async with staged(short_of_files) as stage:
        answers = await asyncio.gather(*(ask(stage) for _ in range(400)))
        assert stage.is_alive
        statuses = Counter(answer.status for answer in answers if answer is not None)
        assert statuses.keys() <= {200, 503}
        assert statuses[200] > 30
        for _ in range(100):
            answer = await ask(stage)
            if answer is not None and answer.status == 200:
                break
            await asyncio.sleep(0.1)
        after = [await ask(stage) for _ in range(20)]
        assert [answer.status for answer in after if answer is not None] == [200] * 20


@pytest.mark.parametrize(("wanted", "least"), [(1, 1), (10, 10), (10**6, 2)])
def test_no_more_connections_than_there_may_be_files(wanted: int, least: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        most = affordable(wanted)
        assert least <= most <= wanted
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert most * 5 // 2 <= soft
        assert soft >= before[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
