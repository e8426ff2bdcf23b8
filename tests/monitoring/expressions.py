"""What the dashboard and the alerts ask of Prometheus, taken apart as far as names go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/authproxy-dashboard.json"

# Made by Prometheus itself, and only while an alert is pending or firing.
ALERTS = {"alertname", "alertstate", "severity", "job", "instance", "route", "provider", "state", "store"}
_TEXT = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r'\b([a-zA-Z_]\w*)\s*(\{(?:[^{}"]|"[^"]*")*\})')
_NAME = re.compile(r"\b((?:authproxy|process|python|go|scrape)_\w+|up|ALERTS)\b")
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# Grafana's variables, as they are where everything is chosen.
_VARIABLES = {"$__rate_interval": "1m", "$__interval": "15s"}


@dataclass(frozen=True)
class Expression:
    """`used_in` are labels that a legend or an annotation shows."""

    where: str
    text: str
    used_in: frozenset[str] = field(default=frozenset())

    @property
    def selectors(self) -> set[str]:
        """Each metric with its matchers."""
        whole = {f"{name}{matchers}" for name, matchers in _SELECTOR.findall(self.text)}
        return whole | set(_NAME.findall(_SELECTOR.sub("", self.text)))

    @property
    def groupings(self) -> set[str]:
        """The labels in by(), on() and their like."""
        bare = _TEXT.sub("", self.text)
        return {label.strip() for labels in _GROUPING.findall(bare) for label in labels.split(",") if label.strip()}


def metric(selector: str) -> str:
    return selector.partition("{")[0]


def matched_labels(selector: str) -> set[str]:
    return set(_MATCHED.findall(_TEXT.sub('""', selector.partition("{")[2])))


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def alert_expressions() -> Iterator[Expression]:
    for rule in alerts():
        shown = re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values()))
        yield Expression(rule["alert"], rule["expr"], frozenset(shown))


def dashboard_expressions() -> Iterator[Expression]:
    document = dashboard()
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            shown = frozenset(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
            yield Expression(panel["title"], everything(target["expr"]), shown)
    for annotation in document["annotations"]["list"]:
        yield Expression(annotation["name"], everything(annotation["expr"]))


def everything(text: str) -> str:
    """An expression of Grafana's with each variable filled in."""
    for name, value in _VARIABLES.items():
        text = text.replace(name, value)
    return re.sub(r"\$\w+", ".*", text)
