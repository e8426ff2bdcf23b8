"""A machine with a wrong clock in front of vendors that judge times: the answers' Date puts it right."""

from __future__ import annotations

import time

import pytest

from proxy.sandbox import Defactor, Original, Wyre
from tests.vendors import ask, behind, post


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


async def test_a_minted_token_is_dated_by_the_vendors_clock() -> None:
    """Ours is two hours behind, so that the first token had expired before it was made."""
    vendor = Original()
    async with behind(vendor, clock=WrongClock(-2 * 3600)) as proxy:
        await ask(proxy, "GET", "/original/v1/users")
        status = (await ask(proxy, "GET", "/original/v1/users")).status
    assert status == 200
    assert len({received.values("Authorization") for received in vendor.api_requests}) == 2


async def test_a_sign_in_is_dated_by_the_vendors_clock() -> None:
    """Once any answer told the time; the first sign-in may be refused."""
    vendor = Defactor()
    async with behind(vendor, clock=WrongClock(-2 * 3600)) as proxy:
        query = {"query": "query q { collections { id } }"}
        await post(proxy, "/engage/v1/graphql", query)
        await post(proxy, "/engage/v1/graphql", {"query": "mutation m { x }"})
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == pytest.approx(7200, abs=1)
    assert [received.verdict for received in vendor.login_requests] == ["ok"]


async def test_a_right_clock_is_left_alone() -> None:
    vendor = Wyre()
    async with behind(vendor, clock=WrongClock(0)) as proxy:
        for _ in range(6):
            assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 200
        assert await proxy.metric("authproxy_clock_skew_seconds", provider="vendor") == 0
    assert not [line for line in proxy.log_lines if "clock" in str(line)]
