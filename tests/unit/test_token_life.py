"""When a token is due and when it is over, as a table."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.secret import Secret
from proxy.tokens.life import Phase, is_at_its_end, is_surely_fresh, phase, token_from
from proxy.tokens.token import Grant, Token, TokenPolicy


def token(lifetime: float, jitter: float = 0.0, is_dated: bool = False, **policy: Any) -> Token:
    grant = Grant(Secret("t"), lifetime, is_dated=is_dated)
    return token_from(grant, 1, TokenPolicy(**policy), obtained_at=1000, obtained_wall=5000, jitter=jitter)


@pytest.mark.parametrize(
    ("lifetime", "policy", "jitter", "margin"),
    [
        (3600, {}, 0.0, 60),
        (3600, {}, 1.0, 45),
        (100, {}, 0.0, 20),
        (30, {}, 0.0, 6),
        (15, {}, 0.0, 1.5),
        (5, {}, 0.0, 1 / 6),
        (5, {}, 1.0, 0.125),
        (5, {"refresh_margin": 300}, 0.0, 1),
        (5, {"refresh_margin": 0.5}, 0.0, 0.5),
        (3600, {"refresh_margin": 300}, 0.0, 300),
        (3600, {"refresh_margin": 3000}, 0.0, 720),
        (14_400, {"single_live": True}, 0.0, 2),
        (14_400, {"single_live": True, "refresh_margin": 300}, 0.0, 2),
        (5, {"single_live": True}, 0.0, 0.1),
        (5, {"single_live": True}, 1.0, 0.1),
        (3600, {"refresh_margin": 0.0}, 1.0, 0),
        (3600, {"refresh_margin": 60}, 0.5, 52.5),
    ],
)
def test_the_margin_before_expiry(lifetime: float, policy: dict[str, Any], jitter: float, margin: float) -> None:
    made = token(lifetime, jitter, **policy)
    assert made.expires_at == 1000 + lifetime
    assert made.expires_at - made.refresh_at == pytest.approx(margin)


@pytest.mark.parametrize("lifetime", [0.001, 0.5, 1, 5, 29.9, 30, 31, 299, 300, 301, 3600, 1e9])
@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_the_margin_is_never_more_than_a_fifth_nor_than_a_minute(lifetime: float, jitter: float) -> None:
    made = token(lifetime, jitter)
    assert 0 < made.expires_at - made.refresh_at <= min(60, lifetime / 5) + 1e-6


@pytest.mark.parametrize(
    ("lifetime", "age", "expected"),
    [
        (100, 79, False),
        (100, 80, True),
        (3, 1.9, False),
        (3, 2, True),
        (1, 0.4, False),
        (1, 0.5, True),
        (inf, 9e9, False),
    ],
)
def test_when_a_token_dies_of_age(lifetime: float, age: float, expected: bool) -> None:
    """In its last fifth, or up to a second early, which is how servers end it that count in whole seconds."""
    assert is_at_its_end(token(lifetime), 1000 + age) is expected


def test_a_token_remembers_what_it_was_made_of() -> None:
    made = token(100, is_dated=True)
    assert (made.value.reveal(), made.generation, made.obtained_at, made.obtained_wall) == ("t", 1, 1000, 5000)
    assert made.is_dated and not token(100).is_dated


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, Phase.FRESH), (79.9, Phase.FRESH), (80, Phase.DUE), (99.9, Phase.DUE), (100, Phase.EXPIRED), (1e9, Phase.EXPIRED)],
)  # fmt: skip
def test_the_phases_of_a_life(age: float, expected: Phase) -> None:
    assert phase(token(100), 1000 + age, 5000 + age) is expected


def test_a_wall_clock_set_back_does_not_lengthen_a_life() -> None:
    assert phase(token(100), 1100, 5100 - 3600) is Phase.EXPIRED
    assert phase(token(100), 1080, 5080 - 3600) is Phase.DUE


def test_a_token_for_ever_is_always_fresh() -> None:
    assert phase(token(inf), 1e12, 1e12) is Phase.FRESH


@pytest.mark.parametrize(
    ("jump", "is_dated", "expected"),
    [
        (3600, False, Phase.EXPIRED),
        (85, False, Phase.DUE),
        (-3600, False, Phase.FRESH),
        (3, True, Phase.FRESH),
        (5, True, Phase.FRESH),
        (-5, True, Phase.FRESH),
        (5.01, True, Phase.EXPIRED),
        (-5.01, True, Phase.EXPIRED),
        (6, True, Phase.EXPIRED),
        (-6, True, Phase.EXPIRED),
    ],
)
def test_jumps_of_the_wall_clock(jump: float, is_dated: bool, expected: Phase) -> None:
    assert phase(token(100, is_dated=is_dated), 1001, 5001 + jump) is expected


@given(
    lifetime=st.floats(0, 1000) | st.just(inf),
    age=st.floats(-10, 1100),
    jump=st.floats(-20, 20),
    is_dated=st.booleans(),
    single_live=st.booleans(),
)
def test_what_is_fresh_at_a_quick_look_is_fresh(
    lifetime: float, age: float, jump: float, is_dated: bool, single_live: bool
) -> None:
    made = token(lifetime, is_dated=is_dated, single_live=single_live)
    now, wall = 1000 + age, 5000 + age + jump
    if is_surely_fresh(made, now, wall):
        assert phase(made, now, wall) is Phase.FRESH


def test_at_a_quick_look_most_of_a_life_is_fresh() -> None:
    assert is_surely_fresh(token(3600), 1000 + 3500, 5000 + 3500)
    assert is_surely_fresh(token(inf), 1e9, 1e9 + 4000)
