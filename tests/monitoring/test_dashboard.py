"""The dashboard as Grafana reads it: what its screen needs, checked without Grafana."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from tests.monitoring.expressions import Expression, alerts, dashboard, dashboard_expressions, metric

DOCUMENT = dashboard()
PANELS: list[dict[str, Any]] = DOCUMENT["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]


def test_it_can_be_imported_beside_others_and_again() -> None:
    assert DOCUMENT["uid"] == "authproxy"
    assert "id" not in DOCUMENT
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_whose_data_it_shows_is_chosen_on_the_screen() -> None:
    variables = [variable["name"] for variable in DOCUMENT["templating"]["list"]]
    assert variables == ["datasource", "job", "instance", "route", "provider"]
    for panel in CHARTS:
        for source in (panel, *panel["targets"]):
            assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        for target in panel["targets"]:
            chosen = 'job=~"$job"' in target["expr"] and 'instance=~"$instance"' in target["expr"]
            assert chosen or "ALERTS" in target["expr"], panel["title"]


def test_panels_do_not_cover_each_other() -> None:
    for one, other in combinations((panel["gridPos"] for panel in PANELS), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart and one["x"] + one["w"] <= 24


def test_numbers_have_units_and_expressions_have_letters_of_their_own() -> None:
    for panel in CHARTS:
        if panel["type"] in ("timeseries", "stat"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references)


def test_what_alerts_are_about_can_be_looked_at() -> None:
    """Whoever is called finds each metric of the alerts on the dashboard."""
    shown = {metric(selector) for one in dashboard_expressions() for selector in one.selectors}
    for rule in alerts():
        asked = {metric(selector) for selector in Expression(rule["alert"], rule["expr"]).selectors}
        assert asked - {"up"} <= shown, rule["alert"]
