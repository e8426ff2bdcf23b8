"""Measurements as Markdown: a table for each case, medians, and comparisons with their spread."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import Figure, figure, paired_difference, paired_ratio
from bench.rounds import Rows

HEADINGS = {
    "cpu_us": "CPU µs a request",
    "cpu_ms": "CPU ms",
    "rps": "requests/s",
    "saturated_p99_ms": "p99 ms by wrk",
    "others": "of the core, used by others",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "worst_ms": "worst ms",
    "late_p99_ms": "load late by, p99 ms",
    "mb_per_s": "MB/s",
    "idle_mib": "MiB idle",
    "after_bodies_mib": "MiB after 100 MiB each way",
    "connections": "connections",
    "with_connections_mib": "MiB with them",
    "after_connections_mib": "MiB after them",
    "ready_ms": "ms until ready",
}
CASE_TITLES = {
    "get": "GET, answer of 1 KiB, fixed header",
    "tls": "the same over TLS to the upstream",
    "post": "POST of 1 KiB, fixed header",
    "unlike": "GET, another query in each request",
    "fresh": "GET, a new connection for each request",
    "medium": "GET, answer of 256 KiB",
    "medium-up": "POST of 256 KiB",
    "credentials": "authproxy's ways to authenticate",
    "rate": "2,000 requests a second",
    "down": "100 MiB down",
    "up": "100 MiB up",
    "down-tls": "100 MiB down, TLS upstream",
    "up-tls": "100 MiB up, TLS upstream",
    "paced": "100 MiB down at 164 MB/s",
    "paced-tls": "100 MiB down at 164 MB/s, TLS upstream",
    "memory": "memory",
    "startup": "start-up",
    "growth": "cost as the configuration grows",
}
# A slice in which other programs had so much of the proxies' core says little about throughput and latency.
BUSY = 0.1
# What a case compares: the quantity, and the row that is 1; times as cheap, but milliseconds more for latency.
_COMPARED = {
    "get": ("cpu_us", "nginx"),
    "tls": ("cpu_us", "nginx"),
    "post": ("cpu_us", "nginx"),
    "unlike": ("cpu_us", "nginx"),
    "fresh": ("cpu_us", "nginx"),
    "medium": ("cpu_us", "nginx-large"),
    "medium-up": ("cpu_us", "nginx-large"),
    "credentials": ("cpu_us", "fixed header"),
    "rate": ("p99_ms", "direct"),
    "down": ("cpu_ms", "nginx-large"),
    "up": ("cpu_ms", "nginx-large"),
    "down-tls": ("cpu_ms", "nginx-large"),
    "up-tls": ("cpu_ms", "nginx-large"),
    "paced": ("cpu_ms", "nginx-large"),
    "paced-tls": ("cpu_ms", "nginx-large"),
    "growth": ("cpu_us", "1 route"),
}


def tables(results: dict[str, Rows], titles: dict[str, str]) -> str:
    return "\n\n".join(_table(case, rows, titles) for case, rows in results.items() if rows)


def relation(case: str, row: str, rows: Rows) -> Figure | None:
    """How a row compares with the case's base; None where there is no base, or no proxy whose cost could be told."""
    if case not in _COMPARED:
        return None
    quantity, base = _COMPARED[case]
    if case == "credentials":
        base = f"{row.partition(',')[0]}, {base}"
    if row == base or base not in rows:
        return None
    ones, others = rows[base][quantity], rows[row][quantity]
    if case == "rate":
        return paired_difference(ones, others)
    return paired_ratio(ones, others) if all(ones) and all(others) else None


def related(case: str, figure_: Figure | None) -> str:
    """A comparison in a cell: so many times as cheap, or so many milliseconds more; in brackets its spread."""
    if figure_ is None:
        return ""
    sign, unit = ("+", " ms") if case == "rate" else ("", " ×")
    return f"{figure_.median:{sign}.2f}{unit} ({figure_.low:{sign}.2f}–{figure_.high:{sign}.2f})"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def busy(results: dict[str, Rows]) -> list[str]:
    """The cases in which other programs had the proxies' core for a notable time."""
    return [
        case
        for case, rows in results.items()
        if any(figure(values["others"]).median > BUSY for values in rows.values() if values.get("others"))
    ]


def _table(case: str, rows: Rows, titles: dict[str, str]) -> str:
    quantities = list(next(iter(rows.values())))
    base = _COMPARED.get(case, ("", ""))[1]
    against = [f"against {titles.get(base, base)}"] if base else []
    lines = []
    for row, values in rows.items():
        cells = [_cell(quantity, values[quantity]) for quantity in quantities]
        compared = [related(case, relation(case, row, rows))] if base else []
        lines.append([titles.get(row, row), *cells, *compared])
    header = [CASE_TITLES[case], *(HEADINGS[quantity] for quantity in quantities), *against]
    return markdown(header, lines)


def _cell(quantity: str, rounds: Sequence[float]) -> str:
    median = figure(rounds).median
    return f"{median:.0%}" if quantity == "others" else number(median)
