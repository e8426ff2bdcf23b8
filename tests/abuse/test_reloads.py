"""Reloads under load, and to files that are none (cases 66, 67)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import leaks
from tests.integration.test_reload import Reloadable, reloadable
from tests.raw_upstream import RawUpstream

_CALLERS = 4
_RELOADS = 20


def document(vendor: RawUpstream, key: str, *more: str) -> dict[str, Any]:
    auth = {"scheme": "static", "headers": {"Authorization": {"file": key}}}
    return {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "watch": False},
        "providers": {"acme": {"base_url": vendor.url, "auth": auth}},
        "routes": {"/kept": "acme", **dict.fromkeys(more, "acme")},
    }


def new_key(folder: Path, number: int) -> str:
    key = folder / f"key-{number}"
    key.write_text(f"CANARY-{number}-{secrets.token_hex(12)}")
    key.chmod(0o600)
    return key.read_text()


async def test_a_reload_under_load_fails_nobody_and_ends_the_old_secret(tmp_path: Path) -> None:
    """Case 66: routes come and go and the secret changes with each; who asks after a reload, asks with the new one."""
    keys = [new_key(tmp_path, number) for number in range(_RELOADS + 1)]
    statuses: list[int] = []
    is_over = asyncio.Event()
    async with RawUpstream() as vendor, reloadable(tmp_path, document(vendor, "key-0", "/route-0")) as proxy:

        async def call() -> None:
            while not is_over.is_set():
                statuses.append((await proxy.client.post("/kept/x", content=b"body")).status_code)

        callers = [asyncio.create_task(call()) for _ in range(_CALLERS)]
        for number in range(1, _RELOADS + 1):
            proxy.write(document(vendor, f"key-{number}", f"/route-{number}"))
            assert (await proxy.reload()).status_code == 200
            assert (await proxy.client.get(f"/route-{number}/new")).status_code == 200
            assert (await proxy.client.get(f"/route-{number - 1}/old")).status_code == 404
            sent = [received for received in vendor.requests if received.target == "/new"]
            assert [received.values("authorization") for received in sent[-1:]] == [[keys[number]]]
        is_over.set()
        await asyncio.gather(*callers)
        page = (await proxy.admin.get("/")).content + (await proxy.admin.get("/metrics")).content
    assert len(statuses) > _RELOADS and set(statuses) == {200}
    order = [keys.index(received.values("authorization")[0]) for received in vendor.requests]
    # One that was under way when a reload ended may arrive behind the next one; none does later than that.
    assert all(number >= max(order[: at + 1]) - 1 for at, number in enumerate(order))
    assert not leaks(keys, page + (tmp_path / "log").read_bytes())


def _nonsense(proxy: Reloadable, text: str) -> None:
    proxy.write("providers: [CANARY+TEXT=IN+THE+FILE\n")


def _half(proxy: Reloadable, text: str) -> None:
    proxy.path.write_text(text[: len(text) // 2])


def _no_file(proxy: Reloadable, text: str) -> None:
    proxy.path.unlink()


def _folder(proxy: Reloadable, text: str) -> None:
    """Which nobody can read as a file, root neither."""
    proxy.path.unlink()
    proxy.path.mkdir()


def _empty(proxy: Reloadable, text: str) -> None:
    proxy.write("")


def _no_text(proxy: Reloadable, text: str) -> None:
    proxy.path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))


def _no_secret(proxy: Reloadable, text: str) -> None:
    (proxy.path.parent / "key-0").unlink()


def _a_secret_in_the_wrong_place(proxy: Reloadable, text: str) -> None:
    broken = json.loads(text)
    broken["providers"]["acme"]["auth"]["headers"]["Authorization"] = "CANARY+TEXT=IN+THE+FILE"
    proxy.write(broken)


def _endless(proxy: Reloadable, text: str) -> None:
    proxy.write(text + "#" * 2_000_000)


BREAKS = [_nonsense, _half, _no_file, _folder, _empty, _no_text, _no_secret, _a_secret_in_the_wrong_place, _endless]


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__.strip("_"))
async def test_a_reload_to_what_is_no_configuration_changes_nothing_and_shows_nothing(
    spoil: Callable[[Reloadable, str], None], tmp_path: Path
) -> None:
    """Case 67: the old one stays, the metric says so, and whatever is wrong is told without a secret."""
    key = new_key(tmp_path, 0)
    async with RawUpstream() as vendor:
        text = json.dumps(document(vendor, "key-0"))
        async with reloadable(tmp_path, json.loads(text)) as proxy:
            spoil(proxy, text)
            answer = await proxy.reload()
            assert answer.status_code == 409 and answer.json()["errors"]
            assert await proxy.metric("authproxy_config_last_reload_successful") == 0
            assert (await proxy.client.get("/kept/x")).status_code == 200
            assert vendor.requests[-1].values("authorization") == [key]
            shown = answer.content + (await proxy.admin.get("/")).content + (tmp_path / "log").read_bytes()
            assert not leaks([key, "CANARY+TEXT=IN+THE+FILE"], shown)
            if proxy.path.is_dir():
                proxy.path.rmdir()
            (tmp_path / "key-0").write_text(key)
            proxy.write(text)
            assert (await proxy.reload()).status_code == 200
            assert await proxy.metric("authproxy_config_last_reload_successful") == 1
