"""An explanation as lines for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from proxy.explain.explanation import Explanation
from proxy.explain.verdict import Verdict

Line = tuple[str, str]


def as_lines(told: Explanation, verdict: Verdict | None = None) -> Iterator[Line]:
    """Name and text, in the order of the request's way."""
    kind = f"scheme {told.scheme}" + (f", preset {told.preset}" if told.preset else "")
    yield "route", f"{told.route}: {told.why}"
    for other in told.others:
        yield "not taken", f"{other.prefix}: {other.why}"
    yield "provider", f"{told.provider} ({kind})"
    yield "request", f"{told.method} {told.url}"
    for field in told.headers:
        if field.by in ("caller", "authproxy"):
            yield "header", f"{field.name}: {field.value}"
        else:
            yield "added", f"{field.name}: {field.value}   (by the {field.by})"
    for parameter in told.added_parameters:
        yield "added", f"?{parameter.name}={parameter.value}   (by the {parameter.by})"
    if told.body_bytes:
        yield "body", f"{told.body_bytes} bytes, as they come"
    for removed in told.removed:
        name = f"?{removed.name}=" if removed.kind == "parameter" else removed.name
        yield "removed", f"{name}: {removed.why}"
    yield "credential", told.credential
    yield from told.how
    if told.token != "none is needed":  # noqa: S105 - words, not a token
        yield "token", told.token
    for sentence in verdict.sentences if verdict is not None else ():
        yield "compared", sentence


def as_json(told: Explanation, verdict: Verdict | None = None) -> dict[str, Any]:
    """The same, with names of JSON's kind."""
    document = {**asdict(told), "how": {name.replace(" ", "_"): text for name, text in told.how}}
    return document if verdict is None else {**document, "comparison": asdict(verdict)}
