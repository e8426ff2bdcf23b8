"""What callers get when something is wrong, and what the log says of every request: through the whole proxy."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.sandbox import Iofinnet
from tests.proxied import Proxied, proxied
from tests.raw_upstream import RawUpstream, Received
from tests.vendors import JSON, ask, behind, canary, is_the_vendors, problem

KEY = canary("static key")
QUERY_CANARY = canary("in the query")
BODY_CANARY = canary("in the body")


def static(url: str, **more: Any) -> dict[str, Any]:
    return {"base_url": url, "auth": {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}, **more}


async def check(proxy: Proxied, status: int, code: str, method: str, target: str, **how: Any) -> dict[str, str]:
    """Ask, and expect this answer of the proxy's own, without a word of what was asked in it."""
    answer = await ask(proxy, method, f"{target}?q={QUERY_CANARY}", **how)
    fields = problem(answer)
    assert (answer.status, fields["code"]) == (status, code)
    assert fields.keys() >= {"type", "title", "status", "code"}
    assert QUERY_CANARY.encode() not in answer.body and BODY_CANARY.encode() not in answer.body
    assert "aiohttp" not in str(answer.fields)
    return answer.fields


async def test_each_trouble_has_its_status_and_a_stable_code() -> None:
    """Unknown route 404, wrong method 405, too large 413, vendor down 502, vendor slow 504: as problem+json."""

    async def hang(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def rude(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with RawUpstream(respond=hang) as slow, RawUpstream(respond=rude) as hanging_up, RawUpstream() as well:
        async with RawUpstream() as gone:
            down = gone.url
        providers = {
            "slow": static(slow.url),
            "rude": static(hanging_up.url),
            "well": static(well.url),
            "down": static(down),
        }
        routes = {
            "/slow": {"provider": "slow", "timeout": "50ms"},
            "/rude": "rude",
            "/down": "down",
            "/well": {"provider": "well", "methods": ["GET", "POST"], "max_body": "1KiB", "deny_headers": ["X-Role"]},
        }
        secrets = (KEY, QUERY_CANARY, BODY_CANARY)
        body = (BODY_CANARY * 100).encode()
        async with proxied(providers, routes, secrets=secrets) as proxy:
            await check(proxy, 404, "no_route", "GET", "/none")
            await check(proxy, 404, "no_route", "GET", "/wellx")
            refused = await check(proxy, 405, "method_not_allowed", "DELETE", "/well/x")
            assert refused["allow"] == "GET, POST"
            await check(proxy, 405, "method_not_allowed", "TRACE", "/down/x")
            await check(proxy, 413, "body_too_large", "POST", "/well/x", body=body)
            await check(proxy, 403, "denied_by_route", "GET", "/well/x", fields=[("x_role", "admin")])
            await check(proxy, 403, "browser_refused", "GET", "/well/x", fields=[("Origin", "https://evil.test")])
            await check(proxy, 421, "host_not_allowed", "GET", "/well/x", fields=[("Host", "evil.test")])
            await check(proxy, 400, "bad_target", "GET", "/well/../x")
            await check(proxy, 400, "bad_target", "GET", "/well/%2e%2e/x")
            await check(proxy, 417, "unknown_expectation", "GET", "/well/x", fields=[("Expect", "200-ok")])
            assert well.requests == []
            await check(proxy, 502, "upstream_unreachable", "GET", "/down/x")
            await check(proxy, 502, "upstream_disconnected", "POST", "/rude/x", body=body)
            await check(proxy, 504, "upstream_timeout", "GET", "/slow/x")
            for route, code in (("down", "upstream_unreachable"), ("slow", "upstream_timeout")):
                assert await proxy.metric("authproxy_upstream_errors_total", provider=route, reason=code) == 1
        assert len(slow.requests) == len(hanging_up.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 421, 500, 502, 503, 504])
async def test_the_same_statuses_from_a_vendor_bear_no_mark_of_the_proxys(status: int) -> None:
    raw = f"HTTP/1.1 {status} X\r\nContent-Type: application/problem+json\r\nX-AuthProxy-Error: forged\r\nProxy-Status: forged\r\nContent-Length: 2\r\n\r\n{{}}"
    async with (
        RawUpstream([raw.encode()]) as vendor,
        proxied({"acme": static(vendor.url)}, {"/acme": "acme"}, secrets=(KEY,)) as proxy,
    ):
        answer = await ask(proxy, "GET", "/acme/x")
        assert (answer.status, answer.body) == (status, b"{}")
        assert is_the_vendors(answer)


async def test_a_request_without_a_credential_is_never_401() -> None:
    """So that a caller's client does not take the proxy's trouble for its own."""
    vendor = Iofinnet()
    async with behind(vendor) as proxy:
        vendor.fail_next(status=401, where="login")
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 502


async def test_a_line_of_the_log_says_what_became_of_a_request_and_nothing_of_what_was_in_it() -> None:
    """Route, provider, method, status, durations, bytes, what the credential did; never a query, a token, a body."""
    vendor = Iofinnet()
    async with behind(vendor) as proxy:
        target = f"/io/v1/accounts/{QUERY_CANARY}?secretKey={QUERY_CANARY}"
        fields = [JSON, ("Authorization", f"Bearer {BODY_CANARY}"), ("Referer", f"http://x/?{QUERY_CANARY}")]
        body = json.dumps({"password": BODY_CANARY}).encode()
        first = await ask(proxy, "POST", target, fields, body)
        await ask(proxy, "GET", target, fields)
        await ask(proxy, "GET", f"/nowhere/{QUERY_CANARY}?{QUERY_CANARY}")
        await ask(proxy, "GET", f"/io/v1//{QUERY_CANARY}")
        lines = [line for line in proxy.log_lines if line["event"] == "request"]
        text = proxy.log.getvalue()
    fetched, cached, unknown, bad = lines
    expected = {
        "route": "/io",
        "provider": "vendor",
        "method": "POST",
        "status": 200,
        "request_bytes": len(body),
        "response_bytes": len(first.body),
        "credential": "fetched",
        "retries": 0,
        "error": None,
    }
    assert expected.items() <= fetched.items()
    assert fetched.keys() == {*expected, "time", "level", "event", "duration_ms", "upstream_ms", "request_id"}
    assert 0 < fetched["upstream_ms"] <= fetched["duration_ms"] < 10_000
    assert {"method": "GET", "status": 200, "credential": "cached", "request_bytes": 0}.items() <= cached.items()
    assert {
        "route": None,
        "provider": None,
        "status": 404,
        "error": "no_route",
        "upstream_ms": None,
    }.items() <= unknown.items()
    assert (bad["status"], bad["error"], bad["credential"]) == (400, "bad_target", "none")
    assert QUERY_CANARY not in text and BODY_CANARY not in text


@pytest.mark.parametrize(
    ("auth", "use"),
    [
        ({"scheme": "static", "headers": {"X-Key": {"value": KEY}}}, "static"),
        ({"scheme": "jwt", "key": {"value": KEY}, "claims": {"sub": "x"}}, "fetched"),
        (
            {
                "scheme": "hmac_signature",
                "key": {"value": KEY},
                "message": "{{url}}",
                "headers": {"X-S": "{{signature}}"},
            },
            "signed",
        ),
    ],
)
async def test_the_log_tells_how_the_credential_came(auth: dict[str, Any], use: str) -> None:
    async with RawUpstream() as vendor:
        provider = {"base_url": vendor.url, "auth": auth}
        async with proxied({"acme": provider}, {"/acme": "acme"}, secrets=(KEY,)) as proxy:
            assert (await ask(proxy, "GET", "/acme/x")).status == 200
            assert proxy.log_lines[-1]["credential"] == use
