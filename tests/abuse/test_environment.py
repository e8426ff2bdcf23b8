"""What stands around the proxy: variables of other programs, debugging, what callers could fill the metrics with."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import httpx
import pytest

from proxy.upstream.tls import tls_context
from tests.abuse.case import cases
from tests.abuse.contenders import CONTENDERS, PREFIX, Setting
from tests.abuse.scorecard import scored
from tests.abuse.stage import staged
from tests.abuse.wire import exchange
from tests.process import run, running


async def test_what_the_environment_says_of_proxies_and_passwords_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case I69: nobody else is called, no other credential is sent, no session keys are written."""
    netrc, keys = tmp_path / "netrc", tmp_path / "keys"
    netrc.write_text("machine 127.0.0.1 login mine password mine\ndefault login mine password mine\n")
    for name, value in {"NETRC": netrc, "SSLKEYLOGFILE": keys, "HOME": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    # Where nothing listens: a request that went there would fail.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with staged(CONTENDERS["authproxy"]) as stage:
        head = f"GET {PREFIX}/x HTTP/1.1\r\nHost: 127.0.0.1:{stage.setting.port}\r\nConnection: close\r\n\r\n"
        done = await exchange(stage.setting.port, [head.encode()], "GET")
        assert [answer.status for answer in done.answers] == [200]
        assert done.writer is not None
        done.writer.close()
        assert [request.values("authorization") for request in stage.vendor.requests] == [
            [f"Bearer {stage.setting.credential}"]
        ]
    # aiohttp makes contexts of its own when it is imported, and those open the file; ours would write into it.
    assert tls_context().keylog_filename is None
    written = keys.read_text().splitlines() if keys.exists() else []
    assert [line for line in written if not line.startswith("#")] == []


def test_without_the_c_parser_it_does_not_start(tmp_path: Path) -> None:
    """Case I69: the one in Python lets through what the other refuses."""
    config = CONTENDERS["authproxy"](Setting(tmp_path, 0, "http://127.0.0.1:9", "CANARY-never-sent"))[-1]
    done = run("run", "-c", config, environ={"AIOHTTP_NO_EXTENSIONS": "1"})
    assert done.returncode == 1
    assert "unset AIOHTTP_NO_EXTENSIONS" in done.stderr
    assert "Traceback" not in done.stderr
    assert "CANARY" not in done.stderr + done.stdout


async def test_nothing_shows_with_all_debugging_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case F44."""

    def debugged(setting: Setting) -> list[str]:
        return [sys.executable, "-X", "dev", *CONTENDERS["authproxy"](setting)[1:]]

    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    wanted = [case for case in cases() if case.name[0] in "CF" or case.name.startswith(("D35", "A8"))]
    card = await scored("debugged", debugged, wanted)
    assert (card.unsafe, card.inexact) == ({}, {})


async def test_random_paths_hosts_and_methods_make_no_series(tmp_path: Path) -> None:
    """Case F50."""
    setting = Setting(tmp_path, 0, "http://127.0.0.1:9", "CANARY-in-no-metric-51c0")
    config = CONTENDERS["authproxy"](setting)[-1]
    rng = random.Random(50)
    with running("run", "-c", config, secrets=(setting.credential,)) as proxy:
        admin, url = f"http://{proxy.listening['admin']}/metrics", f"http://{proxy.address}"
        async with httpx.AsyncClient(trust_env=False) as client:

            async def series() -> set[str]:
                lines = (await client.get(admin)).text.splitlines()
                return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

            async def ask(prefix: str) -> None:
                word = f"{rng.getrandbits(64):x}CANARYPATH"
                method = rng.choice(["GET", "POST", "PATCH", f"M{rng.getrandbits(20)}"])
                host = rng.choice([proxy.address, f"{word}.test"])
                await client.request(method, f"{url}{prefix}/{word}?{word}", headers={"Host": host, "X-A": word})

            for method in ("GET", "POST", "PATCH", "MKCOL"):
                await client.request(method, f"{url}{PREFIX}/x")
            before = await series()
            for number in range(500):
                await ask("" if number % 2 else PREFIX)
            after = await series()
    assert after == before
    assert not any("CANARYPATH" in name for name in after)
    assert os.fsencode("CANARYPATH") not in proxy.written
