"""What is decided between two attempts."""

from __future__ import annotations

from time import monotonic
from typing import cast

import pytest

from proxy.gateway.forward import _STILL_WARM, _let_go
from proxy.upstream.answer import Answer


class Refused:
    """An answer of which it is noted how it ended."""

    def __init__(self, *, is_whole: bool) -> None:
        self.end = ""
        self.is_here = lambda: is_whole

    def finish(self, now: float) -> None:
        self.end = "kept"

    def abort(self) -> None:
        self.end = "closed"


@pytest.mark.parametrize(
    ("method", "is_whole", "age", "end"),
    [
        ("GET", True, 0.0, "kept"),
        ("POST", True, 0.0, "closed"),
        ("GET", True, _STILL_WARM + 0.1, "closed"),
        ("GET", False, 0.0, "closed"),
    ],
)
async def test_the_connection_of_a_refused_attempt_is_kept_where_it_is_read_and_nothing_is_risked_on_it(
    method: str, is_whole: bool, age: float, end: str
) -> None:
    """While a token was fetched the vendor may have closed it, and the second attempt would be lost on it."""
    refused = Refused(is_whole=is_whole)
    _let_go(cast(Answer, refused), method, monotonic() - age)
    assert refused.end == end
