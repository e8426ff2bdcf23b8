"""One45 through the whole proxy: a new token kills the old one, so that each test counts logins."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from proxy.sandbox import One45
from tests.clock import FakeClock
from tests.sandbox_caller import post_json
from tests.vendors import JSON, ask, behind, canary, is_the_vendors, until

CREDENTIALS = {"client_key": canary("one45 key"), "client_secret": canary("one45 secret")}
HOUR = 3600.0
LOGIN = {"client_key": CREDENTIALS["client_key"], "client_secret": CREDENTIALS["client_secret"]}


def one45(clock: FakeClock | None = None, token_lifetime: float = 4 * HOUR) -> One45:
    return One45(clock=clock, token_lifetime=token_lifetime, credentials=CREDENTIALS)


def entry_of_a_twin(**more: Any) -> dict[str, Any]:
    return {
        "preset": "one45",
        "base_url": "$url",
        **{key: {"value": value} for key, value in CREDENTIALS.items()},
        **more,
    }


async def test_the_login_is_a_bare_json_post_with_client_key_and_client_secret() -> None:
    vendor = one45()
    async with behind(vendor) as proxy:
        assert (
            await ask(proxy, "GET", "/one45/api/v1/x", [("Authorization", "Bearer mine"), ("Cookie", "a=b")])
        ).status == 200
    [login] = vendor.login_requests
    assert (login.method, login.target) == ("POST", b"/public/api/v1/token/generate")
    assert json.loads(login.body) == LOGIN
    sent = {name.decode().lower() for name, _ in login.headers}
    assert sent == {"host", "accept", "user-agent", "content-type", "content-length", "connection"}


async def test_the_token_serves_for_four_hours_and_is_not_replaced_ahead_of_time() -> None:
    """The answer names no lifetime; a token fetched early would kill the one that requests under way have."""
    clock = FakeClock()
    vendor = one45(clock)
    async with behind(vendor, {"token_lifetime": None}, clock=clock) as proxy:
        for step in (0, HOUR, HOUR, HOUR, HOUR - 10):
            clock.advance(step)
            assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
        assert vendor.logins == 1
        clock.advance(10)
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
    assert (vendor.logins, vendor.takeovers) == (2, 0)
    assert {received.status for received in vendor.api_requests} == {200}


async def test_one_login_serves_however_many_requests_routes_and_names_wait() -> None:
    """Two hundred requests over three routes of one provider and two more providers with the same key."""
    vendor = one45()
    routes = {
        "/one45": "vendor",
        "/one45/b": "vendor",
        "/c": {"provider": "vendor", "methods": ["GET"]},
        "/d": "twin",
        "/e": "other",
    }
    twins = {"twin": entry_of_a_twin(), "other": entry_of_a_twin(token_lifetime="2h")}
    async with behind(vendor, routes=routes, more_providers=twins) as proxy:
        vendor.hold_logins.clear()
        prefixes = [*routes] * 40
        waiting = [asyncio.create_task(ask(proxy, "GET", f"{prefix}/api/v1/x")) for prefix in prefixes]
        await until(lambda: vendor.login_requests)
        await until(lambda: proxy.app._gateway.in_flight == 200)
        vendor.hold_logins.set()
        answers = await asyncio.gather(*waiting)
    assert [answer.status for answer in answers] == [200] * 200
    assert (vendor.logins, vendor.takeovers) == (1, 0)
    assert len({received.values("Authorization") for received in vendor.api_requests}) == 1


async def test_a_token_that_somebody_elses_login_killed_costs_one_login_and_no_failed_client() -> None:
    vendor = one45()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
        assert (await post_json(vendor.url, "/public/api/v1/token/generate", LOGIN)).status == 200
        assert vendor.takeovers == 1
        answers = await asyncio.gather(*(ask(proxy, "POST", "/one45/api/v1/x", [JSON], b"{}") for _ in range(100)))
    assert [answer.status for answer in answers] == [200] * 100
    assert (vendor.logins, vendor.takeovers) == (3, 2)
    accepted = [received for received in vendor.api_requests if received.status == 200]
    assert len(accepted) == 101


async def test_two_hundred_requests_under_way_when_the_token_expires_cost_one_login() -> None:
    """The vendor judges them only after the expiry: each is sent once more, and each POST is carried out once."""
    clock = FakeClock()
    vendor = one45(clock)
    async with behind(vendor, clock=clock) as proxy:
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
        vendor.hold.clear()
        waiting = [asyncio.create_task(ask(proxy, "POST", "/one45/api/v1/x", [JSON], b"{}")) for _ in range(200)]
        await until(lambda: len(vendor.api_requests) == 201)
        clock.advance(4 * HOUR)
        vendor.hold.set()
        answers = await asyncio.gather(*waiting)
    assert [answer.status for answer in answers] == [200] * 200
    assert (vendor.logins, vendor.takeovers) == (2, 0)
    assert sum(received.verdict == "ok" for received in vendor.api_requests) == 201


async def test_two_hundred_requests_under_way_when_the_token_is_revoked_cost_one_login() -> None:
    vendor = one45()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
        vendor.hold.clear()
        waiting = [asyncio.create_task(ask(proxy, "POST", "/one45/api/v1/x", [JSON], b"{}")) for _ in range(200)]
        await until(lambda: len(vendor.api_requests) == 201)
        vendor.revoke_tokens()
        vendor.hold.set()
        answers = await asyncio.gather(*waiting)
    assert [answer.status for answer in answers] == [200] * 200
    assert vendor.logins == 2
    assert sum(received.verdict == "ok" for received in vendor.api_requests) == 201


async def test_a_swap_lets_the_requests_that_have_the_old_token_be_judged_first() -> None:
    """By the proxy's configuration the token is due, by the vendor's it would still live: no request meets a dead one."""
    vendor, clock = one45(), FakeClock()
    async with behind(vendor, clock=clock) as proxy:
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200
        vendor.hold.clear()
        early = [asyncio.create_task(ask(proxy, "GET", "/one45/api/v1/x")) for _ in range(50)]
        await until(lambda: len(vendor.api_requests) == 51)
        clock.advance(4 * HOUR - 1)
        late = [asyncio.create_task(ask(proxy, "GET", "/one45/api/v1/x")) for _ in range(50)]
        await until(lambda: proxy.app._gateway.in_flight == 100)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(vendor.login_requests) == 1
        vendor.hold.set()
        answers = await asyncio.gather(*early, *late)
        [credential] = proxy.app.tokens.credentials
        assert [credential._holders[generation] for generation in (1, 2)] == [0, 0], "all were given back"
    assert [answer.status for answer in answers] == [200] * 100
    assert vendor.logins == 2
    assert {received.status for received in vendor.api_requests} == {200}


async def test_a_minute_of_load_over_many_expiries_costs_a_login_each_and_no_client() -> None:
    """Shortened to five lives of half a second."""
    vendor = one45(token_lifetime=0.5)
    async with behind(vendor, {"token_lifetime": "500ms"}) as proxy:
        ends = asyncio.get_running_loop().time() + 2.5

        async def caller() -> list[int]:
            statuses = []
            while asyncio.get_running_loop().time() < ends:
                statuses.append((await ask(proxy, "POST", "/one45/api/v1/x", [JSON], b"{}")).status)
            return statuses

        statuses = [status for each in await asyncio.gather(*(caller() for _ in range(20))) for status in each]
    assert set(statuses) == {200}
    assert 4 <= vendor.logins <= 7
    assert sum(received.verdict == "ok" for received in vendor.api_requests) == len(statuses)


async def test_two_proxies_with_one_key_do_not_drive_each_other_into_a_storm() -> None:
    """Somebody who logs in again and again: each caller is answered, and the logins stay far below the requests."""
    clock = FakeClock()
    vendor = one45(clock)
    async with behind(vendor, clock=clock) as proxy:
        statuses = []
        for _ in range(40):
            statuses.append((await ask(proxy, "GET", "/one45/api/v1/x")).status)
            await post_json(vendor.url, "/public/api/v1/token/generate", LOGIN)
            clock.advance(1)
        assert set(statuses) <= {200, 401}
        assert vendor.logins - 40 <= 8
        clock.advance(1000)
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 200


async def test_a_401_whatever_the_token_costs_one_login_more_and_then_stands() -> None:
    vendor = one45(FakeClock())
    async with behind(vendor, clock=vendor.clock) as proxy:
        for _ in range(5):
            answers = await asyncio.gather(*(ask(proxy, "GET", "/one45/api/v1/status/401") for _ in range(20)))
            assert all(answer.status == 401 and is_the_vendors(answer) for answer in answers)
    assert vendor.logins <= 2


async def test_403_and_429_are_no_token_problems() -> None:
    vendor = one45()
    async with behind(vendor) as proxy:
        for status in (403, 429):
            assert (await ask(proxy, "GET", f"/one45/api/v1/status/{status}")).status == status
    assert (vendor.logins, len(vendor.api_requests)) == (1, 2)


async def test_a_delete_keeps_its_body() -> None:
    """The vendor's own call to invalidate a token is one."""
    vendor = one45()
    async with behind(vendor) as proxy:
        answer = await ask(proxy, "DELETE", "/one45/api/v1/x", [JSON], b'{"id":1}')
        assert (answer.status, answer.json["bodyLength"]) == (200, 8)


async def test_the_token_path_is_one_key_away() -> None:
    vendor = one45()
    async with behind(vendor, {"token_path": "/public/api/v1/token/other"}) as proxy:
        assert (await ask(proxy, "GET", "/one45/api/v1/x")).status == 502
    assert [received.target for received in vendor.requests] == [b"/public/api/v1/token/other"]
