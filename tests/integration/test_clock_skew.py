"""A machine with a wrong clock in front of vendors that judge times: the answers' Date puts it right."""

from __future__ import annotations

import asyncio
import time

import pytest

from proxy.sandbox import Defactor, Iofinnet, Original, Wyre
from tests.proxied import Proxied
from tests.vendors import ask, behind, canary, post, until


class WrongClock:
    """Runs as it should, and shows the wrong time of day."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time() + self._ahead


@pytest.mark.parametrize("ahead", [-2 * 3600.0, 2 * 3600.0])
async def test_a_signed_timestamp_follows_the_vendors_clock(ahead: float) -> None:
    vendor = Wyre()
    async with behind(vendor, clock=WrongClock(ahead)) as proxy:
        for _ in range(4):
            await ask(proxy, "GET", "/wyre/v3/accounts")
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == pytest.approx(-ahead, abs=1)
    [stamp] = vendor.api_requests[-1].parameters("timestamp")
    assert int(stamp) / 1000 == pytest.approx(time.time(), abs=10)
    assert vendor.api_requests[-1].status == 200


async def test_a_sign_in_is_dated_by_the_vendors_clock() -> None:
    """Once any answer told the time; the first sign-in may be refused."""
    vendor = Defactor()
    async with behind(vendor, clock=WrongClock(-2 * 3600)) as proxy:
        query = {"query": "query q { collections { id } }"}
        await post(proxy, "/engage/v1/graphql", query)
        await post(proxy, "/engage/v1/graphql", {"query": "mutation m { x }"})
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == pytest.approx(7200, abs=1)
    assert [received.verdict for received in vendor.login_requests] == ["ok"]


# --- The very first request -------------------------------------------------------------------------------


async def skewed(proxy: Proxied) -> float:
    return await proxy.metric("authproxy_auth_retries_total", provider="vendor", reason="skewed")


@pytest.mark.parametrize("ahead", [-2 * 3600.0, 2 * 3600.0])
async def test_a_request_that_was_signed_at_the_wrong_time_is_signed_again(ahead: float) -> None:
    """The refusal brings the time with it: the caller never learns of it, and the vendor carries the POST out once."""
    vendor = Wyre()
    async with behind(vendor, clock=WrongClock(ahead)) as proxy:
        assert (await post(proxy, "/wyre/v3/transfers", {"amount": 1})).status == 200
        assert await skewed(proxy) == 1
        assert (await post(proxy, "/wyre/v3/transfers", {"amount": 2})).status == 200
        assert await skewed(proxy) == 1
    assert [received.status for received in vendor.api_requests] == [401, 200, 200]
    assert vendor.api_requests[0].body == vendor.api_requests[1].body


async def test_all_requests_that_were_signed_before_the_time_was_known_are_signed_again() -> None:
    vendor = Wyre()
    async with behind(vendor, clock=WrongClock(-7200)) as proxy:
        vendor.hold.clear()
        asking = [asyncio.create_task(post(proxy, "/wyre/v3/transfers", {"amount": n})) for n in range(20)]
        await until(lambda: len(vendor.api_requests) == 20)
        vendor.hold.set()
        assert {reply.status for reply in await asyncio.gather(*asking)} == {200}
        assert await skewed(proxy) == 20
    assert len(vendor.api_requests) == 40


async def test_a_minted_token_of_the_wrong_time_is_minted_again() -> None:
    vendor = Original()
    async with behind(vendor, clock=WrongClock(-7200)) as proxy:
        assert (await post(proxy, "/original/v1/users", {"name": "x"})).status == 200
        assert await skewed(proxy) == 1
    assert [received.status for received in vendor.api_requests] == [401, 200]


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
async def test_a_sign_in_of_the_wrong_time_is_signed_again(ahead: float) -> None:
    """Otherwise a refused login would be waited upon for a minute."""
    vendor = Defactor()
    async with behind(vendor, clock=WrongClock(ahead)) as proxy:
        for _ in range(3):
            reply = await post(proxy, "/engage/v1/graphql", {"query": "mutation m { x }"})
            assert (reply.status, "errors" in reply.json) == (200, False)
        assert await skewed(proxy) == 1
        assert await proxy.metric("authproxy_token_fetches_total", provider="vendor", outcome="ok") == 1
    verdicts = [received.verdict for received in vendor.login_requests]
    assert len(verdicts) == 2 and verdicts[1] == "ok"


async def test_an_answer_that_is_no_refusal_is_not_asked_for_again() -> None:
    """Our clock is ahead, which this vendor does not mind; the POST is carried out, and the time is learned."""
    vendor = Original()
    async with behind(vendor, clock=WrongClock(7200)) as proxy:
        assert (await post(proxy, "/original/v1/users", {"name": "x"})).status == 200
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == pytest.approx(-7200, abs=1)
        assert (await ask(proxy, "GET", "/original/v1/status/503")).status == 503
        assert await skewed(proxy) == 0
    assert len(vendor.api_requests) == 2


async def test_a_body_that_was_not_held_is_not_sent_again() -> None:
    vendor = Original()
    async with behind(vendor, clock=WrongClock(-7200)) as proxy:
        assert (await ask(proxy, "POST", "/original/v1/users", [], b"x" * 2_000_000)).status == 401
    assert len(vendor.api_requests) == 1


async def test_a_wrong_key_on_a_machine_with_a_wrong_clock_costs_one_repetition() -> None:
    vendor = Wyre()
    async with behind(vendor, {"secret_key": {"value": canary("wrong key")}}, clock=WrongClock(-7200)) as proxy:
        for _ in range(5):
            assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 401
        assert await skewed(proxy) == 1
    assert len(vendor.api_requests) == 6


async def test_a_wrong_key_under_a_right_clock_is_the_vendors_word() -> None:
    vendor = Wyre()
    async with behind(vendor, {"secret_key": {"value": canary("wrong key")}}) as proxy:
        assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 401
    assert len(vendor.api_requests) == 1


async def test_a_sign_in_that_is_refused_under_a_right_clock_is_not_repeated() -> None:
    vendor = Defactor()
    async with behind(vendor, {"domain": "https://elsewhere.example.com"}) as proxy:
        assert (await post(proxy, "/engage/v1/graphql", {"query": "mutation m { x }"})).status == 502
    assert len(vendor.login_requests) == 1


async def test_a_login_without_a_time_in_it_is_not_repeated() -> None:
    vendor = Iofinnet()
    async with behind(vendor, {"client_secret": {"value": canary("wrong secret")}}, clock=WrongClock(-7200)) as proxy:
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 502
    assert len(vendor.login_requests) == 1


async def test_a_right_clock_is_left_alone() -> None:
    vendor = Wyre()
    async with behind(vendor, clock=WrongClock(0)) as proxy:
        for _ in range(6):
            assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 200
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == 0
    assert not [line for line in proxy.log_lines if "clock" in str(line)]
