"""The table of the README: one row a contender, written between two markers."""

from __future__ import annotations

from bench.figures import figure
from bench.rounds import Rows
from bench.table import markdown, number, related, relation

# Where bodies are measured, nginx has buffers that fit them, and still one row.
_FITTING = "nginx-large"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
# Case, quantity, heading; a quantity of "" stands for the comparison of the case.
_COLUMNS = (
    ("get", "cpu_us", "CPU µs a request"),
    ("get", "", "as cheap as nginx"),
    ("get", "rps", "requests/s"),
    ("tls", "cpu_us", "TLS upstream: CPU µs"),
    ("tls", "", "as cheap as nginx"),
    ("unlike", "", "no request twice"),
    ("fresh", "", "a new connection each"),
    ("rate", "", "p99 added at 2,000/s"),
    ("down", "cpu_ms", "100 MiB down: CPU ms"),
    ("up", "cpu_ms", "up: CPU ms"),
    ("memory", "idle_mib", "MiB idle"),
)
# What only ours does: the case, the row, what it is called, and what is said of it ("" for the comparison).
_OWN = (
    ("credentials", "GET, minted JWT, kept", "a kept JWT", ""),
    ("credentials", "GET, fetched token, kept", "a kept login token", ""),
    ("credentials", "POST, HMAC over URL and body", "an HMAC for each request", ""),
    ("growth", "100 routes", "100 routes", ""),
    ("growth", "10,000 routes", "10,000 routes", ""),
    ("growth", "1,000 providers", "1,000 providers", ""),
    ("startup", "authproxy, 5 providers", "ready with 5 providers", "ready_ms"),
    ("startup", "authproxy, 1,000 providers", "with 1,000", "ready_ms"),
)


class MissingMarkers(ValueError):
    """A text without the two markers, once each and in their order."""


def summary(results: dict[str, Rows], titles: dict[str, str], machine: str) -> str:
    """What was measured, at a glance; columns and lines only for what was."""
    columns = [column for column in _COLUMNS if results.get(column[0])]
    shown = dict.fromkeys(row for case, _, _ in columns for row in results[case])
    order = [key for key in titles if key in shown and not (key == _FITTING and "nginx" in shown)]
    lines = [[titles[key], *(_cell(results, case, quantity, key) for case, quantity, _ in columns)] for key in order]
    parts = [markdown(["", *(heading for _, _, heading in columns)], lines)] if columns else []
    own = [_said(results, *line) for line in _OWN if line[1] in results.get(line[0], {})]
    if own:
        parts.append(f"authproxy, where a fixed header and one route are 1.00 ×: {'; '.join(own)}.")
    return "\n\n".join([*parts, machine])


def replaced(text: str, new: str) -> str:
    """The text with everything between the markers replaced. Raises MissingMarkers."""
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends or BEGIN in rest or END in after or END in before:
        raise MissingMarkers(f"needs {BEGIN} and {END}, once each")
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{after}"


def _cell(results: dict[str, Rows], case: str, quantity: str, key: str) -> str:
    rows = results[case]
    row = _FITTING if key == "nginx" and key not in rows else key
    if row not in rows:
        return ""
    if quantity:
        median = figure(rows[row][quantity]).median
        return number(median) if median else ""
    if case != "rate" and row == "nginx":
        return "1.00 ×"
    return related(case, relation(case, row, rows))


def _said(results: dict[str, Rows], case: str, row: str, name: str, quantity: str) -> str:
    rows = results[case]
    if quantity:
        return f"{name} after {number(figure(rows[row][quantity]).median)} ms"
    return f"{name} {related(case, relation(case, row, rows))}"
