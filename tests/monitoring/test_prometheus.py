"""A real Prometheus scrapes a real proxy: every name in the dashboard and in the alerts exists there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.monitoring.expressions import (
    ALERTS,
    RULES,
    Expression,
    alert_expressions,
    alerts,
    dashboard,
    dashboard_expressions,
    everything,
    matched_labels,
    metric,
)
from tests.process import Running, running
from tests.prometheus_server import Prometheus, needs, prometheus, promtool

SECRET = "CANARY-4f71-under-watch"
STORE_KEY = "CANARY-store-key-9d1e-of-thirty-two-and-more"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With a store, a token and a static key; nobody has asked it for anything."""
    folder = tmp_path_factory.mktemp("monitored")
    secret = {"value": SECRET}
    login = {"scheme": "oauth2_client_credentials", "token_url": "http://127.0.0.1:1/token", "client_id": secret}
    document = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "tokens": {"store": f"file:{folder}/tokens", "key": {"value": STORE_KEY}},
        "providers": {
            "fixed": {"base_url": "http://127.0.0.1:1", "auth": {"scheme": "static", "headers": {"X-Key": secret}}},
            "token": {"base_url": "http://127.0.0.1:1", "auth": {**login, "client_secret": secret}},
        },
        "routes": {"/fixed": "fixed", "/token": "token"},
    }
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(document))
    needs("prometheus")
    with running("run", "-c", str(path), secrets=(SECRET, STORE_KEY)) as process:
        yield process


@pytest.fixture(scope="module")
def server(proxy: Running) -> Iterator[Prometheus]:
    with prometheus(proxy.listening["admin"], RULES) as server:
        yield server


def scraped(proxy: Running, accept: str) -> str:
    url = f"http://{proxy.listening['admin']}/metrics"
    return httpx.get(url, headers={"Accept": accept}, trust_env=False).text


def test_promtool_finds_nothing_wrong_with_our_names(proxy: Running) -> None:
    done = promtool("check", "metrics", given=scraped(proxy, "text/plain"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_takes_every_sample(proxy: Running, server: Prometheus) -> None:
    lines = [line for line in scraped(proxy, "text/plain").splitlines() if not line.startswith("#")]
    (taken,) = server.query('scrape_samples_scraped{job="authproxy"}')
    assert int(taken["value"][1]) == len(lines)


@pytest.mark.parametrize("expression", [*alert_expressions(), *dashboard_expressions()], ids=lambda one: one.where)
def test_what_is_asked_exists(server: Prometheus, expression: Expression) -> None:
    """It parses; each selector, with its labels' values, selects something; and each label is one of the metric's."""
    server.query(expression.text)
    known: set[str] = set()
    assert expression.selectors
    for selector in expression.selectors:
        if metric(selector) == "ALERTS":
            assert matched_labels(selector) <= ALERTS
            continue
        series = server.series(selector)
        assert series, f"{selector} selects nothing"
        labels = set.union(*map(set, series))
        assert matched_labels(selector) <= labels, selector
        known |= labels
    if known:
        assert expression.groupings <= known
        assert expression.used_in <= known


def test_every_rule_is_evaluated_and_none_fires_for_a_proxy_that_is_well(server: Prometheus) -> None:
    rules = server.rules()
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}
    assert [(rule["name"], rule["health"], rule["state"]) for rule in rules] == [
        (rule["name"], "ok", "inactive") for rule in rules
    ]


def test_the_dashboards_variables_have_values(server: Prometheus) -> None:
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            selector, _, label = (
                variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rpartition(",")
            )
            series = server.series(everything(selector))
            assert series and all(label.strip() in one for one in series), variable["name"]


def test_a_name_that_does_not_exist_is_noticed(server: Prometheus) -> None:
    """The test above is worth something only if a misspelling fails it."""
    for wrong in (
        "sum(authproxy_request_total)",
        'authproxy_token_fetches_total{outcome="refuzed"}',
        "sum by (providr) (authproxy_token_waiters)",
        'rate(authproxy_requests_total{rout=~".*"}[1m])',
        "sum(up",
    ):
        with pytest.raises(AssertionError):
            test_what_is_asked_exists(server, Expression("wrong", wrong))


def test_what_a_vendor_sees_is_not_among_the_labels(proxy: Running) -> None:
    """No target, no address of a caller: labels are from the configuration and from closed sets."""
    httpx.get(f"http://{proxy.address}/fixed/CANARY-in-a-path?q=CANARY-in-a-query", trust_env=False)
    assert "CANARY" not in scraped(proxy, "application/openmetrics-text")
