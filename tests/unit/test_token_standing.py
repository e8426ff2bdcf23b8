"""What rejections lead to, step by step: each story is a list of events and what is said to them."""

from __future__ import annotations

import pytest

from proxy.tokens.standing import Standing, Verdict, accepted, adopted, rejected, renewed

DROP, REPLAY, PASS_ON = Verdict(True, drop=True), Verdict(True), Verdict(False)

Event = tuple[float, str, int, Verdict | None]

STORIES: dict[str, list[Event]] = {
    "a first rejection drops the token, the ones after it just replay": [
        (0, "renewed", 1, None),
        (1, "rejected", 1, DROP),
        (1, "rejected", 1, REPLAY),
        (2, "renewed", 2, None),
        (2, "rejected", 1, REPLAY),
    ],
    "a token that died and is replaced works again, any number of times an hour": [
        (0, "renewed", 1, None),
        (0, "accepted", 1, None),
        (60, "rejected", 1, DROP),
        (60, "renewed", 2, None),
        (60, "accepted", 2, None),
        (120, "rejected", 2, DROP),
        (120, "renewed", 3, None),
        (120, "accepted", 3, None),
        (180, "rejected", 3, DROP),
    ],
    "a rejection of the outcome of a rejection is passed on, and again for longer": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (29, "rejected", 2, PASS_ON),
        (30, "rejected", 2, DROP),
        (30, "renewed", 3, None),
        (30, "rejected", 3, PASS_ON),
        (89, "rejected", 3, PASS_ON),
        (90, "rejected", 3, DROP),
    ],
    "acceptance by one caller does not end the cool-down of another": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (1, "accepted", 2, None),
        (2, "rejected", 2, PASS_ON),
    ],
    "one path that always says 401 beside others that work does not cost a login each time": [
        (0, "renewed", 1, None),
        (0, "accepted", 1, None),
        (1, "rejected", 1, DROP),
        (1, "renewed", 2, None),
        (1, "accepted", 2, None),
        (1, "rejected", 2, DROP),
        (2, "renewed", 3, None),
        (2, "accepted", 3, None),
        (2, "rejected", 3, DROP),
        (3, "renewed", 4, None),
        (3, "accepted", 4, None),
        (3, "rejected", 4, PASS_ON),
        (32, "rejected", 4, PASS_ON),
        (33, "rejected", 4, DROP),
        # And then the count begins anew, while the cool-downs grow.
        (33, "renewed", 5, None),
        (33, "accepted", 5, None),
        (34, "rejected", 5, DROP),
        (34, "renewed", 6, None),
        (34, "accepted", 6, None),
        (35, "rejected", 6, DROP),
        (35, "renewed", 7, None),
        (35, "accepted", 7, None),
        (36, "rejected", 7, PASS_ON),
        (95, "rejected", 7, PASS_ON),
        (96, "rejected", 7, DROP),
    ],
    "such deaths count up to thirty seconds": [
        (0, "renewed", 1, None),
        (1, "rejected", 1, DROP),
        (1, "renewed", 2, None),
        (1, "accepted", 2, None),
        (31, "rejected", 2, DROP),
        (31, "renewed", 3, None),
        (31, "accepted", 3, None),
        (61, "rejected", 3, DROP),
        (61, "renewed", 4, None),
        (61, "accepted", 4, None),
        (91, "rejected", 4, PASS_ON),
    ],
    "a token that served for a quarter of an hour and no longer does not end the series of cool-downs": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (30, "rejected", 2, DROP),
        (30, "renewed", 3, None),
        (30, "accepted", 3, None),
        (930, "rejected", 3, DROP),
        (930, "renewed", 4, None),
        (930, "rejected", 4, PASS_ON),
        (989, "rejected", 4, PASS_ON),
        (990, "rejected", 4, DROP),
    ],
    "rejections of a quarter of an hour ago count": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (930, "renewed", 3, None),
        (930, "rejected", 3, PASS_ON),
    ],
    "that another token was accepted says nothing of this one": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "accepted", 1, None),
        (0, "rejected", 2, PASS_ON),
    ],
    "another process's token is as good as any, and the record of cool-downs stands": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (30, "rejected", 2, DROP),
        (30, "adopted", 3, None),
        (30, "rejected", 3, DROP),
        (30, "renewed", 4, None),
        (30, "rejected", 4, PASS_ON),
        (89, "rejected", 4, PASS_ON),
        (90, "rejected", 4, DROP),
    ],
    "what follows a death of age is as good as a first token": [
        (0, "renewed", 1, None),
        (1, "accepted", 1, None),
        (95, "rejected at its end", 1, DROP),
        (95, "renewed", 2, None),
        (95, "rejected", 2, DROP),
    ],
    "unless it was fetched because of the same rejections": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "adopted after rejections", 2, None),
        (0, "rejected", 2, PASS_ON),
    ],
    "another process's token that nobody rejected clears nothing and is renewed because of age": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "adopted", 2, None),
        (1, "accepted", 2, None),
        (50, "renewed", 3, None),
        (50, "rejected", 3, DROP),
        (50, "rejected", 3, REPLAY),
    ],
    "tokens that die of age a little early are no quick deaths, however many": [
        (0, "renewed", 1, None),
        *(
            step
            for number in range(1, 20)
            for step in [
                (number * 4.0, "accepted", number, None),
                (number * 4.0, "rejected at its end", number, DROP),
                (number * 4.0, "rejected", number, REPLAY),
                (number * 4.0, "renewed", number + 1, None),
            ]
        ),
    ],
    "the successor of one that died of age is a token like any other": [
        (0, "renewed", 1, None),
        (1, "accepted", 1, None),
        (5, "rejected at its end", 1, DROP),
        (5, "renewed", 2, None),
        (5, "rejected", 2, DROP),
        (5, "renewed", 3, None),
        (5, "rejected", 3, PASS_ON),
    ],
    "a token that nobody ever accepted does not die of age": [
        (0, "renewed", 1, None),
        (5, "rejected at its end", 1, DROP),
        (5, "renewed", 2, None),
        (10, "rejected at its end", 2, PASS_ON),
    ],
    "dying of age ends no cool-down": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (1, "accepted", 2, None),
        (5, "rejected at its end", 2, PASS_ON),
    ],
    "such deaths count only within seconds of each other": [
        (0, "renewed", 1, None),
        (1, "rejected", 1, DROP),
        (1, "renewed", 2, None),
        (1, "accepted", 2, None),
        (2, "rejected", 2, DROP),
        (2, "renewed", 3, None),
        (2, "accepted", 3, None),
        (40, "rejected", 3, DROP),
        (40, "renewed", 4, None),
        (40, "accepted", 4, None),
        (41, "rejected", 4, DROP),
        (41, "renewed", 5, None),
        (41, "accepted", 5, None),
        (42, "rejected", 5, DROP),
        (42, "renewed", 6, None),
        (42, "accepted", 6, None),
        (43, "rejected", 6, PASS_ON),
    ],
    "a token that served for long ends the series of ever longer cool-downs": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (30, "rejected", 2, DROP),
        (30, "renewed", 3, None),
        (30, "accepted", 3, None),
        (1000, "rejected", 3, DROP),
        (1000, "renewed", 4, None),
        (1000, "rejected", 4, PASS_ON),
        (1030, "rejected", 4, DROP),
    ],
    "a renewal because of age clears the record of a token that was accepted": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (50, "accepted", 2, None),
        (100, "renewed", 3, None),
        (100, "rejected", 3, DROP),
    ],
    "the successor of a token that was only rejected cools down at once": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (100, "renewed", 3, None),
        (100, "rejected", 3, PASS_ON),
        (159, "rejected", 3, PASS_ON),
        (160, "rejected", 3, DROP),
    ],
    "rejections of long ago do not count": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (931, "renewed", 3, None),
        (931, "rejected", 3, DROP),
    ],
    "a renewal while cooling down does not": [
        (0, "renewed", 1, None),
        (0, "rejected", 1, DROP),
        (0, "renewed", 2, None),
        (0, "rejected", 2, PASS_ON),
        (10, "renewed", 3, None),
        (10, "rejected", 3, PASS_ON),
        (30, "rejected", 3, PASS_ON),
        (90, "rejected", 3, DROP),
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    standing = Standing()
    for step, (now, event, generation, verdict) in enumerate(STORIES[name]):
        said = None
        if event == "renewed":
            standing = renewed(standing, now)
            assert standing.generation == generation
        elif event.startswith("adopted"):
            standing = adopted(standing, now, follows_rejection=event.endswith("rejections"))
            assert standing.generation == generation
        elif event == "accepted":
            standing = accepted(standing, generation)
        else:
            said, standing = rejected(standing, generation, now, is_at_its_end=event.endswith("end"))
        assert said == verdict, f"step {step} at {now} s"


def test_cool_downs_are_never_longer_than_a_quarter_of_an_hour() -> None:
    standing, now = renewed(Standing(), 0), 0.0
    _, standing = rejected(standing, 1, now)
    lengths = []
    for _ in range(10):
        standing = renewed(standing, now)
        _, standing = rejected(standing, standing.generation, now)
        lengths.append(standing.cool_until - now)
        now = standing.cool_until
        verdict, standing = rejected(standing, standing.generation, now)
        assert verdict == DROP
    assert lengths == [30, 60, 120, 240, 480, 900, 900, 900, 900, 900]
