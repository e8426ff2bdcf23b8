"""The alerts, by Prometheus's own tool: well-formed, each fires when it must and is silent when it must be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.expressions import RULES, alerts
from tests.prometheus_server import promtool

CASES = Path(__file__).with_name("alerts.yaml")


def test_the_rules_are_well_formed() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_must_and_only_then() -> None:
    done = promtool("test", "rules", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["promql_expr_test"]]
    named = [(re.findall(r'alertname="(\w+)"', case["expr"]), bool(case["exp_samples"])) for case in cases]
    for rule in alerts():
        assert {fires for names, fires in named if names == [rule["alert"]]} == {True, False}, rule["alert"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_about_and_what_to_do_next(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert len(summary) < 120
    assert re.search(r"`(authproxy|curl|journalctl|systemctl|docker|ss|ulimit|timedatectl) ?[^`]*`", description)
    assert not re.search(r"https?://[a-z]", description)
