"""A token store whose key is in the system's keyring: made there, found again, and a clear word where there is none."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.sandbox import One45
from tests.canaries import leaks
from tests.keyrings import FileKeyring, ForgetfulKeyring, LockedKeyring, environ
from tests.process import Running, run, running
from tests.sandbox_caller import Reply, post_json
from tests.vendors import sent_credentials

INSTEAD = "without one, give `tokens.key` as {env: NAME}, {file: PATH} or {exec: [COMMAND]}"


def written(folder: Path, vendor: One45, store: str | None = None, key: Any = "keyring") -> str:
    config = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "tokens": {"store": store or f"file:{folder}/state/tokens", "key": key},
        "providers": {"vendor": vendor.provider_config()},
        "routes": {"/one45": "vendor"},
    }
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(config))
    return str(path)


def key_in(folder: Path) -> str:
    [(name, key)] = json.loads((folder / "keyring.json").read_text()).items()
    assert name == "authproxy/token store"
    return str(key)


async def ask(proxy: Running) -> Reply:
    address = await asyncio.to_thread(lambda: proxy.address)
    return await post_json(f"http://{address}", "/one45/api/v1/x", {})


async def test_a_key_is_made_once_and_the_next_life_reads_what_the_one_before_wrote(tmp_path: Path) -> None:
    async with One45(token_lifetime=60) as vendor:
        path, variables = written(tmp_path, vendor), environ(FileKeyring, tmp_path)
        keys = []
        for _ in range(3):
            with running("run", "-c", path, environ=variables) as proxy:
                assert (await ask(proxy)).status == 200
                assert await asyncio.to_thread(proxy.stop) == 0
            keys.append(key_in(tmp_path))
            assert leaks([keys[0]], proxy.written + proxy.pages) == []
        assert len(set(keys)) == 1 and len(keys[0]) >= 43
        assert vendor.logins == 1
        content = b"".join(one.read_bytes() for one in (tmp_path / "state").iterdir())
        assert leaks([keys[0], *sent_credentials(vendor)], content) == []


async def test_a_key_that_is_gone_is_not_replaced_while_there_is_a_store_that_it_opens(tmp_path: Path) -> None:
    async with One45(token_lifetime=60) as vendor:
        path, variables = written(tmp_path, vendor), environ(FileKeyring, tmp_path)
        with running("run", "-c", path, environ=variables) as proxy:
            assert (await ask(proxy)).status == 200
        (tmp_path / "keyring.json").unlink()
        ended = await asyncio.to_thread(lambda: run("run", "-c", path, environ=variables))
        assert ended.returncode == 1
        assert ended.stderr == (
            f"authproxy: the keyring ({FileKeyring().name}) has no key for the token store that is there: put it back as "
            "the password of `token store` for `authproxy`, or move the store away; then every provider logs in anew\n"
        )
        assert not (tmp_path / "keyring.json").exists()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("keyring.backends.fail.Keyring", f"this machine, or this session, has no keyring; {INSTEAD}"),
        ("keyring.backends.null.Keyring", f"this machine, or this session, has no keyring; {INSTEAD}"),
        (LockedKeyring, f"the keyring cannot be used (KeyringLocked); {INSTEAD}"),
        (ForgetfulKeyring, f"the keyring ({ForgetfulKeyring().name}) does not keep what it is given; {INSTEAD}"),
    ],
)
async def test_without_a_keyring_the_start_says_what_to_write_instead(kind: Any, told: str, tmp_path: Path) -> None:
    """As on a machine without a desktop. No traceback, nothing of what the keyring says, and no file."""
    path = written(tmp_path, One45(port=9))
    ended = await asyncio.to_thread(lambda: run("run", "-c", path, environ=environ(kind, tmp_path)))
    assert (ended.returncode, ended.stderr) == (1, f"authproxy: {told}\n")
    assert not (tmp_path / "state").exists()


async def test_check_asks_no_keyring_and_says_where_one_does_not_help(tmp_path: Path) -> None:
    vendor = One45(port=9)
    variables = environ(LockedKeyring, tmp_path)

    def check(path: str) -> str:
        return run("check", "-c", path, environ=variables).stderr

    assert check(written(tmp_path, vendor)) == ""
    told = check(written(tmp_path, vendor, "redis://127.0.0.1:9/0"))
    assert "tokens.key: a keyring is one machine's own, and all replicas need the same key: give it as a secret" in told
    assert "a secret is not written here as it is" in check(written(tmp_path, vendor, key="keyrings"))
