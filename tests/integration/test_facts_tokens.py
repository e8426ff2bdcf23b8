"""Tokens through the whole proxy: how few logins there are, whatever happens, and what callers see meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.sandbox import Iofinnet
from proxy.sandbox.wire import Answer, Received
from tests.clock import FakeClock
from tests.proxied import Proxied
from tests.vendors import JSON, ask, behind, canary, is_the_vendors, problem, until

CREDENTIALS = {"client_id": canary("tokens id"), "client_secret": canary("tokens secret")}


def vendor_with(clock: FakeClock | None = None, token_lifetime: float = 1000.0) -> Iofinnet:
    return Iofinnet(clock=clock, token_lifetime=token_lifetime, credentials=CREDENTIALS)


async def get(proxy: Proxied, target: str = "/io/v1/accounts") -> Any:
    return await ask(proxy, "GET", target)


async def test_a_thousand_first_requests_at_once_cost_one_login() -> None:
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        vendor.hold_logins.clear()
        waiting = [asyncio.create_task(get(proxy)) for _ in range(1000)]
        async with asyncio.timeout(20):
            while proxy.app._gateway.in_flight < 1000:
                await asyncio.sleep(0)
        assert await proxy.metric("authproxy_token_waiters", provider="vendor") == 1000
        vendor.hold_logins.set()
        answers = await asyncio.gather(*waiting)
        assert await proxy.metric("authproxy_token_fetches_total", provider="vendor", outcome="ok") == 1
        assert await proxy.metric("authproxy_token_waiters", provider="vendor") == 0
    assert {answer.status for answer in answers} == {200}
    assert (vendor.logins, len(vendor.login_requests), len(vendor.api_requests)) == (1, 1, 1000)


async def test_the_login_survives_the_caller_who_began_it() -> None:
    """He hangs up while it is under way; those who came after him get its token."""
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        vendor.hold_logins.clear()
        first = asyncio.create_task(get(proxy))
        await until(lambda: vendor.login_requests)
        others = [asyncio.create_task(get(proxy)) for _ in range(5)]
        await until(lambda: proxy.app._gateway.in_flight == 6)
        first.cancel()
        await until(lambda: proxy.app._gateway.in_flight == 5)
        vendor.hold_logins.set()
        assert {answer.status for answer in await asyncio.gather(*others)} == {200}
        await until(lambda: any(line.get("status") == 499 for line in proxy.log_lines))
    assert (len(vendor.login_requests), len(vendor.api_requests)) == (1, 5)


@pytest.mark.parametrize("trouble", ["500", "502", "503", "408", "425", "cut", "down", "nonsense", "empty", "redirect"])
async def test_a_login_in_trouble_is_503_with_retry_after_and_nothing_is_sent(trouble: str) -> None:
    """Nothing reaches the vendor's API without a token; the next attempt succeeds without a restart."""
    clock = FakeClock()
    vendor = vendor_with(clock)
    async with behind(vendor, clock=clock) as proxy:
        if trouble == "down":
            await vendor.stop()
        elif trouble in ("nonsense", "empty"):
            body = b"<html>" + b"x" * 100_000 if trouble == "nonsense" else b""
            vendor.fail_next(status=200, where="login", body=body)
        elif trouble == "redirect":
            vendor.fail_next(status=307, where="login", headers={"Location": f"{vendor.url}/v1/auth/accessToken"})
        else:
            vendor.fail_next(status=None if trouble == "cut" else int(trouble), where="login")
        answer = await ask(proxy, "POST", "/io/v1/accounts", [JSON], b"{}")
        assert (answer.status, problem(answer)["code"]) == (503, "credential_unavailable")
        assert 1 <= int(answer.fields["retry-after"]) <= 30
        assert vendor.api_requests == []
        if trouble == "down":
            await vendor.start()
        clock.advance(31)
        assert (await ask(proxy, "POST", "/io/v1/accounts", [JSON], b"{}")).status == 200
    assert vendor.logins == 1


async def test_while_the_login_is_down_attempts_follow_the_back_off_and_not_the_requests() -> None:
    clock = FakeClock()
    vendor = vendor_with(clock)
    async with behind(vendor, clock=clock) as proxy:
        vendor.fail_next(10_000, where="login")
        for _ in range(120):
            answers = await asyncio.gather(*(get(proxy) for _ in range(3)))
            assert {answer.status for answer in answers} == {503}
            clock.advance(1)
        assert "vendor waiting" in (await proxy.admin.get("/readyz?verbose")).text
    # Full jitter doubles up to half a minute: two minutes hold about a dozen attempts, hardly ever thirty.
    assert 4 <= len(vendor.login_requests) <= 45
    assert vendor.api_requests == []


async def test_429_with_retry_after_is_obeyed() -> None:
    clock = FakeClock()
    vendor = vendor_with(clock)
    async with behind(vendor, clock=clock) as proxy:
        vendor.fail_next(status=429, where="login", headers={"Retry-After": "120"})
        answer = await get(proxy)
        assert (answer.status, answer.fields["retry-after"]) == (503, "120")
        clock.advance(119)
        assert (await get(proxy)).fields["retry-after"] == "1"
        assert len(vendor.login_requests) == 1
        clock.advance(1)
        assert (await get(proxy)).status == 200
    assert len(vendor.login_requests) == 2


async def test_a_wrong_secret_is_502_and_not_tried_again_within_the_back_off() -> None:
    """A minute, two, five, fifteen, and no more than five an hour: an account is not locked by this proxy."""
    clock = FakeClock()
    vendor = vendor_with(clock)
    wrong = canary("a wrong client secret")
    async with behind(vendor, {"client_secret": {"value": wrong}}, clock=clock) as proxy:
        attempted = []
        for seconds in range(0, 3600, 10):
            before = len(vendor.login_requests)
            answer = await get(proxy)
            assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
            attempted += [seconds] * (len(vendor.login_requests) - before)
            clock.advance(10)
        assert attempted == [0, 60, 180, 480, 1380]
        assert wrong not in proxy.log.getvalue()
        readiness = await proxy.admin.get("/readyz?verbose")
        assert readiness.status_code == 503 and "vendor refused" in readiness.text
    assert vendor.api_requests == []


async def test_a_token_serves_to_its_end_while_the_login_is_down_and_never_beyond() -> None:
    clock = FakeClock()
    vendor = vendor_with(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        assert (await get(proxy)).status == 200
        vendor.fail_next(1000, where="login")
        clock.advance(90)
        assert (await get(proxy)).status == 200
        clock.advance(9)
        assert (await get(proxy)).status == 200
        clock.advance(1)
        assert (await get(proxy)).status == 503
    assert {received.status for received in vendor.api_requests} == {200}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_revoked_under_a_hundred_requests_costs_one_login_and_fails_none(method: str) -> None:
    """All are under way when it dies. Each is replayed once, and each is carried out exactly once."""
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        assert (await get(proxy)).status == 200
        vendor.hold.clear()
        bodies = [b'{"number":%d}' % number if method == "POST" else b"" for number in range(100)]
        waiting = [
            asyncio.create_task(ask(proxy, method, f"/io/v1/accounts?n={number}", [JSON], body))
            for number, body in enumerate(bodies)
        ]
        await until(lambda: len(vendor.api_requests) == 101)
        vendor.revoke_tokens()
        vendor.hold.set()
        answers = await asyncio.gather(*waiting)
        assert await proxy.metric("authproxy_requests_total", route="/io", method=method, code="200") >= 100
        assert await proxy.metric("authproxy_requests_total", route="/io", method=method, code="401") == 0
    assert [answer.status for answer in answers] == [200] * 100
    assert vendor.logins == 2
    done = sorted(received.target for received in vendor.api_requests[1:] if received.status == 200)
    assert done == sorted(b"/v1/accounts?n=%d" % number for number in range(100))
    assert len(vendor.api_requests) == 201
    assert sorted(received.body for received in vendor.api_requests[1:] if received.status == 200) == sorted(bodies)


class Late(Iofinnet):
    """Answers 401 to what has `late` in its path only when `release` is set."""

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.release = asyncio.Event()

    async def _receive(self, received: Received) -> Answer:
        answer = await super()._receive(received)
        if b"late" in received.target and answer.status == 401:
            await self.release.wait()
        return answer


async def test_a_late_401_for_a_token_that_was_replaced_costs_a_replay_and_no_login() -> None:
    vendor = Late(token_lifetime=1000.0, credentials=CREDENTIALS)
    async with behind(vendor) as proxy:
        assert (await get(proxy)).status == 200
        vendor.revoke_tokens()
        late = [asyncio.create_task(get(proxy, f"/io/v1/late/{number}")) for number in range(5)]
        await until(lambda: len(vendor.api_requests) == 6)
        assert (await get(proxy)).status == 200
        assert vendor.logins == 2
        vendor.release.set()
        assert {answer.status for answer in await asyncio.gather(*late)} == {200}
    assert vendor.logins == 2


async def test_a_login_that_fails_after_a_rejection_leaves_the_callers_with_the_vendors_401() -> None:
    """The first answer stands: it is the vendor's word, and the request was not carried out."""
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        assert (await get(proxy)).status == 200
        vendor.revoke_tokens()
        vendor.fail_next(where="login")
        answer = await get(proxy)
        assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
        assert is_the_vendors(answer)


async def test_two_credentials_at_one_vendor_are_never_mixed() -> None:
    """Two vendors of one kind, a thousand requests in any order: each token goes where it came from."""
    one, other = vendor_with(), Iofinnet(token_lifetime=1000.0)
    async with other:
        more = {"other": other.provider_config()}
        routes = {"/one": "vendor", "/one/other": "other"}
        async with behind(one, routes=routes, more_providers=more) as proxy:
            targets = [prefix + "/v1/accounts" for prefix in ("/one", "/one/other")] * 200
            answers = await asyncio.gather(*(get(proxy, target) for target in targets))
            assert {answer.status for answer in answers} == {200}
    assert (one.logins, other.logins) == (1, 1)
    tokens = [{received.values("Authorization") for received in vendor.api_requests} for vendor in (one, other)]
    assert len(tokens[0]) == len(tokens[1]) == 1 and tokens[0] != tokens[1]


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 40 * 365 * 86_400.0, -40 * 365 * 86_400.0])
async def test_a_wall_clock_that_jumps_costs_one_login_at_the_most_and_no_request(jump: float) -> None:
    """Ahead it may be a machine that slept with a stopped clock; back it makes no token older or younger."""
    clock, theirs = FakeClock(), FakeClock()
    vendor = vendor_with(theirs, token_lifetime=600)
    async with behind(vendor, clock=clock) as proxy:
        assert (await get(proxy)).status == 200
        clock.jump(jump)
        for _ in range(20):
            answers = await asyncio.gather(*(get(proxy) for _ in range(5)))
            assert {answer.status for answer in answers} == {200}
            clock.advance(20)
            theirs.advance(20)
        assert vendor.logins == (2 if jump > 0 else 1)
        clock.jump(-jump)
        assert (await get(proxy)).status == 200
        assert vendor.logins <= 2
        assert await proxy.metric("authproxy_token_fetches_total", provider="vendor", outcome="ok") == vendor.logins
        assert await proxy.metric("authproxy_auth_retries_total", provider="vendor") == 0
