"""Several processes of the command upon one Redis, before a vendor where a new token kills the old one."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha1
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from proxy.sandbox import Defactor, One45
from proxy.sandbox.emulator import Emulator
from proxy.tokens.stores import redis_scripts as scripts
from proxy.tokens.stores.redis_store import LEASE
from tests.canaries import leaks
from tests.process import Running, running
from tests.redis_server import RedisServer, redis_server
from tests.relay import PASS, Fault, Relay
from tests.vendors import canary, sent_credentials

KEY = canary("store key of replicas")
LIFETIME = 2.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@contextmanager
def replicas(
    count: int, redis: RedisServer | SimpleNamespace, folder: Path, vendor: Emulator, **entry: Any
) -> Iterator[list[Running]]:
    """So many processes with one configuration, all of them listening."""
    config = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "tokens": {"store": redis.url, "key": {"env": "STORE_KEY"}},
        "providers": {"vendor": {**vendor.provider_config(), **entry}},
        "routes": {"/v": "vendor"},
    }
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(config))
    secrets = (KEY, *(value for name, value in vendor.credentials.items() if name != "address"))
    with ExitStack() as stack:
        yield [
            stack.enter_context(running("run", "-c", str(path), environ={"STORE_KEY": KEY}, secrets=secrets))
            for _ in range(count)
        ]


async def addresses(group: list[Running]) -> list[str]:
    return [await asyncio.to_thread(lambda one=one: f"http://{one.address}") for one in group]


async def metric(client: httpx.AsyncClient, replica: Running, series: str) -> float:
    text = (await client.get(f"http://{replica.listening['admin']}/metrics")).text
    return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(series)))


async def until(holds: object, seconds: float = 10.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", [2, 5])
async def test_a_login_for_each_expiry_whatever_the_number_of_replicas_and_no_failed_client(
    count: int, redis: RedisServer, tmp_path: Path
) -> None:
    async with One45(token_lifetime=LIFETIME) as vendor:
        with replicas(count, redis, tmp_path, vendor) as group:
            urls = await addresses(group)
            async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
                statuses: list[int] = []
                began = time.monotonic()

                async def call(url: str) -> None:
                    while time.monotonic() - began < 4.5 * LIFETIME:
                        statuses.append((await client.post(f"{url}/v/api/v1/x", json={})).status_code)

                await asyncio.gather(*(call(url) for url in urls for _ in range(3)))
                lasted = time.monotonic() - began
                fetched = [await metric(client, one, 'authproxy_token_fetches_total{outcome="ok"') for one in group]
                adopted = [await metric(client, one, "authproxy_token_adoptions_total{") for one in group]
                failed = [
                    await metric(client, one, 'authproxy_token_store_errors_total{operation="write"') for one in group
                ]
        assert set(statuses) == {200} and len(statuses) > 50
        expiries = int(lasted / LIFETIME)
        assert 4 <= vendor.logins <= expiries + 1
        assert sum(fetched) == vendor.logins and failed == [0.0] * count
        assert sum(adopted) >= (count - 1) * 4, "the others took over what one of them got"
        assert leaks([KEY, *sent_credentials(vendor)], redis.everything()) == []


async def test_kill_9_of_the_owner_in_its_login_and_another_replica_takes_over_within_the_lease(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with One45(token_lifetime=60) as vendor:
        with replicas(2, redis, tmp_path, vendor) as group:
            urls = await addresses(group)
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                vendor.hold_logins.clear()
                first = asyncio.create_task(client.get(f"{urls[0]}/v/api/v1/x"))
                await until(lambda: len(vendor.login_requests) == 1)
                second = asyncio.create_task(client.get(f"{urls[1]}/v/api/v1/x"))
                await until(lambda: b":lease" in redis.command("KEYS", "*"))
                group[0].process.kill()
                killed = time.monotonic()
                await asyncio.gather(first, return_exceptions=True)
                await until(lambda: len(vendor.login_requests) == 2, LEASE + 5)
                took_over_after = time.monotonic() - killed
                vendor.hold_logins.set()
                assert (await second).status_code == 200
                assert await metric(client, group[1], 'authproxy_token_fetches_total{outcome="ok"') == 1
                assert await metric(client, group[1], "authproxy_token_adoptions_total{") == 0
                assert await metric(client, group[1], "authproxy_token_waiters{") == 0
        # Half a second to see that the lease is over, and for a busy machine.
        assert took_over_after <= LEASE + 1.0
        assert len(vendor.login_requests) == 2


async def test_kill_9_of_the_owner_in_mid_rotation_and_no_replica_sends_the_spent_refresh_token(
    redis: RedisServer, tmp_path: Path
) -> None:
    mutation = {"query": "mutation { v1Touch }"}
    # No whole number: the vendor's JWTs would begin with a whole second then, and some would live for no time at all.
    async with Defactor(token_lifetime=1.5) as vendor:
        with replicas(2, redis, tmp_path, vendor) as group:
            urls = await addresses(group)
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

                async def mutate(url: str) -> int:
                    return (await client.post(f"{url}/v/v1/graphql", json=mutation)).status_code

                assert [await mutate(url) for url in urls] == [200, 200]
                vendor.hold_logins.clear()

                async def keep_mutating(url: str) -> None:
                    while True:
                        await mutate(url)

                calling = asyncio.create_task(keep_mutating(urls[0]))
                await until(lambda: len(vendor.login_requests) == 2)
                group[0].process.kill()
                await asyncio.gather(calling, return_exceptions=True)
                vendor.hold_logins.set()
                await until(lambda: vendor.restores == 1)
                async with asyncio.timeout(LEASE + 5):
                    while vendor.logins < 2:
                        assert await mutate(urls[1]) == 200
                assert await metric(client, group[1], 'authproxy_token_fetches_total{outcome="ok"') == 1
                assert await metric(client, group[1], "authproxy_token_adoptions_total{") == 1
        assert (vendor.logins, vendor.sessions.reuses) == (2, 0)


async def test_five_replicas_with_a_bad_secret_stay_within_the_budget_of_one(
    redis: RedisServer, tmp_path: Path
) -> None:
    """One refused login for all of them, and one more when all of them are told to try again."""
    async with One45() as vendor:
        with replicas(5, redis, tmp_path, vendor, client_secret={"value": "k6c1f0wrong-and-not-a-secret"}) as group:
            urls = await addresses(group)
            async with httpx.AsyncClient(trust_env=False, timeout=20) as client:

                async def ask_all() -> set[tuple[int, str]]:
                    answers = await asyncio.gather(
                        *(client.get(f"{url}/v/api/v1/x") for url in urls for _ in range(20))
                    )
                    return {(answer.status_code, answer.json()["code"]) for answer in answers}

                for logins in (1, 2):
                    assert await ask_all() == await ask_all() == {(502, "credential_rejected")}
                    assert len(vendor.login_requests) == logins
                    for one in group:
                        told = (await client.get(f"http://{one.listening['admin']}/readyz?verbose")).text
                        assert "vendor refused: 401 from its login endpoint" in told
                    for replica in group:
                        replica.process.send_signal(signal.SIGHUP)
                    for replica in group:
                        await until(lambda r=replica, n=logins: "".join(r.err).count("configuration reloaded") == n)
                refused = [
                    await metric(client, one, 'authproxy_token_fetches_total{outcome="refused"') for one in group
                ]
                assert sum(refused) == 2
        assert vendor.api_requests == []


async def test_redis_that_dies_under_way_fails_no_client_until_the_token_does(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Then 503 with Retry-After, and no login: it would kill a token that another replica may have."""
    async with One45(token_lifetime=LIFETIME) as vendor:
        with replicas(2, redis, tmp_path, vendor) as group:
            urls = await addresses(group)
            async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
                assert [(await client.get(f"{url}/v/api/v1/x")).status_code for url in urls] == [200, 200]
                redis.stop()
                answers = []
                async with asyncio.timeout(4 * LIFETIME):
                    while not answers or answers[-1].status_code == 200:
                        answers.append(await client.get(f"{urls[0]}/v/api/v1/x"))
                refused = answers[-1]
                assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
                assert refused.json()["code"] == "credential_unavailable"
                assert await metric(client, group[0], "authproxy_token_store_up{") == 0
                told = await client.get(f"http://{group[0].listening['admin']}/readyz?verbose")
                assert told.status_code == 200
                assert "token store: redis, fails: it cannot be reached" in told.text
                assert vendor.logins == 1
                redis.start()
                async with asyncio.timeout(20):
                    while (await client.get(f"{urls[1]}/v/api/v1/x")).status_code != 200:
                        await asyncio.sleep(0.05)
        assert vendor.logins == 2


# Of the script that writes: eleven words, and its hash.
WRITE = b"*11\r\n$7\r\nEVALSHA\r\n$40\r\n" + sha1(scripts.WRITE.encode()).hexdigest().encode()
NEVER_ARRIVES = Fault(takes_request=False, ending="silence")
NO_ANSWER = Fault(answer_bytes=0, ending="silence")
# What befalls the writes of a rotation: the mark, and the outcome. And how many logins there were in the end.
POINTS: dict[str, tuple[list[Fault], int]] = {
    "before it is marked": ([NEVER_ARRIVES], 1),
    "marked and not yet sent": ([NO_ANSWER], 2),
    "answered and not yet written": ([PASS, NEVER_ARRIVES], 2),
    "written and not yet used": ([PASS, NO_ANSWER], 1),
}


@pytest.mark.parametrize("point", POINTS)
async def test_kill_9_at_every_point_of_a_rotation_and_no_replica_sends_a_spent_refresh_token(
    point: str, redis: RedisServer, tmp_path: Path
) -> None:
    faults, logins = POINTS[point]
    mutation = {"query": "mutation { v1Touch }"}
    async with Defactor(token_lifetime=1.5) as vendor, Relay(redis.port) as relay:
        way = SimpleNamespace(url=f"redis://127.0.0.1:{relay.port}/0")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

            async def mutate(url: str) -> int:
                return (await client.post(f"{url}/v/v1/graphql", json=mutation)).status_code

            async def keep_mutating(url: str) -> None:
                while True:
                    await mutate(url)

            with replicas(1, way, tmp_path, vendor) as [dying]:
                [url] = await addresses([dying])
                assert await mutate(url) == 200
                relay.befall(*faults, when=WRITE)
                calling = asyncio.create_task(keep_mutating(url))
                await until(lambda: not relay.faults_left, 30)
                # Once the fault has befallen it, and before the proxy gives Redis up.
                await until(lambda: point != "answered and not yet written" or vendor.restores == 1)
                dying.process.kill()
                await asyncio.to_thread(dying.process.wait)
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
            with replicas(1, redis, tmp_path, vendor) as [other]:
                [url] = await addresses([other])
                assert await mutate(url) == 200
                fetched = await metric(client, other, 'authproxy_token_fetches_total{outcome="ok"')
                adopted = await metric(client, other, "authproxy_token_adoptions_total{")
                assert fetched + adopted >= 1
    sent = [
        session["refreshToken"]
        for received in vendor.login_requests
        if "refreshToken" in (session := json.loads(received.body)["variables"]["session"])
    ]
    assert vendor.sessions.reuses == 0 and len(sent) == len(set(sent))
    assert vendor.logins == logins


async def test_a_redis_that_swallows_every_command_delays_one_request_and_fails_none(
    redis: RedisServer, tmp_path: Path
) -> None:
    """As behind a firewall that drops: an ordinary provider goes on by itself, and the metrics tell."""
    mutation = {"query": "mutation { v1Touch }"}
    async with Defactor(token_lifetime=1.5) as vendor, Relay(redis.port) as relay:
        way = SimpleNamespace(url=f"redis://127.0.0.1:{relay.port}/0")
        with replicas(1, way, tmp_path, vendor) as [replica]:
            [url] = await addresses([replica])
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

                async def mutate() -> int:
                    return (await client.post(f"{url}/v/v1/graphql", json=mutation)).status_code

                assert await mutate() == 200
                relay.befall(*[NEVER_ARRIVES] * 200)
                while vendor.logins < 3:
                    assert await mutate() == 200
                assert await metric(client, replica, "authproxy_token_store_up{") == 0
                assert await metric(client, replica, 'authproxy_token_store_errors_total{operation="read"') >= 1
                relay.faults_left.clear()
                async with asyncio.timeout(30):
                    while await metric(client, replica, "authproxy_token_store_up{") == 0:
                        assert await mutate() == 200
        assert vendor.sessions.reuses == 0
