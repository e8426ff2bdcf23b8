"""The series of a proxy that runs: all there from the first scrape on, and none of them a lie."""

from __future__ import annotations

import asyncio
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.app import App
from proxy.config.load import load
from proxy.logs import configure
from tests.process import Running, running
from tests.proxied import Proxied, proxied
from tests.raw_upstream import OK, RawUpstream, Received

SECRET = "CANARY-metrics-3fa9"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

# --- What there is ------------------------------------------------------------------------------------

# Families of the contract and of the alerts; one dict for each label set that must be there, and hold 0.
ROUTE_CODES = ("200", "401", "403", "404", "429", "500", "502", "503", "504")
REJECTIONS = (
    "no_route",
    "denied_by_route",
    "method_not_allowed",
    "body_too_large",
    "host_not_allowed",
    "internal_error",
)
UPSTREAM = ("upstream_timeout", "upstream_disconnected", "upstream_tls", "upstream_busy", "answer_broken")


def each(**choices: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def of_route(route: str, provider: str) -> dict[str, list[dict[str, str]]]:
    names, here = {"route": (route,), "provider": (provider,)}, {"route": (route,)}
    return {
        "requests_total": each(**names, method=("GET", "POST"), code=ROUTE_CODES),
        "request_duration_seconds_count": each(**names),
        "request_duration_seconds_bucket": each(**names, le=("0.001", "0.1", "60.0", "+Inf")),
        "time_to_answer_seconds_count": each(**names),
        "time_to_answer_seconds_sum": each(**names),
        "requests_in_flight": each(**names),
        "request_body_bytes_total": each(**names),
        "response_body_bytes_total": each(**names),
        "failed_requests_total": each(**names, cause=("caller", "credential", "vendor", "proxy")),
        "rejections_total": each(**here, reason=REJECTIONS),
    }


def of_provider(provider: str) -> dict[str, list[dict[str, str]]]:
    name = {"provider": (provider,)}
    outcomes = ("ok", "refused", "unavailable", "malformed")
    return {
        "upstream_errors_total": each(**name, reason=UPSTREAM),
        "token_fetches_total": each(**name, outcome=outcomes),
        "auth_retries_total": each(**name, reason=("dropped", "superseded", "skewed")),
        "upstream_connections": each(**name, state=("active", "idle", "tunnel")),
    } | {
        family: each(**name)
        for family in (
            "token_fetch_duration_seconds_count", "token_expiry_timestamp_seconds", "token_cache_hits_total",
            "token_cache_misses_total", "token_waiters", "token_adoptions_total", "token_obtained_timestamp_seconds",
            "token_fetch_failing", "clock_skew_seconds", "upstream_waiting", "upstream_waits_total",
            "upstream_wait_seconds_total",
        )
    }  # fmt: skip


OF_THE_PROXY = {
    "rejections_total": each(route=("",), reason=REJECTIONS),
    "failed_requests_total": each(route=("",), provider=("",), cause=("caller", "proxy")),
    "config_reloads_total": each(outcome=("ok", "failed")),
    "log_lines_dropped_total": [{}],
    "caller_connections": [{}],
}
# What says something from the first moment on.
NOT_ZERO = (
    "build_info", "config_last_reload_successful", "config_last_reload_success_timestamp_seconds", "ready",
    "login_refusals_left", "upstream_connections_max", "upstream_waiting_max", "caller_connections_max",
)  # fmt: skip


async def scrape(proxy: Proxied) -> Series:
    return parsed((await proxy.admin.get("/metrics")).text)


def parsed(text: str) -> Series:
    return {
        (sample.name.removeprefix("authproxy_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


def not_zero(series: Series, expected: Mapping[str, list[dict[str, str]]]) -> list[str]:
    """Which of these series are not there, or not at 0."""
    wanted = [(name, frozenset(labels.items())) for name, label_sets in expected.items() for labels in label_sets]
    return [f"{name}{dict(labels)}" for name, labels in wanted if series.get((name, labels)) != 0]


def login(url: str) -> dict[str, object]:
    """A provider with a token, whose vendor is also its login endpoint."""
    auth = {
        "scheme": "oauth2_client_credentials", "token_url": f"{url}/token", "client_id": {"value": "CANARY-metrics-id-1"},
        "client_secret": {"value": SECRET},
    }  # fmt: skip
    return {"base_url": url, "auth": auth}


def static(url: str) -> dict[str, object]:
    return {"base_url": url, "auth": {"scheme": "static", "headers": {"Authorization": {"value": f"Bearer {SECRET}"}}}}


async def test_every_series_is_there_at_zero_before_the_first_request() -> None:
    """An alert on increase() misses the first event of a series that begins at 1; a dashboard shows 0 and not a gap."""
    providers = {
        "acme": static("http://127.0.0.1:1"),
        "token": login("http://127.0.0.1:1"),
        "idle": static("http://[::1]:1"),
    }
    routes = {"/acme": "acme", "/token": "token", "/token/deep": "token"}
    async with proxied(providers, routes, secrets=(SECRET,)) as proxy:
        series = await scrape(proxy)
    for route, provider in routes.items():
        assert not_zero(series, of_route(route, provider)) == []
    for provider in providers:
        assert not_zero(series, of_provider(provider)) == []
    assert not_zero(series, OF_THE_PROXY) == []
    names = {name for name, _ in series}
    assert set(NOT_ZERO) <= names
    assert value(series, "credential_state", provider="acme", state="static") == 1
    assert value(series, "credential_state", provider="token", state="idle") == 1
    assert value(series, "login_refusals_left", provider="token") == value(
        series, "login_refusals_left", provider="acme"
    )
    assert {"process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"} <= names


def test_after_a_reload_the_new_ones_are_there_too_and_none_of_the_old_counts_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "authproxy.yaml"
    document = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "watch": False},
        "providers": {"acme": static("http://127.0.0.1:1")},
        "routes": {"/acme": "acme"},
    }
    path.write_text(json.dumps(document))
    with running("run", "-c", str(path), secrets=(SECRET,)) as proxy:
        assert ask(proxy, "/acme/x") == 502
        document["providers"] = {"token": login("http://127.0.0.1:1"), "other": static("http://127.0.0.1:1")}
        document["routes"] = {"/token": "token", "/acme": "other"}
        path.write_text(json.dumps(document))
        proxy.process.send_signal(1)
        proxy.wait_for("configuration reloaded")
        series = parsed(page(proxy, "/metrics"))
        for route, provider in (("/token", "token"), ("/acme", "other")):
            assert not_zero(series, {k: v for k, v in of_route(route, provider).items() if "reason" not in v[0]}) == []
            assert not_zero(series, of_provider(provider)) == []
        assert not [name for name, labels in series if ("provider", "acme") in labels and name in NOT_ZERO]
        assert value(series, "requests_total", route="/acme", provider="acme", method="GET", code="502") == 1
        assert value(series, "upstream_errors_total", provider="acme", reason="upstream_unreachable") == 1
        assert value(series, "config_reloads_total", outcome="ok") == 1


def ask(proxy: Running, target: str) -> int:
    return httpx.get(f"http://{proxy.address}{target}", trust_env=False).status_code


def page(proxy: Running, target: str) -> str:
    return httpx.get(f"http://{proxy.listening['admin']}{target}", trust_env=False).text


# --- What it says -------------------------------------------------------------------------------------


def issuing(answer: Callable[[], bytes]) -> RawUpstream:
    """A vendor that answers /token as the test likes, and all else with 200."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int((received.values("content-length") or ["0"])[0]))
        writer.write(answer() if received.target == "/token" else OK)
        await writer.drain()

    return RawUpstream(respond=respond)


def token(lifetime: int) -> bytes:
    body = json.dumps({"access_token": "CANARY-issued-77b1", "token_type": "bearer", "expires_in": lifetime})
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body.encode(),
    )


NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


async def test_a_token_has_its_expiry_until_it_is_dropped() -> None:
    lifetimes = [3600, 7200]
    vendor = issuing(lambda: token(lifetimes.pop(0)))
    async with vendor, proxied({"acme": login(vendor.url)}, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
        assert (await proxy.client.get("/acme/x")).status_code == 200
        series = await scrape(proxy)
        assert value(series, "token_expiry_timestamp_seconds", provider="acme") == pytest.approx(
            time.time() + 3600, abs=20
        )
        assert value(series, "token_obtained_timestamp_seconds", provider="acme") == pytest.approx(time.time(), abs=20)
        assert value(series, "credential_state", provider="acme", state="ok") == 1
        (credential,) = proxy.app.tokens.credentials
        credential.discard()
        series = await scrape(proxy)
        assert value(series, "token_expiry_timestamp_seconds", provider="acme") == 0
        assert value(series, "token_obtained_timestamp_seconds", provider="acme") > 0
        assert value(series, "credential_state", provider="acme", state="idle") == 1
        assert value(series, "token_fetches_total", provider="acme", outcome="ok") == 1


async def test_a_refused_login_shows_in_the_state_the_budget_and_by_whose_fault_it_is() -> None:
    vendor = issuing(lambda: NO)
    async with vendor, proxied({"acme": login(vendor.url)}, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
        for _ in range(3):
            assert (await proxy.client.get("/acme/x")).status_code == 502
        series = await scrape(proxy)
        assert value(series, "credential_state", provider="acme", state="refused") == 1
        assert value(series, "credential_state", provider="acme", state="idle") == 0
        assert value(series, "login_refusals_left", provider="acme") == 4
        assert value(series, "token_fetch_failing", provider="acme") == 1
        assert value(series, "token_fetches_total", provider="acme", outcome="refused") == 1
        assert value(series, "failed_requests_total", route="/acme", provider="acme", cause="credential") == 3
        assert value(series, "ready") == 0
        assert value(series, "token_expiry_timestamp_seconds", provider="acme") == 0


@pytest.mark.parametrize(
    ("answer", "target", "cause"),
    [
        (OK, "/nowhere", "caller"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "/acme/x", "vendor"),
        (b"no HTTP\r\n\r\n", "/acme/x", "vendor"),
        (OK, "/acme/x", None),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "/acme/x", None),
    ],
)
async def test_a_failed_request_counts_once_for_who_caused_it(answer: bytes, target: str, cause: str | None) -> None:
    async with RawUpstream(answers=[answer]) as vendor:
        async with proxied({"acme": static(vendor.url)}, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
            await proxy.client.get(target)
            series = await scrape(proxy)
    failed = {dict(labels)["cause"]: n for (name, labels), n in series.items() if name == "failed_requests_total" and n}
    assert failed == ({} if cause is None else {cause: 1})


async def test_whoever_waits_for_a_connection_is_counted() -> None:
    held = asyncio.Event()
    arrived = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await held.wait()
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor:
        provider = {**static(vendor.url), "max_connections": 1}
        async with proxied({"acme": provider}, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
            asked = [asyncio.create_task(proxy.client.get("/acme/x")) for _ in range(2)]
            async with asyncio.timeout(10):
                await arrived.wait()
                while not value(series := await scrape(proxy), "upstream_waiting", provider="acme"):
                    pass
            assert value(series, "upstream_connections", provider="acme", state="active") == 1
            assert value(series, "upstream_connections_max", provider="acme") == 1
            assert value(series, "caller_connections") == 2
            held.set()
            await asyncio.gather(*asked)
            series = await scrape(proxy)
            assert value(series, "upstream_waiting", provider="acme") == 0
            assert value(series, "upstream_connections", provider="acme", state="idle") == 1
            assert value(series, "upstream_connections", provider="acme", state="active") == 0
            assert value(series, "upstream_waits_total", provider="acme") == 1
            assert value(series, "upstream_wait_seconds_total", provider="acme") > 0


class Unwritable(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError


async def test_lines_that_the_log_lost_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "authproxy.yaml"
    listeners = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    providers = {"acme": static("http://127.0.0.1:1")}
    path.write_text(json.dumps({"server": listeners, "providers": providers, "routes": {"/acme": "acme"}}))
    app = App(load(path, {}), configure(Unwritable(), json=True))
    await app.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(3):
                assert (await client.get(f"http://{app.address}/nowhere")).status_code == 404
            text = (await client.get(f"http://{app.admin_address}/metrics")).text
    finally:
        await app.stop(1)
    configure(io.StringIO(), json=True)
    assert value(parsed(text), "log_lines_dropped_total") == 3


async def test_a_token_for_ever_never_expires() -> None:
    vendor = issuing(lambda: token(60))
    entry = {**login(vendor.url)}
    async with vendor:
        entry = {**login(vendor.url), "token_lifetime": "none"}
        body = json.dumps({"access_token": "CANARY-issued-77b1", "token_type": "bearer"}).encode()
        plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        vendor.respond = issuing(lambda: plain).respond
        async with proxied({"acme": entry}, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
            assert (await proxy.client.get("/acme/x")).status_code == 200
            assert value(await scrape(proxy), "token_expiry_timestamp_seconds", provider="acme") == math.inf
