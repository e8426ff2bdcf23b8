"""All usual mistakes in signing a request, one and two at a time.

A mistake is a change to one part of what is signed. Those of one group exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.explain import content_mistakes, url_mistakes
from proxy.explain.signing import Facts, Found, Signing

_GROUPS: dict[str, Callable[[Signing, Facts], Found]] = {
    "query parts": url_mistakes.query_parts,
    "query order": url_mistakes.query_order,
    "spelling": url_mistakes.spelling,
    "address": url_mistakes.address,
    "moment": content_mistakes.moment,
    "body": content_mistakes.body,
    "key": content_mistakes.key,
    "method": content_mistakes.method,
    "layout": content_mistakes.layout,
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """`words` say what was done, as the end of "it fits if ..."."""

    group: str
    words: str
    signing: Signing


def single_mistakes(right: Signing, facts: Facts, *, but: str = "") -> Iterator[Mistake]:
    """Every mistake that changes something here, but for those of one group."""
    for group, find in _GROUPS.items():
        seen = {_mark(right)}
        for words, wrong in find(right, facts) if group != but else ():
            mark = _mark(wrong)
            if mark not in seen:
                seen.add(mark)
                yield Mistake(group, words, wrong)


def combinations(right: Signing, facts: Facts) -> Iterator[tuple[Mistake, ...]]:
    """None, each one, then any two."""
    yield ()
    singles = list(single_mistakes(right, facts))
    for first in singles:
        yield (first,)
    for first in singles:
        for second in single_mistakes(first.signing, facts, but=first.group):
            yield (first, second)


def _mark(signing: Signing) -> tuple[bytes, bytes]:
    return signing.text(), signing.key
