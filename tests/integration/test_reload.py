"""A reload: atomic, quick, and unseen by callers; and the files that bring one about."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from proxy.app import App
from proxy.clock import Clock
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.logs import configure
from tests.canaries import issued, leaks
from tests.clock import FakeClock
from tests.raw_upstream import RawUpstream, Received, read_body

SECRETS = tuple(f"CANARY-{name}-reload" for name in ("first-5e1d", "second-9b2c", "third-77aa"))
FIRST, SECOND, THIRD = SECRETS


@dataclass
class Vendor:
    """Gives `token-N` for the `password` of its login, and answers with the token that a request carried."""

    password: str = FIRST
    logins: int = 0
    refused: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    upstream: RawUpstream = field(default_factory=RawUpstream)

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        if received.target.endswith("/held"):
            self.arrived.set()
            await self.held.wait()
        status, body = 200, " ".join(received.values("authorization")).encode()
        if received.target == "/login":
            is_right = json.loads(received.body)["password"] == self.password
            self.logins, self.refused = self.logins + is_right, self.refused + (not is_right)
            status = 200 if is_right else 401
            body = json.dumps({"access_token": f"token-{self.logins}", "expires_in": 3600}).encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


@dataclass
class Reloadable:
    app: App
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    path: Path

    def write(self, document: dict[str, Any] | str) -> None:
        """As a careful editor does, in one step."""
        text = document if isinstance(document, str) else json.dumps(document)
        other = self.path.with_name("new")
        other.write_text(text)
        other.rename(self.path)

    async def reload(self) -> httpx.Response:
        token = self.app.admin_token.reveal()
        return await self.admin.post("/reload", headers={"Authorization": f"Bearer {token}"})

    async def metric(self, series: str) -> float:
        text = (await self.admin.get("/metrics")).text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(series + " ")), -1.0)

    async def until(self, series: str, value: float) -> None:
        async with asyncio.timeout(15):
            while await self.metric(series) < value:
                await asyncio.sleep(0.01)


def config(vendor: Vendor, secret: Any, **routes: Any) -> dict[str, Any]:
    login = {"path": "/login", "json": {"password": "{{p}}"}}
    auth = {"scheme": "token_exchange", "variables": {"p": secret}, "login": login}
    return {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "watch": False},
        "providers": {"acme": {"base_url": vendor.url, "auth": auth}},
        "routes": routes or {"/acme": "acme"},
    }


@asynccontextmanager
async def vendor_at() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    vendor.upstream.respond = vendor.respond
    async with vendor.upstream:
        vendor.url = vendor.upstream.url
        yield vendor
        vendor.held.set()


@asynccontextmanager
async def reloadable(
    folder: Path, document: dict[str, Any], *, clock: Clock | None = None, environ: dict[str, str] | None = None
) -> AsyncIterator[Reloadable]:
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(document))
    log = (folder / "log").open("w+")
    environ = environ if environ is not None else {"PATH": os.environ["PATH"]}

    def read(running: Settings | None) -> Settings:
        return load(path, environ, running=running)

    log_lines = configure(log, json=True)
    app = App(read(None), log_lines, clock, read, seconds_between_looks=0.02)
    await app.start()
    calling = {"trust_env": False, "timeout": 20}
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://{app.address}", **calling) as client,
            httpx.AsyncClient(base_url=f"http://{app.admin_address}", **calling) as admin,
        ):
            yield Reloadable(app, client, admin, path)
            tokens = issued()
    finally:
        await app.stop(1)
        log_lines.flush()
        written = (folder / "log").read_bytes()
        log.close()
    assert not leaks((*SECRETS, app.admin_token.reveal(), *tokens), written)


# --- What a reload does -------------------------------------------------------------------------------------


async def test_a_hundred_reloads_under_load_fail_no_request_and_log_in_once(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        async with reloadable(tmp_path, document) as proxy:
            answers: list[tuple[int, str]] = []
            is_over = asyncio.Event()

            async def call() -> None:
                while not is_over.is_set():
                    answer = await proxy.client.post("/acme/x", content=b"body")
                    answers.append((answer.status_code, answer.text))

            callers = [asyncio.create_task(call()) for _ in range(8)]
            for number in range(100):
                proxy.write(document | {"routes": {"/acme": "acme", f"/more-{number}": "acme"}})
                assert (await proxy.reload()).json() == {
                    "reloaded": True, "errors": [], "warnings": [], "routes": 2, "providers": 1,
                }  # fmt: skip
                assert (await proxy.client.get(f"/more-{number}/x")).status_code == 200
            is_over.set()
            await asyncio.gather(*callers)
            assert await proxy.metric('authproxy_config_reloads_total{outcome="ok"}') == 100
    assert len(answers) > 200
    assert set(answers) == {(200, "Bearer token-1")}
    assert vendor.logins == 1


def objects_of_ours() -> int:
    gc.collect()
    return sum(str(type(one).__module__).startswith("proxy.") for one in gc.get_objects())


async def test_two_hundred_reloads_with_ever_new_secrets_leave_nothing_behind(tmp_path: Path) -> None:
    """Credentials, their tokens, connections, clocks and open files of earlier configurations go."""
    async with vendor_at() as vendor:

        def document(number: int) -> dict[str, Any]:
            vendor.password = f"{SECOND}-{number}"
            made = config(vendor, {"value": vendor.password})
            made["providers"]["acme"]["base_url"] = f"{vendor.url}/v{number}"
            made["providers"]["acme"]["auth"]["login"] = {"url": f"{vendor.url}/login", "json": {"password": "{{p}}"}}
            return made

        async with reloadable(tmp_path, document(0)) as proxy:

            async def again(number: int) -> None:
                proxy.write(document(number))
                assert (await proxy.reload()).status_code == 200
                assert (await proxy.client.get("/acme/x")).text == f"Bearer token-{number + 1}"

            await proxy.client.get("/acme/x")
            for number in range(1, 10):
                await again(number)
            objects, files = objects_of_ours(), len(os.listdir("/proc/self/fd"))
            for number in range(10, 210):
                await again(number)
            assert len(proxy.app.tokens.credentials) == 1
            assert objects_of_ours() - objects < 20
            assert len(os.listdir("/proc/self/fd")) - files < 10
    assert vendor.logins == 210


async def test_a_wrong_configuration_changes_nothing_and_each_mistake_is_told_as_check_would(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        async with reloadable(tmp_path, document) as proxy:
            loaded_at = await proxy.metric("authproxy_config_last_reload_success_timestamp_seconds")
            assert loaded_at > 0
            broken = document | {"routes": {"/acme": "none", "/b": {"provider": "acme", "methd": [SECOND]}}}
            proxy.write(broken)
            answer = await proxy.reload()
            assert answer.status_code == 409
            report = answer.json()
            assert not report["reloaded"]
            assert [error["path"] for error in report["errors"]] == ["routes./acme", "routes./b.methd"]
            assert all(error["file"] == str(proxy.path) and error["line"] == 1 for error in report["errors"])
            assert "did you mean" in report["errors"][1]["message"]
            assert not leaks(SECRETS, answer.content)
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            assert await proxy.metric("authproxy_config_last_reload_successful") == 0
            assert await proxy.metric("authproxy_config_last_reload_success_timestamp_seconds") == loaded_at
            proxy.write(document)
            assert (await proxy.reload()).status_code == 200
            assert await proxy.metric("authproxy_config_last_reload_successful") == 1
            assert await proxy.metric("authproxy_config_last_reload_success_timestamp_seconds") > loaded_at
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert [event.partition(",")[0] for event in events if "configuration" in event] == [
        "configuration not reloaded", "configuration reloaded",
    ]  # fmt: skip


async def test_a_request_that_is_under_way_ends_with_what_it_began_with(tmp_path: Path) -> None:
    """Its provider is gone, its credential is changed; its answer comes."""
    async with vendor_at() as vendor, reloadable(tmp_path, config(vendor, {"value": FIRST})) as proxy:
        held = asyncio.create_task(proxy.client.get("/acme/held"))
        await vendor.arrived.wait()
        vendor.password = SECOND
        changed = config(vendor, {"value": SECOND}, **{"/other": "other"})
        changed["providers"] = {"other": changed["providers"]["acme"]}
        proxy.write(changed)
        assert (await proxy.reload()).status_code == 200
        assert (await proxy.client.get("/other/x")).text == "Bearer token-2"
        assert (await proxy.client.get("/acme/x")).status_code == 404
        vendor.held.set()
        assert (await held).text == "Bearer token-1"
        metrics = (await proxy.admin.get("/metrics")).text
        assert 'token_expiry_timestamp_seconds{provider="acme"}' not in metrics, "an alert would fire for ever"
        assert 'token_expiry_timestamp_seconds{provider="other"}' in metrics


async def test_who_waited_for_a_connection_stays_counted(tmp_path: Path) -> None:
    """The new configuration has pools of its own; a counter that falls back looks like a restart."""
    series = 'authproxy_upstream_waits_total{provider="acme"}'
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["providers"]["acme"]["max_connections"] = 1
        async with reloadable(tmp_path, document) as proxy:
            asked = [asyncio.create_task(proxy.client.get("/acme/held")) for _ in range(2)]
            await proxy.until('authproxy_upstream_waiting{provider="acme"}', 1)
            vendor.held.set()
            await asyncio.gather(*asked)
            assert await proxy.metric(series) == 1
            for most in (2, 3):
                document["providers"]["acme"]["max_connections"] = most
                proxy.write(document)
                assert (await proxy.reload()).status_code == 200
                assert await proxy.metric(series) == 1


async def test_a_provider_that_did_not_change_keeps_its_connections(tmp_path: Path) -> None:
    """The idle one and the one in use, whatever else changes: beside it another provider, its routes, the server."""
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        async with reloadable(tmp_path, document) as proxy:
            held = asyncio.create_task(proxy.client.get("/acme/held"))
            await vendor.arrived.wait()
            await proxy.client.get("/acme/x")
            # Beside the login's own.
            assert vendor.upstream.connections == 3
            for number in range(5):
                changed = config(vendor, {"value": FIRST}, **{"/acme": "acme", f"/other-{number}": "other"})
                other = config(vendor, {"value": FIRST})["providers"]["acme"] | {"connect_timeout": number + 1}
                changed["providers"] = {"other": other, **changed["providers"]}
                changed["server"]["max_connections"] = 100 + number
                proxy.write(changed)
                assert (await proxy.reload()).status_code == 200
                assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            assert vendor.upstream.connections == 3
            vendor.held.set()
            assert (await held).text == "Bearer token-1"
            await asyncio.gather(*(proxy.client.get("/acme/x") for _ in range(2)))
            assert vendor.upstream.connections == 3, "the one that was in use is kept, too"


CHANGES: dict[str, dict[str, Any]] = {
    "its headers": {"drop_headers": ["X-Unwanted"]},
    "a limit": {"max_connections": 7},
    "a time": {"connect_timeout": 3},
    "its policy": {"refresh_margin": 3},
}


@pytest.mark.parametrize("change", [*CHANGES, "its secret"])
async def test_a_provider_that_changed_uses_no_connection_from_before(change: str, tmp_path: Path) -> None:
    """The idle one is closed at once, the one in use after its answer: some vendors bind a login to a connection."""
    async with vendor_at() as vendor, reloadable(tmp_path, config(vendor, {"value": FIRST})) as proxy:
        held = asyncio.create_task(proxy.client.get("/acme/held"))
        await vendor.arrived.wait()
        await proxy.client.get("/acme/x")
        before = {received.connection for received in vendor.upstream.requests}
        vendor.password = FIRST if change in CHANGES else SECOND
        document = config(vendor, {"value": vendor.password})
        entry = document["providers"]["acme"]
        entry.update(CHANGES.get(change, {}))
        proxy.write(document)
        assert (await proxy.reload()).status_code == 200
        vendor.held.set()
        assert (await held).status_code == 200
        for _ in range(3):
            assert (await proxy.client.get("/acme/x")).status_code == 200
            assert vendor.upstream.requests[-1].connection not in before


async def test_a_certificate_that_changed_in_its_file_ends_the_connections_that_trusted_the_old_one(
    tmp_path: Path,
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["providers"]["acme"]["ca_file"] = "ca.pem"
        async with reloadable(tmp_path, document) as proxy:
            connections = []
            for is_changed in (False, False, True):
                if is_changed:
                    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
                assert (await proxy.reload()).status_code == 200
                assert (await proxy.client.get("/acme/x")).status_code == 200
                connections.append(vendor.upstream.requests[-1].connection)
            assert connections[0] == connections[1] != connections[2]


async def test_a_caller_who_waits_for_a_login_gets_its_token_though_the_credential_is_gone(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["providers"]["acme"]["auth"]["login"]["path"] = "/login/held"
        async with reloadable(tmp_path, document) as proxy:
            waiting = asyncio.create_task(proxy.client.get("/acme/x"))
            await vendor.arrived.wait()
            changed = config(vendor, {"value": FIRST})
            proxy.write(changed)
            assert (await proxy.reload()).status_code == 200
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            vendor.held.set()
            # The held path answers with what it was sent, which is no JSON: the login fails, and says so.
            assert (await waiting).status_code == 503


async def test_secrets_from_commands_are_read_again_and_hold_nobody_up(tmp_path: Path) -> None:
    """A command may take its time: requests go on meanwhile, and the reload asked for by two is done for both."""
    async with vendor_at() as vendor:
        gate, source = tmp_path / "gate", tmp_path / "source"
        os.mkfifo(gate)
        source.write_text(FIRST)
        script = tmp_path / "print.sh"
        script.write_text(f"#!/bin/sh\n[ -e {tmp_path}/slow ] && read line < {gate}\ncat {source}\n")
        script.chmod(0o755)
        async with reloadable(tmp_path, config(vendor, {"exec": ["./print.sh"]})) as proxy:
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            (tmp_path / "slow").touch()
            vendor.password = SECOND
            source.write_text(SECOND)
            reloads = [asyncio.create_task(proxy.reload()) for _ in range(2)]
            for _ in range(20):
                assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            (tmp_path / "slow").unlink()
            await asyncio.to_thread(gate.write_text, "go\n")
            assert [(await one).status_code for one in reloads] == [200, 200]
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-2"
    assert vendor.refused == 0


@pytest.mark.parametrize("source", ["exec", "file"])
async def test_a_secret_whose_source_fails_for_a_while_is_taken_when_it_works_again(
    source: str, tmp_path: Path
) -> None:
    """The old one serves meanwhile. No file that is watched changes, and nobody asks."""
    secret = tmp_path / "secret"
    secret.write_text(FIRST)
    async with vendor_at() as vendor:
        reference = {"exec": ["cat", str(secret)]} if source == "exec" else {"file": str(secret)}
        async with reloadable(tmp_path, config(vendor, reference)) as proxy:
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            secret.unlink()
            reported = (await proxy.reload()).json()
            assert reported["reloaded"] is False and len(reported["errors"]) == 1
            await proxy.until('authproxy_config_reloads_total{outcome="failed"}', 3)
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            assert await proxy.metric("authproxy_config_last_reload_successful") == 0
            vendor.password = SECOND
            secret.write_text(SECOND)
            await proxy.until("authproxy_config_last_reload_successful", 1)
            assert (await proxy.client.get("/acme/x")).text in ("Bearer token-1", "Bearer token-2")
            assert vendor.refused == 0


async def test_whoever_asks_during_a_reload_gets_one_that_saw_his_change(tmp_path: Path) -> None:
    """And however many ask, the one under way is followed by one more."""
    async with vendor_at() as vendor:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        script = tmp_path / "print.sh"
        script.write_text(f"#!/bin/sh\n[ -e {tmp_path}/slow ] && read line < {gate}\necho {FIRST}\n")
        script.chmod(0o755)
        document = config(vendor, {"exec": ["./print.sh"]})
        async with reloadable(tmp_path, document) as proxy:
            (tmp_path / "slow").touch()
            first = asyncio.create_task(proxy.reload())
            opened = await asyncio.to_thread(gate.open, "w")  # Returns when the command reads it.
            (tmp_path / "slow").unlink()
            proxy.write(document | {"routes": {"/later": "acme"}})
            later = [asyncio.create_task(proxy.reload()) for _ in range(5)]
            await proxy.admin.get("/livez")
            opened.write("go\n")
            opened.close()
            await first
            assert [(await one).json()["reloaded"] for one in later] == [True] * 5
            assert (await proxy.client.get("/later/x")).status_code == 200
            assert await proxy.metric('authproxy_config_reloads_total{outcome="ok"}') == 2


async def test_a_mended_secret_ends_the_cool_down_of_the_refused_one(tmp_path: Path) -> None:
    """A new secret is a new credential: nothing that the old one earned holds it up."""
    async with vendor_at() as vendor:
        (tmp_path / "secret").write_text(SECOND)
        async with reloadable(tmp_path, config(vendor, {"file": "secret"}), clock=FakeClock()) as proxy:
            for _ in range(3):
                assert (await proxy.client.get("/acme/x")).status_code == 502
            assert vendor.refused == 1
            assert (await proxy.admin.get("/readyz")).status_code == 503
            (tmp_path / "secret").write_text(FIRST)
            assert (await proxy.reload()).status_code == 200
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            assert (await proxy.admin.get("/readyz")).status_code == 200


async def test_a_person_who_reloads_ends_a_cool_down_and_a_changed_file_does_not(tmp_path: Path) -> None:
    """A person may have mended something at the vendor's. A file that changes every minute must not spend the budget."""
    async with vendor_at() as vendor:
        document = config(vendor, {"value": SECOND})
        document["server"]["watch"] = True
        async with reloadable(tmp_path, document, clock=FakeClock()) as proxy:
            assert (await proxy.client.get("/acme/x")).status_code == 502
            proxy.write(document | {"routes": {"/acme": "acme", "/more": "acme"}})
            await proxy.until('authproxy_config_reloads_total{outcome="ok"}', 1)
            assert (await proxy.client.get("/acme/x")).status_code == 502
            assert vendor.refused == 1
            await proxy.reload()
            assert (await proxy.client.get("/acme/x")).status_code == 502
            assert vendor.refused == 2


# --- Files --------------------------------------------------------------------------------------------------


def mounted(folder: Path, number: int, secret: str) -> None:
    """Put a file into place as Kubernetes' atomic writer does: a new folder, and `..data` pointed at it."""
    version = folder / f"..version_{number}"
    version.mkdir()
    (version / "secret").write_text(secret)
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "secret").is_symlink():
        (folder / "secret").symlink_to("..data/secret")
    if number:
        before = folder / f"..version_{number - 1}"
        (before / "secret").unlink()
        before.rmdir()


async def test_a_secret_that_kubernetes_swaps_is_taken_and_the_old_credential_is_let_go(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        mount = tmp_path / "mount"
        mount.mkdir()
        mounted(mount, 0, FIRST)
        document = config(vendor, {"file": "mount/secret"})
        document["server"]["watch"] = True
        async with reloadable(tmp_path, document) as proxy:
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            for number, secret in enumerate((SECOND, THIRD), 1):
                vendor.password = secret
                mounted(mount, number, secret)
                await proxy.until('authproxy_config_reloads_total{outcome="ok"}', number)
                assert (await proxy.client.get("/acme/x")).text == f"Bearer token-{number + 1}"
            assert len(proxy.app.tokens.credentials) == 1
    assert vendor.refused == 0


def by_rename(proxy: Reloadable, text: str) -> None:
    proxy.write(text)


def in_place(proxy: Reloadable, text: str) -> None:
    proxy.path.write_text(text)


def in_two_steps(proxy: Reloadable, text: str) -> None:
    proxy.path.unlink()
    proxy.path.write_text(text)


def through_a_symlink(proxy: Reloadable, text: str) -> None:
    (target := proxy.path.with_name("target")).write_text(text)
    proxy.path.unlink()
    proxy.path.symlink_to(target)


@pytest.mark.parametrize("write", [by_rename, in_place, in_two_steps, through_a_symlink])
async def test_a_changed_configuration_is_taken_however_it_was_written(
    write: Callable[[Reloadable, str], None], tmp_path: Path
) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["server"]["watch"] = True
        async with reloadable(tmp_path, document) as proxy:
            for number in (1, 2):
                write(proxy, json.dumps(document | {"routes": {f"/v{number}": "acme"}}))
                await proxy.until('authproxy_config_reloads_total{outcome="ok"}', number)
                assert (await proxy.client.get(f"/v{number}/x")).text == "Bearer token-1"


async def test_half_a_file_leaves_the_old_one_in_use_and_one_line_and_the_next_change_is_tried(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["server"]["watch"] = True
        text = json.dumps(document | {"routes": {"/new": "acme"}})
        async with reloadable(tmp_path, document) as proxy:
            proxy.path.write_text(text[: len(text) // 2])
            await proxy.until('authproxy_config_reloads_total{outcome="failed"}', 1)
            assert (await proxy.client.get("/acme/x")).text == "Bearer token-1"
            proxy.path.write_text(text)
            await proxy.until('authproxy_config_reloads_total{outcome="ok"}', 1)
            assert (await proxy.client.get("/new/x")).text == "Bearer token-1"
            assert await proxy.metric('authproxy_config_reloads_total{outcome="failed"}') == 1
    assert (tmp_path / "log").read_text().count("configuration not reloaded") == 1


async def test_a_configuration_put_back_as_it_was_is_a_good_one_again(tmp_path: Path) -> None:
    """Not only what differs from the one in use counts, but what differs from the one that was tried."""
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["server"]["watch"] = True
        async with reloadable(tmp_path, document) as proxy:
            proxy.write("nonsense")
            await proxy.until('authproxy_config_reloads_total{outcome="failed"}', 1)
            proxy.write(document)
            await proxy.until("authproxy_config_last_reload_successful", 1)


async def test_a_file_in_a_folder_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        document["server"]["watch"] = True
        async with reloadable(tmp_path, document) as proxy:
            later = config(vendor, {"file": "later/secret"})
            later["server"]["watch"] = True
            proxy.write(later)
            await proxy.until('authproxy_config_reloads_total{outcome="failed"}', 1)
            (tmp_path / "later").mkdir()
            (tmp_path / "later" / "secret").write_text(FIRST)
            await proxy.until('authproxy_config_reloads_total{outcome="ok"}', 1)


async def test_files_are_not_watched_where_the_configuration_says_so(tmp_path: Path) -> None:
    """And watched again from the reload on that says otherwise."""
    async with vendor_at() as vendor:
        document = config(vendor, {"value": FIRST})
        async with reloadable(tmp_path, document) as proxy:
            assert "authproxy watch" not in {task.get_name() for task in asyncio.all_tasks()}
            document["server"]["watch"] = True
            proxy.write(document)
            await proxy.reload()
            proxy.write(document | {"routes": {"/new": "acme"}})
            await proxy.until('authproxy_config_reloads_total{outcome="ok"}', 2)
            document["server"]["watch"] = False
            proxy.write(document)
            await proxy.until('authproxy_config_reloads_total{outcome="ok"}', 3)
            await asyncio.sleep(0)
            assert "authproxy watch" not in {task.get_name() for task in asyncio.all_tasks()}
