"""Spans that a real collector gets over OTLP: which there are, how they hang together, and what they do not hold."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="install authproxy[otel]")

from proxy.app import App
from proxy.config.load import load
from proxy.config.tracing import TracingSettings, tracing_settings
from proxy.logs import configure
from proxy.sandbox import Wyre
from proxy.tracing.opening import open_tracing
from tests.canaries import leaks
from tests.otlp_collector import Collector, Received, over_grpc
from tests.process import running
from tests.raw_upstream import OK, RawUpstream
from tests.raw_upstream import Received as Asked
from tests.vendors import ask, behind

SECRET, TOKEN = "CANARY-traced-91f0", "CANARY-issued-2c7d"
SERVER, CLIENT, INTERNAL = 2, 3, 1
TRACE_ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NO = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"


def document(vendor: RawUpstream, **route: Any) -> dict[str, Any]:
    """A vendor with a login of its own, and one with a key in a query."""
    login = {
        "scheme": "oauth2_client_credentials", "token_url": f"{vendor.url}/token", "client_id": {"value": "CANARY-id-6e21"},
        "client_secret": {"value": SECRET},
    }  # fmt: skip
    return {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "watch": False},
        "providers": {
            "acme": {"base_url": f"{vendor.url}/v1", "auth": login},
            "keyed": {"base_url": vendor.url, "auth": {"scheme": "static", "query": {"key": {"value": SECRET}}}},
        },
        "routes": {"/acme": {"provider": "acme", **route}, "/keyed": "keyed"},
    }


def vendor(*answers: bytes) -> RawUpstream:
    """Answers /token with a token, and all else in turn."""
    left = list(answers) or [OK]

    async def respond(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int((asked.values("content-length") or ["0"])[0]))
        body = json.dumps({"access_token": f"{TOKEN}-{len(left)}", "token_type": "bearer", "expires_in": 3600}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body if asked.target == "/token" else left.pop(0) if len(left) > 1 else left[0])

    return RawUpstream(respond=respond)


@asynccontextmanager
async def traced(
    folder: Path, config: dict[str, Any], collector: Collector, monkeypatch: pytest.MonkeyPatch, **more: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A proxy whose spans go to the collector; all have come when it has ended."""
    # The SDK reads the environment of the process.
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(config))
    log = (folder / "log").open("w+")
    lines = configure(log, json=True)
    async with open_tracing(environ) as tracing:
        assert tracing is not None
        app = App(load(path, {}), lines, tracing=tracing)
        await app.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://{app.address}", trust_env=False, timeout=20) as client:
                yield client
        finally:
            await app.stop(1)
    lines.flush()
    log.close()
    assert not leaks([SECRET, TOKEN], collector.raw), "a secret showed in a span"
    assert not leaks([SECRET, TOKEN], (folder / "log").read_bytes())


def named(spans: list[Received], name: str) -> Received:
    (span,) = [span for span in spans if span.name == name]
    return span


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


async def test_request_attempt_and_login_are_one_trace_below_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor() as upstream:
            async with traced(tmp_path, document(upstream), collector, monkeypatch) as client:
                sent = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": "a=1"}
                assert (await client.get("/acme/x?page=2&secret=CANARY-query", headers=sent)).status_code == 200
                spans = collector.wait_for(3)
            passed = upstream.requests[-1]
    request, attempt, login = (named(spans, name) for name in ("GET /acme", "GET acme", "token fetch acme"))
    assert (request.kind, attempt.kind, login.kind) == (SERVER, CLIENT, INTERNAL)
    assert {request.trace_id, attempt.trace_id, login.trace_id} == {TRACE_ID}
    assert (request.parent, attempt.parent, login.parent) == (PARENT, request.span_id, request.span_id)
    assert passed.values("traceparent") == [sent["traceparent"]], "by default the caller's passes as it is"
    assert request.resource["service.name"] == "authproxy"
    for span in spans:
        assert request.nanoseconds[0] <= span.nanoseconds[0] <= span.nanoseconds[1] <= request.nanoseconds[1]
        assert abs(span.nanoseconds[0] / 1e9 - time.time()) < 60
    (line,) = [line for line in logged(tmp_path) if line["event"] == "request"]
    assert line["trace_id"] == TRACE_ID
    assert request.attributes["authproxy.request_id"] == line["request_id"]
    assert b"CANARY-query" not in collector.raw


async def test_the_attributes_say_what_happened_and_nothing_of_the_callers_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor() as upstream:
            async with traced(tmp_path, document(upstream), collector, monkeypatch) as client:
                await client.get("/acme/x?page=2&CANARY-bare", headers={"X-Own": "CANARY-header"})
                spans = collector.wait_for(3)
            url = upstream.url
    request, attempt = named(spans, "GET /acme").attributes, named(spans, "GET acme").attributes
    assert request.pop("authproxy.request_id")
    assert request == {
        "http.request.method": "GET", "http.route": "/acme", "url.scheme": "http", "url.path": "/acme/x",
        "url.query": "page=***&***", "http.response.status_code": 200, "authproxy.provider": "acme",
        "authproxy.credential": "fetched", "authproxy.repeats": 0,
    }  # fmt: skip
    assert attempt == {
        "http.request.method": "GET", "url.full": f"{url}/v1/x?page=***&***", "server.address": "127.0.0.1",
        "server.port": int(url.rpartition(":")[2]), "http.response.status_code": 200, "authproxy.provider": "acme",
    }  # fmt: skip
    assert named(spans, "token fetch acme").attributes == {"authproxy.provider": "acme", "authproxy.outcome": "ok"}
    assert b"CANARY" not in collector.raw


async def test_a_key_in_the_query_is_in_no_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        async with vendor() as upstream:
            async with traced(tmp_path, document(upstream), collector, monkeypatch) as client:
                await client.get("/keyed/x")
                spans = collector.wait_for(2)
            assert f"key={SECRET}" in upstream.requests[0].target
            assert named(spans, "GET keyed").attributes["url.full"] == f"{upstream.url}/x"


async def test_where_the_route_makes_it_the_vendor_is_told_of_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor() as upstream:
            async with traced(tmp_path, document(upstream, traceparent="make"), collector, monkeypatch) as client:
                await client.get("/acme/x")
                caller = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": "a=1,b=2"}
                await client.get("/acme/y", headers=caller)
                spans = collector.wait_for(5)
            first, second = (one for one in upstream.requests if one.target != "/token")
    attempts = [span for span in spans if span.kind == CLIENT]
    (of_its_own,) = first.values("traceparent")
    # Of the flags the lowest says that it is written down.
    assert (of_its_own[:-2], int(of_its_own[-1]) & 1) == (f"00-{attempts[0].trace_id}-{attempts[0].span_id}-", 1)
    assert second.values("traceparent") == [f"00-{TRACE_ID}-{attempts[1].span_id}-01"]
    assert second.values("tracestate") == ["a=1,b=2"]


async def test_each_attempt_is_a_span_and_so_is_the_second_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor(OK, NO, OK) as upstream:
            async with traced(tmp_path, document(upstream), collector, monkeypatch) as client:
                assert (await client.get("/acme/first")).status_code == 200
                assert (await client.get("/acme/second")).status_code == 200
                spans = collector.wait_for(7)
    (request,) = [span for span in spans if span.attributes.get("url.path") == "/acme/second"]
    below = sorted((span for span in spans if span.parent == request.span_id), key=lambda span: span.nanoseconds)
    assert [(span.name, span.attributes.get("http.response.status_code"), span.failed) for span in below] == [
        ("GET acme", 401, True), ("token fetch acme", None, False), ("GET acme", 200, False),
    ]  # fmt: skip
    assert all(one.nanoseconds[1] <= other.nanoseconds[0] for one, other in pairwise(below))
    assert (request.attributes["authproxy.repeats"], request.failed) == (1, False)


async def test_failures_are_failures_by_the_name_that_the_log_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor(b"no HTTP\r\n\r\n") as upstream:
            async with traced(tmp_path, document(upstream), collector, monkeypatch) as client:
                assert (await client.get("/keyed/x")).status_code == 502
                assert (await client.get("/nowhere")).status_code == 404
                spans = collector.wait_for(3)
    for name in ("GET /keyed", "GET keyed"):
        assert named(spans, name).attributes["error.type"] == "upstream_protocol_error"
        assert named(spans, name).failed
    lost = named(spans, "GET")
    assert (lost.kind, lost.attributes["error.type"], lost.failed) == (SERVER, "no_route", False)
    assert "CANARY" not in str(spans)


async def test_what_is_not_sampled_is_not_sent_and_the_vendor_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        async with vendor() as upstream:
            config = document(upstream, traceparent="make")
            async with traced(
                tmp_path, config, collector, monkeypatch, OTEL_TRACES_SAMPLER="parentbased_always_off"
            ) as client:
                await client.get("/acme/x")
            (value,) = upstream.requests[-1].values("traceparent")
    assert int(value[-1]) & 1 == 0
    assert collector.spans == []
    (line,) = [line for line in logged(tmp_path) if line["event"] == "request"]
    assert line["trace_id"] in value


@pytest.mark.parametrize("status", [None, 400])
async def test_a_collector_that_hangs_or_refuses_holds_up_nothing_and_is_told_once(
    status: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector(status=status) as collector:
        async with vendor() as upstream:
            more = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"}
            began = time.monotonic()
            async with traced(tmp_path, document(upstream), collector, monkeypatch, **more) as client:
                for _ in range(100):
                    assert (await client.get("/keyed/x")).status_code == 200
                await asyncio.to_thread(collector.wait_for_requests, 1)
            assert time.monotonic() - began < 15
    lines = [line for line in logged(tmp_path) if line["event"] != "request"]
    told = [line for line in lines if line["event"].startswith("traces are lost")]
    assert len(told) == (0 if status is None else 1)
    assert not [line for line in lines if line["logger"].startswith("opentelemetry")]


async def test_a_signature_holds_beside_a_traceparent_that_was_made() -> None:
    """The vendor checks what was signed; what came behind is none of it."""
    vendor = Wyre()
    async with behind(vendor, routes={"/wyre": {"provider": "vendor", "traceparent": "make"}}) as proxy:
        reply = await ask(
            proxy, "POST", "/wyre/v3/transfers?a=1", [("Content-Type", "application/json")], b'{"amount":1}'
        )
        assert reply.status == 200, reply.body
        (received,) = vendor.requests
        assert len(received.values("traceparent")) == 1


# --- When there are spans at all ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "x"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, None),
    ],
)
def test_the_environment_decides_whether_and_how(environ: dict[str, str], protocol: str | None) -> None:
    settings = tracing_settings(environ)
    assert (None if settings is None else settings.protocol) == protocol


def test_a_protocol_of_the_traces_beats_that_of_all_signals_and_a_name_that_is_given_stays() -> None:
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "nonsense",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=mine",
    }  # fmt: skip
    assert tracing_settings(environ) == TracingSettings("grpc", names_service=True)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "CANARY-zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "CANARY-json"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
async def test_what_cannot_be_had_is_a_warning_and_no_reason_to_not_serve(
    environ: dict[str, str], named: str, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as stream:
        log = configure(stream, json=True)
        async with open_tracing(environ) as tracing:
            assert tracing is None
        log.flush()
    (line,) = logged(tmp_path)
    assert named in line["event"]
    assert "CANARY" not in str(line)


async def test_over_grpc_they_come_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector()
    with over_grpc(collector) as url:
        async with vendor() as upstream:
            more = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
            async with traced(tmp_path, document(upstream), collector, monkeypatch, **more) as client:
                assert (await client.get("/acme/x")).status_code == 200
                spans = await asyncio.to_thread(collector.wait_for, 3)
    request = named(spans, "GET /acme")
    assert {named(spans, name).parent for name in ("GET acme", "token fetch acme")} == {request.span_id}


def test_the_command_sends_its_spans_before_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "authproxy.yaml"
    key = {"scheme": "static", "headers": {"X-Key": {"value": SECRET}}}
    path.write_text(
        json.dumps(
            {
                "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
                "providers": {"acme": {"base_url": "http://127.0.0.1:1", "auth": key}},
                "routes": {"/acme": "acme"},
            }
        )
    )
    with Collector() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "sidecar"}
        with running("run", "-c", str(path), environ=environ, secrets=(SECRET,)) as proxy:
            assert httpx.get(f"http://{proxy.address}/acme/x", trust_env=False).status_code == 502
            assert proxy.stop() == 0
        spans = collector.wait_for(2)
    assert {span.resource["service.name"] for span in spans} == {"sidecar"}
    assert not leaks([SECRET], collector.raw)


def test_without_the_variables_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, proxy.commands.run; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
