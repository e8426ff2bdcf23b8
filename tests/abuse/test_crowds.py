"""Very many callers at once (case 43)."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter

from tests.abuse.contenders import CONTENDERS, PREFIX, Setting
from tests.abuse.stage import staged
from tests.abuse.wire import exchange

_FILES = 256


def short_of_files(setting: Setting) -> list[str]:
    return ["/bin/sh", "-c", f'ulimit -n {_FILES}; exec "$@"', "sh", *CONTENDERS["authproxy"](setting)]


async def test_a_crowd_does_not_end_the_proxy() -> None:
    """With more connections than it may have files: some wait or are turned away, and then all is as before."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > 2 * _FILES
    async with staged(short_of_files) as stage:
        host = f"127.0.0.1:{stage.setting.port}"
        head = f"GET {PREFIX}/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

        async def ask() -> int:
            try:
                done = await exchange(stage.setting.port, [head], "GET")
            except OSError:
                return 0
            if done.writer is not None:
                done.writer.close()
            return done.answers[0].status if done.answers else 0

        statuses = Counter(await asyncio.gather(*(ask() for _ in range(400))))
        assert stage.is_alive
        assert statuses.keys() <= {0, 200, 502, 503}
        assert statuses[200] > 50
        for _ in range(50):
            if (await ask()) == 200:
                break
            await asyncio.sleep(0.1)
        assert [await ask() for _ in range(20)] == [200] * 20
