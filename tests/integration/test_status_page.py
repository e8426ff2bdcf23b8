"""The status page's part of the whole proxy: real requests in its journal, tokens renewed and dropped by hand."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.sandbox import Iofinnet
from tests.clock import FakeClock
from tests.proxied import Proxied
from tests.vendors import behind, canary

CREDENTIALS = {"client_id": canary("page id"), "client_secret": canary("page secret")}
KEY = canary("page key")


def vendor_with(clock: FakeClock | None = None, **rest: Any) -> Iofinnet:
    return Iofinnet(clock=clock, token_lifetime=1000.0, credentials=CREDENTIALS, **rest)


async def act(proxy: Proxied, what: str, provider: str = "vendor") -> tuple[int, dict[str, Any]]:
    answer = await proxy.admin.post(f"/{what}?provider={provider}", headers=proxy.operator)
    return answer.status_code, answer.json()


async def provider(proxy: Proxied) -> dict[str, Any]:
    document = (await proxy.admin.get("/status", headers=proxy.operator)).json()
    found: dict[str, Any] = document["providers"][0]
    return found


async def test_a_request_is_told_with_what_was_added_and_removed_and_where_its_time_went() -> None:
    async with behind(vendor_with(), routes={"/io": {"provider": "vendor", "headers": {"X-Team": "blue"}}}) as proxy:
        await proxy.page_is_told()  # From now on somebody looks.
        own = {"Authorization": f"Bearer {KEY}", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"}
        assert (await proxy.client.get(f"/io/v1/accounts?cursor={KEY}", headers=own)).status_code == 200
        told = await proxy.page_is_told()
    (entry,) = told["requests"]["entries"]
    assert (entry["method"], entry["target"], entry["status"]) == ("GET", "/io/v1/accounts?cursor=***", 200)
    assert (entry["route"], entry["provider"], entry["credential"]) == ("/io", "vendor", "fetched")
    assert {"authorize", "connect", "wait", "relay", "total"} == entry["times"].keys()
    assert entry["times"]["authorize"] > entry["times"]["connect"] >= 0
    removed = {name.lower(): why for _, name, why in entry["removed"]}
    assert removed.keys() == {"authorization", "x-forwarded-for"}
    assert removed["authorization"] == "the credential sets it"
    (status,) = told["status"]["providers"]
    assert status["adds"] == [{"kind": "header", "name": "Authorization", "value": "Bearer <token>"}]
    assert told["status"]["routes"][0]["adds"] == [{"kind": "header", "name": "X-Team", "value": "blue"}]
    assert KEY not in str(told)
    assert entry["id"] in [line.get("request_id") for line in proxy.log_lines]


async def test_while_nobody_looks_names_are_not_looked_at() -> None:
    async with behind(vendor_with()) as proxy:
        await proxy.client.get("/io/v1/accounts", headers={"Authorization": "mine"})
        (entry,) = (await proxy.page_is_told())["requests"]["entries"]
    assert entry["removed"] is None


async def test_what_was_refused_or_found_nobody_is_told_with_its_reason() -> None:
    nobody = {"base_url": "http://127.0.0.1:9", "auth": {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}}
    routes = {"/io": "vendor", "/down": "down"}
    async with behind(vendor_with(), routes=routes, more_providers={"down": nobody}) as proxy:
        for path in ("/nowhere", "/down/x", "/io/../x"):
            await proxy.client.send(proxy.client.build_request("GET", f"{proxy.url}{path}"))
        entries = (await proxy.page_is_told())["requests"]["entries"]
    assert [one["error"]["code"] for one in entries][:2] == ["no_route", "upstream_unreachable"]
    assert "`authproxy test`" in entries[1]["error"]["title"]
    assert set(entries[1]["times"]) == {"authorize", "connect", "total"}


async def test_a_token_is_renewed_at_once_and_the_old_one_serves_until_then() -> None:
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        await proxy.client.get("/io/v1/accounts")
        assert (await provider(proxy))["generation"] == 1
        assert await act(proxy, "refresh") == (
            200, {"provider": "vendor", "outcome": "renewed", "error": None, "next_attempt_in": None},
        )  # fmt: skip
        told = await provider(proxy)
        assert (told["generation"], told["logins"], told["state"]) == (2, 2, "ok")
        assert 0 <= told["obtained_ago"] < 60 < told["refresh_in"] < told["expires_in"] <= 1000
        assert (await proxy.client.get("/io/v1/accounts")).status_code == 200
    assert vendor.logins == 2


async def test_a_dropped_token_is_not_used_again() -> None:
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        await proxy.client.get("/io/v1/accounts")
        assert (await act(proxy, "drop"))[1]["outcome"] == "dropped"
        told = await provider(proxy)
        assert (told["state"], told["expires_in"], told["obtained_ago"]) == ("idle", None, None)
        assert (await proxy.client.get("/io/v1/accounts")).status_code == 200
        assert [line["event"] for line in proxy.log_lines if "by hand" in line["event"]] == [
            "provider vendor: the token was dropped by hand"
        ]
    assert vendor.logins == 2


async def test_a_refused_login_is_tried_again_by_hand_and_told() -> None:
    vendor = vendor_with()
    async with behind(vendor, {"client_secret": {"value": canary("wrong secret")}}) as proxy:
        assert (await proxy.client.get("/io/v1/accounts")).status_code == 502
        status, report = await act(proxy, "refresh")
        assert (status, report["outcome"]) == (409, "failed")
        assert report["error"].startswith("401")
        told = await provider(proxy)
        assert (told["state"], told["logins"]) == ("refused", 2)
        assert "`authproxy test vendor`" in told["hint"]


async def test_a_login_endpoint_that_asked_for_time_gets_it() -> None:
    vendor = vendor_with()
    async with behind(vendor) as proxy:
        vendor.fail_next(status=429, headers={"Retry-After": "60"}, where="login")
        await proxy.client.get("/io/v1/accounts")
        before = len(vendor.login_requests)
        status, report = await act(proxy, "refresh")
        assert (status, report["outcome"]) == (409, "held_back")
        assert 0 < report["next_attempt_in"] <= 60
    assert len(vendor.login_requests) == before


@pytest.mark.parametrize("what", ["refresh", "drop"])
async def test_what_has_no_token_cannot_be_acted_on(what: str) -> None:
    fixed = {"base_url": "$url", "auth": {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}}
    routes = {"/io": "vendor", "/fixed": "fixed"}
    async with behind(vendor_with(), routes=routes, more_providers={"fixed": fixed}) as proxy:
        for name in ("fixed", "nobody", ""):
            assert (await act(proxy, what, name))[0] == 404


async def test_seconds_go_by_and_are_counted() -> None:
    async with behind(vendor_with()) as proxy:
        await proxy.client.get("/io/v1/accounts")
        proxy.app.pulse.beat(1_700_000_000.0)
        told = await proxy.page_is_told()
    assert 1 in [beat[1] for beat in told["beats"]["beats"]]
    assert {"vendor": [1, 0]} in [beat[6] for beat in told["beats"]["beats"]]
