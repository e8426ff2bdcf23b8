"""What is counted, under which names, and that nobody outside can make a series."""

from __future__ import annotations

import asyncio
import re
from typing import get_args

import pytest
from prometheus_client import REGISTRY
from prometheus_client import generate_latest as prometheus_text
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy import errors
from proxy.exposition import exposition
from proxy.metrics import ANSWER_BROKEN, CAUSES, FETCH_OUTCOMES, Metrics
from proxy.state_metrics import ProviderReading, State, TokenReading
from proxy.tokens.failure import Outcome
from proxy.tokens.observer import Observer

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def scrape(metrics: Metrics) -> Series:
    text = metrics.exposition()[0].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return scrape(metrics)[(f"authproxy_{name}", frozenset(labels.items()))]


def test_every_family_of_the_contract_is_there_before_the_first_request(metrics: Metrics) -> None:
    metrics.route("/io", "io")
    names = {name for name, _ in scrape(metrics)}
    assert names >= {
        f"authproxy_{name}"
        for name in (
            "requests_total",
            "request_duration_seconds_bucket",
            "requests_in_flight",
            "upstream_errors_total",
            "rejections_total",
            "token_fetches_total",
            "token_fetch_duration_seconds_bucket",
            "token_cache_hits_total",
            "token_cache_misses_total",
            "token_waiters",
            "auth_retries_total",
            "config_reloads_total",
            "config_last_reload_successful",
            "config_last_reload_success_timestamp_seconds",
            "build_info",
        )
    }
    assert "process_resident_memory_bytes" in names
    assert "python_gc_collections_total" in names


def test_series_of_a_configured_route_begin_at_zero(metrics: Metrics) -> None:
    """An alert on increase() misses the first event of a series that begins at 1."""
    metrics.route("/io", "io")
    assert value(metrics, "requests_total", route="/io", provider="io", method="GET", code="502") == 0
    assert value(metrics, "rejections_total", route="/io", reason="denied_by_route") == 0
    assert value(metrics, "rejections_total", route="", reason="no_route") == 0
    assert value(metrics, "upstream_errors_total", provider="io", reason="upstream_timeout") == 0
    assert value(metrics, "token_fetches_total", provider="io", outcome="refused") == 0
    assert value(metrics, "auth_retries_total", provider="io", reason="dropped") == 0
    assert value(metrics, "request_duration_seconds_count", route="/io", provider="io") == 0


def test_a_route_that_allows_one_method_begins_with_that_one(metrics: Metrics) -> None:
    metrics.route("/io", "io", methods={"DELETE"})
    assert value(metrics, "requests_total", route="/io", provider="io", method="DELETE", code="200") == 0
    with pytest.raises(KeyError):
        value(metrics, "requests_total", route="/io", provider="io", method="GET", code="200")


def test_a_finished_request_is_counted_once_under_its_route_method_and_status(metrics: Metrics) -> None:
    route = metrics.route("/io", "io")
    route.finished("GET", 200, 0.004, request_bytes=7, response_bytes=1024)
    assert value(metrics, "requests_total", route="/io", provider="io", method="GET", code="200") == 1
    assert value(metrics, "request_body_bytes_total", route="/io", provider="io") == 7
    assert value(metrics, "response_body_bytes_total", route="/io", provider="io") == 1024


def test_requests_in_flight_are_looked_at_when_somebody_asks(metrics: Metrics) -> None:
    metrics.route("/io", "io")
    metrics.show(State, {("/io", "io"): 3}.copy)
    assert value(metrics, "requests_in_flight", route="/io", provider="io") == 3


def test_the_histogram_counts_a_duration_in_every_bucket_that_holds_it(metrics: Metrics) -> None:
    route = metrics.route("/io", "io")
    for seconds in (0.001, 0.0011, 61.0):
        route.finished("GET", 200, seconds)

    def bucket(bound: str) -> float:
        return value(metrics, "request_duration_seconds_bucket", route="/io", provider="io", le=bound)

    assert [bucket(bound) for bound in ("0.001", "0.0025", "60.0", "+Inf")] == [1, 2, 2, 3]
    assert value(metrics, "request_duration_seconds_count", route="/io", provider="io") == 3
    assert value(metrics, "request_duration_seconds_sum", route="/io", provider="io") == pytest.approx(61.0021)


def test_callers_and_vendors_cannot_make_series(metrics: Metrics) -> None:
    """Abuse case 50: whatever methods, statuses and reasons come, the label sets stay closed."""
    route = metrics.route("/io", "io")
    for number in range(1000):
        route.finished(f"X-{number}", 1000 + number, 0.01)
        metrics.rejected(f"made up {number}")
        metrics.upstream_error("io", f"made up {number}")
        metrics.retried("io", f"made up {number}")
    series = scrape(metrics)
    assert value(metrics, "requests_total", route="/io", provider="io", method="other", code="other") == 1000
    assert value(metrics, "rejections_total", route="", reason="other") == 1000
    assert value(metrics, "upstream_errors_total", provider="io", reason="other") == 1000
    assert value(metrics, "auth_retries_total", provider="io", reason="other") == 1000
    assert not [labels for _, labels in series if any("made up" in text or "X-" in text for _, text in labels)]


def test_a_caller_that_hung_up_has_a_code_of_its_own(metrics: Metrics) -> None:
    route = metrics.route("/io", "io")
    route.finished("GET", 499, 0.01)
    assert value(metrics, "requests_total", route="/io", provider="io", method="GET", code="499") == 1


def test_every_error_has_its_place(metrics: Metrics) -> None:
    """No code of our own errors counts as `other`: it is a rejection, or the vendor's doing."""
    metrics.route("/io", "io")
    for kind in vars(errors).values():
        if not (isinstance(kind, type) and issubclass(kind, errors.ProxyError) and "code" in vars(kind)):
            continue
        if issubclass(kind, errors.UpstreamError):
            metrics.upstream_error("io", kind.code)
            assert value(metrics, "upstream_errors_total", provider="io", reason=kind.code) == 1
        else:
            metrics.rejected(kind.code, "/io")
            assert value(metrics, "rejections_total", route="/io", reason=kind.code) == 1


def test_an_answer_that_broke_off_is_the_vendors_error(metrics: Metrics) -> None:
    metrics.provider("io")
    metrics.upstream_error("io", ANSWER_BROKEN)
    assert value(metrics, "upstream_errors_total", provider="io", reason="answer_broken") == 1


def test_what_the_token_cache_tells_is_counted(metrics: Metrics) -> None:
    observer: Observer = metrics
    metrics.provider("io")
    observer.missed("io")
    observer.waiting("io", 2)
    observer.waiting("io", -1)
    observer.fetched("io", "ok", 0.2)
    observer.hit("io")
    observer.hit("io")
    observer.retried("io", "superseded")
    assert value(metrics, "token_cache_misses_total", provider="io") == 1
    assert value(metrics, "token_waiters", provider="io") == 1
    assert value(metrics, "token_fetches_total", provider="io", outcome="ok") == 1
    assert value(metrics, "token_fetch_duration_seconds_bucket", provider="io", le="0.25") == 1
    assert value(metrics, "token_fetch_duration_seconds_bucket", provider="io", le="0.1") == 0
    assert value(metrics, "token_cache_hits_total", provider="io") == 2
    assert value(metrics, "auth_retries_total", provider="io", reason="superseded") == 1


def test_the_outcomes_of_fetches_are_those_of_the_token_room() -> None:
    assert set(get_args(Outcome)) == set(FETCH_OUTCOMES)


def test_a_failed_reload_shows_until_one_succeeds(metrics: Metrics) -> None:
    assert value(metrics, "config_last_reload_successful") == 1
    metrics.reloaded(successful=False)
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_reloads_total", outcome="failed") == 1
    metrics.reloaded(successful=True)
    assert value(metrics, "config_last_reload_successful") == 1
    assert value(metrics, "config_reloads_total", outcome="ok") == 1


def test_a_reload_goes_on_counting_where_it_was(metrics: Metrics) -> None:
    """The same names give the same figures; a route that leads elsewhere now has its own, and no series is double."""
    before = metrics.route("/io", "io")
    before.finished("GET", 200, 0.1)
    assert metrics.route("/io", "io") is before
    metrics.route("/io", "other-account")
    text = metrics.exposition()[0].decode()
    lines = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_the_pieces_are_what_it_would_be_in_one(metrics: Metrics, accept: str) -> None:
    """Many routes, so that a family has more than one."""
    for number in range(40):
        metrics.route(f"/route-{number}", f"provider-{number}")
    text, _ = metrics.exposition(accept)
    generate = openmetrics_text if accept else prometheus_text
    whole: bytes = generate(metrics.registry)
    lines = [line for line in whole.splitlines() if not re.match(rb"(# (HELP|TYPE) )?authproxy\S*_created", line)]
    moving = re.compile(rb"process_cpu|process_open|python_gc|process_resident|process_virtual")
    assert [line for line in text.splitlines() if not moving.match(line)] == [
        line for line in lines if not moving.match(line)
    ]
    pieces, _ = exposition(metrics.registry, accept)
    assert max(piece.count(b"\n") for piece in pieces) <= 204


async def test_others_have_their_turn_while_all_of_it_is_put_together(metrics: Metrics) -> None:
    for number in range(40):
        metrics.route(f"/route-{number}", f"provider-{number}")
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    text, _ = await metrics.exposed()
    others.cancel()
    assert turns > 40
    assert text.count(b"\n") > 4000


def test_openmetrics_is_given_to_those_who_ask_for_it(metrics: Metrics) -> None:
    metrics.route("/io", "io")
    text, content_type = metrics.exposition("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3")
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = parse_openmetrics(text.decode())  # type: ignore[no-untyped-call]
    assert "authproxy_requests" in {family.name for family in families}
    assert metrics.exposition("*/*")[1].startswith("text/plain; version=0.0.4")


def test_the_content_type_repeats_nothing_of_the_accept_header(metrics: Metrics) -> None:
    accept = "application/openmetrics-text; version=9.9.CANARY; escaping=CANARY"
    assert "CANARY" not in metrics.exposition(accept)[1]


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_no_line_is_spent_on_when_a_counter_was_born(metrics: Metrics, accept: str) -> None:
    metrics.route("/io", "io")
    assert b"_created" not in metrics.exposition(accept)[0]


def test_the_registry_is_our_own(metrics: Metrics) -> None:
    """Two proxies in one process count apart, and the library's global registry hears of neither."""
    other = Metrics("1.2.3")
    metrics.provider("io")
    other.provider("io")
    metrics.hit("io")
    assert value(other, "token_cache_hits_total", provider="io") == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("authproxy")]


def test_the_build_names_its_version(metrics: Metrics) -> None:
    assert [dict(labels)["version"] for name, labels in scrape(metrics) if name == "authproxy_build_info"] == ["1.2.3"]


def test_the_moment_of_the_last_good_load_is_told(metrics: Metrics) -> None:
    metrics.loaded(1_700_000_000.0)
    metrics.reloaded(successful=False)
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == 1_700_000_000.0


def test_the_state_is_looked_at_when_it_is_asked_for(metrics: Metrics) -> None:
    """So that a dropped token has no expiry any more, and a provider that is gone no state."""
    state = State(providers=(ProviderReading("io", "ok", TokenReading(expires_at=5.0)),))
    metrics.show(lambda: state)
    metrics.provider("io")
    metrics.fetched("io", "ok", 0.1)
    assert value(metrics, "token_expiry_timestamp_seconds", provider="io") == 5.0
    assert value(metrics, "credential_state", provider="io", state="ok") == 1
    assert [value(metrics, "credential_state", provider="io", state=other) for other in ("idle", "refused")] == [0, 0]
    state = State(providers=(ProviderReading("io", "refused"),))
    assert value(metrics, "token_expiry_timestamp_seconds", provider="io") == 0.0
    assert value(metrics, "credential_state", provider="io", state="refused") == 1
    state = State()
    gone = {name for name, labels in scrape(metrics) if ("provider", "io") in labels}
    assert not gone & {"authproxy_token_expiry_timestamp_seconds", "authproxy_credential_state"}
    assert value(metrics, "token_fetches_total", provider="io", outcome="ok") == 1


def test_a_failure_is_counted_by_whose_fault_it_is(metrics: Metrics) -> None:
    metrics.route("/io", "io")
    for error in (errors.NoRoute(), errors.CredentialRejected(), errors.UpstreamTimeout(), errors.ProxyError()):
        metrics.failed("/io", "io", error)
    metrics.failed("/io", "io", None)
    counted = {
        cause: value(metrics, "failed_requests_total", route="/io", provider="io", cause=cause) for cause in CAUSES
    }
    assert counted == {"caller": 1, "credential": 1, "vendor": 2, "proxy": 1}


def test_the_time_until_a_vendor_answers_is_told_apart_from_the_whole(metrics: Metrics) -> None:
    route = metrics.route("/io", "io")
    for seconds in (0.25, None):
        route.finished("GET", 200, 1.0, until_answered=seconds)
    assert value(metrics, "time_to_answer_seconds_count", route="/io", provider="io") == 1
    assert value(metrics, "time_to_answer_seconds_sum", route="/io", provider="io") == 0.25
