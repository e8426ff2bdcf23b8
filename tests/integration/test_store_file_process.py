"""The command with a token store in a file: killed and started again, as a supervisor does."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from proxy.sandbox import Defactor, One45
from proxy.sandbox.emulator import Emulator
from tests.canaries import leaks
from tests.dying import command
from tests.process import Running, run, running
from tests.sandbox_caller import Reply, post_json
from tests.vendors import canary, sent_credentials

KEY = canary("store key of a process")
ENVIRON = {"STORE_KEY": KEY}
MUTATION = {"query": "mutation { v1Touch }"}


def written(folder: Path, vendor: Emulator, store: str | None = None, **entry: Any) -> str:
    """The path of a configuration with this vendor and a store."""
    config: dict[str, Any] = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "tokens": {"store": store or f"file:{folder}/state/tokens", "key": {"env": "STORE_KEY"}},
        "providers": {"vendor": {**vendor.provider_config(), **entry}},
        "routes": {f"/{vendor.route}": "vendor"},
    }
    if "refresh_token" in entry:
        del config["providers"]["vendor"]["private_key"]
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(config))
    return str(path)


async def ask(proxy: Running) -> Reply:
    address = await asyncio.to_thread(lambda: proxy.address)
    return await post_json(f"http://{address}", "/engage/v1/graphql", MUTATION)


async def keep_asking(proxy: Running) -> None:
    while True:
        await ask(proxy)


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def refresh_tokens(vendor: Defactor) -> list[str]:
    given = [json.loads(received.body)["variables"]["session"] for received in vendor.login_requests]
    return [session["refreshToken"] for session in given if "refreshToken" in session]


@pytest.mark.parametrize(
    "answered", [False, True], ids=["before the vendor judged it", "when its answer was under way"]
)
async def test_kill_9_in_mid_rotation_costs_a_login_and_no_spent_refresh_token(answered: bool, tmp_path: Path) -> None:
    """The new life does not know whether the vendor had the request: it logs in."""
    async with Defactor(token_lifetime=0.3) as vendor:
        path = written(tmp_path, vendor)
        secrets = (KEY, vendor.credentials["private_key"])
        with running("run", "-c", path, environ=ENVIRON, secrets=secrets) as first:
            assert (await ask(first)).status == 200
            vendor.hold_logins.clear()
            # Requests until the token has expired: the last of them waits for the rotation.
            calling = asyncio.create_task(keep_asking(first))
            await until(lambda: refresh_tokens(vendor))
            if answered:
                # It is carried out, but nobody is there any more to read the answer.
                first.process.send_signal(signal.SIGSTOP)
                vendor.hold_logins.set()
                await until(lambda: vendor.restores)
            first.process.kill()
            await asyncio.to_thread(first.process.wait)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            vendor.hold_logins.set()
        with running("run", "-c", path, environ=ENVIRON, secrets=secrets) as second:
            assert (await ask(second)).status == 200
        assert vendor.sessions.reuses == 0
        assert len(set(refresh_tokens(vendor))) == len(refresh_tokens(vendor))
        assert vendor.logins == 2
        content = b"".join(one.read_bytes() for one in (tmp_path / "state").iterdir())
        assert leaks([KEY, *sent_credentials(vendor)], content) == []


# The first write is the login's. Of a rotation the next one marks the refresh token, and the one after it is the outcome.
POINTS: dict[str, tuple[str, str, int, int]] = {
    "before it is marked": ("os.rename", "tokens", 2, 1),
    "marked and not yet sent": ("open", "", 2, 2),
    "answered and not yet written": ("os.rename", "tokens", 3, 2),
    "written and not yet used": ("open", "", 3, 1),
}


@pytest.mark.parametrize("point", POINTS)
async def test_kill_9_at_every_point_of_a_rotation_and_no_spent_refresh_token_is_sent(
    point: str, tmp_path: Path
) -> None:
    """The process ends itself exactly there; its next life serves at once, and logs in if it cannot know."""
    event, name, count, logins = POINTS[point]
    state = tmp_path / "state"
    async with Defactor(token_lifetime=0.9) as vendor:
        path = written(tmp_path, vendor)
        secrets = (KEY, vendor.credentials["private_key"])
        dying = command(event, state / name if name else state, count)
        with running("run", "-c", path, environ=ENVIRON, secrets=secrets, command=dying) as first:
            calling = asyncio.create_task(keep_asking(first))
            await asyncio.to_thread(first.process.wait, 60)
            assert first.process.returncode == -signal.SIGKILL
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        with running("run", "-c", path, environ=ENVIRON, secrets=secrets) as second:
            assert (await ask(second)).status == 200
            figures = await asyncio.to_thread(metrics, second)
        assert vendor.sessions.reuses == 0
        assert len(set(refresh_tokens(vendor))) == len(refresh_tokens(vendor))
        assert vendor.logins == logins
        assert figures["authproxy_token_store_errors_total"] == 0
        assert figures["authproxy_token_fetches_total"] + figures["authproxy_token_adoptions_total"] >= 1


@pytest.mark.parametrize(
    ("point", "works"), [("marked and not yet sent", True), ("answered and not yet written", False)]
)
async def test_kill_9_where_there_is_no_login_and_the_refresh_token_is_tried_once_more_and_no_more(
    point: str, works: bool, tmp_path: Path
) -> None:
    """It is the only way to a token. If it was spent, the one retry tells, and the server is left alone."""
    event, name, count, _ = POINTS[point]
    state = tmp_path / "state"
    async with Defactor(token_lifetime=0.9) as vendor:
        initial = vendor.issue_refresh_token()
        path = written(tmp_path, vendor, refresh_token={"env": "REFRESH"})
        environ = {**ENVIRON, "REFRESH": initial}
        # There is no login's write before those of the first rotation.
        dying = command(event, state / name if name else state, count - 1)
        with running("run", "-c", path, environ=environ, secrets=(KEY, initial), command=dying) as first:
            calling = asyncio.create_task(keep_asking(first))
            await asyncio.to_thread(first.process.wait, 60)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        for _ in range(2):
            with running("run", "-c", path, environ=environ, secrets=(KEY, initial)) as later:
                assert {(await ask(later)).status for _ in range(5)} == {200 if works else 502}
        assert refresh_tokens(vendor).count(initial) == (1 if works else 2)
        assert vendor.sessions.reuses == (0 if works else 1)


async def test_on_a_disk_that_takes_no_byte_requests_go_on_and_it_is_told(tmp_path: Path) -> None:
    """Each renewal is a full login then, since no refresh token is sent that is not marked; and it heals by itself."""
    async with Defactor(token_lifetime=0.9) as vendor:
        path = written(tmp_path, vendor)
        with running("run", "-c", path, environ=ENVIRON, secrets=(KEY,)) as proxy:
            assert (await ask(proxy)).status == 200
            _, hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (0, hard))
            while vendor.logins < 3:
                assert (await ask(proxy)).status == 200
            assert refresh_tokens(vendor) == []
            figures = await asyncio.to_thread(metrics, proxy)
            assert figures["authproxy_token_store_up"] == 0
            assert figures["authproxy_token_store_errors_total"] >= 2
            assert b"token store: file, fails: File too large" in await asyncio.to_thread(
                page, proxy, "/readyz?verbose"
            )
            resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            while not vendor.restores:
                assert (await ask(proxy)).status == 200
            assert (await asyncio.to_thread(metrics, proxy))["authproxy_token_store_up"] == 1
        assert vendor.sessions.reuses == 0


def page(proxy: Running, target: str) -> bytes:
    with urlopen(f"http://{proxy.listening['admin']}{target}") as answer:
        return bytes(answer.read())


def metrics(proxy: Running) -> Counter[str]:
    """The sums over all labels."""
    lines = page(proxy, "/metrics").decode().splitlines()
    figures: Counter[str] = Counter()
    for line in lines:
        series, _, value = line.rpartition(" ")
        if series.startswith("authproxy_token_"):
            figures[series.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return figures


async def test_a_restart_does_not_log_in_while_the_token_lives(tmp_path: Path) -> None:
    """Where a new token kills the old one, that would disturb whoever else has it."""
    async with One45(token_lifetime=60) as vendor:
        path = written(tmp_path, vendor)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            with running("run", "-c", path, environ=ENVIRON) as proxy:
                address = await asyncio.to_thread(lambda proxy=proxy: proxy.address)
                assert (await post_json(f"http://{address}", "/one45/api/v1/x", {})).status == 200
                await asyncio.to_thread(proxy.stop, number)
        assert (vendor.logins, vendor.takeovers) == (1, 0)


async def test_a_second_process_on_the_same_file_says_so_and_ends(tmp_path: Path) -> None:
    async with One45() as vendor:
        path = written(tmp_path, vendor)
        with running("run", "-c", path, environ=ENVIRON) as first:
            await asyncio.to_thread(lambda: first.address)
            second = await asyncio.to_thread(lambda: run("run", "-c", path, environ=ENVIRON))
        assert second.returncode == 1
        assert second.stderr == (
            f"authproxy: the token store {tmp_path}/state/tokens is in use by process {first.process.pid}; "
            "one file serves one process\n"
        )


def check(path: str, environ: Mapping[str, str] = ENVIRON) -> str:
    return run("check", "-c", path, environ=environ).stderr


async def test_check_tells_what_is_wrong_with_a_store_at_its_line(tmp_path: Path) -> None:
    vendor = One45(port=9)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "visible").mkdir(mode=0o755)
    assert "1:83: tokens.store: expected memory, file:/path" in check(written(tmp_path, vendor, "sqlite:/tmp/x"))
    assert "other users can write into" in check(written(tmp_path, vendor, f"file:{tmp_path}/open/tokens"))
    assert "warning: " in (told := check(written(tmp_path, vendor, f"file:{tmp_path}/visible/tokens")))
    assert "other users can look into" in told
    assert "is short" in check(written(tmp_path, vendor), {"STORE_KEY": "short"})
    assert check(written(tmp_path, vendor, "file:" + str(tmp_path / "new" / "tokens"))) == ""
