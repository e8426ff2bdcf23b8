"""Measurements as Markdown: each case a table, medians with their spread."""

from __future__ import annotations

from bench.cases import Rows
from bench.figures import Figure, figure, paired_difference, paired_ratio


def tables(results: dict[str, Rows], titles: dict[str, str]) -> str:
    return "\n\n".join(_table(case, rows, titles) for case, rows in results.items() if rows)


def _table(case: str, rows: Rows, titles: dict[str, str]) -> str:
    lines = []
    base = "direct" if case == "rate" else "nginx" if "nginx" in rows else next(iter(rows))
    quantities = list(next(iter(rows.values())))
    lines.append("| " + " | ".join([case, *quantities, f"against {base}"]) + " |")
    lines.append("|---|" + "---|" * (len(quantities) + 1))
    for row, values in rows.items():
        cells = [_plain(figure(values[quantity]).median) for quantity in quantities]
        relation = ""
        if case == "rate" and base in rows:
            added = paired_difference(rows[base]["p99_ms"], values["p99_ms"])
            relation = f"p99 {_spread(added, '+.2f')} ms"
        elif case != "rate" and all(values["cpu_us"]) and all(rows[base]["cpu_us"]):
            relation = f"{_spread(paired_ratio(rows[base]['cpu_us'], values['cpu_us']), '.2f')} ×"
        lines.append("| " + " | ".join([titles.get(row, row), *cells, relation]) + " |")
    return "\n".join(lines)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _spread(one: Figure, form: str) -> str:
    return f"{one.median:{form}} ({one.low:{form}} to {one.high:{form}})"
