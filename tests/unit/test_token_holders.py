"""Who is waited for before a token is killed by the next one."""

from __future__ import annotations

import asyncio

import pytest

from proxy.tokens.holders import Holders


async def waiting_for(holders: Holders, generation: int, seconds: float = 30.0) -> asyncio.Task[None]:
    task = asyncio.create_task(holders.gone(generation, seconds))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def ended(task: asyncio.Task[None]) -> bool:
    for _ in range(3):
        await asyncio.sleep(0)
    return task.done()


def test_requests_are_counted_by_the_token_they_go_with() -> None:
    holders = Holders()
    for generation in (1, 1, 2):
        holders.add(generation)
    assert [holders[generation] for generation in (0, 1, 2, 3)] == [0, 2, 1, 0]
    holders.remove(1)
    assert [holders[1], holders[2]] == [1, 1]
    holders.remove(1)
    assert [holders[1], holders[2]] == [0, 1]


async def test_the_last_of_a_generation_ends_the_waiting_for_it_and_nobody_else_does() -> None:
    holders = Holders()
    for generation in (1, 1, 2):
        holders.add(generation)
    task = await waiting_for(holders, 1)
    holders.remove(2)
    assert not await ended(task)
    holders.remove(1)
    assert not await ended(task)
    holders.remove(1)
    assert await ended(task)


async def test_who_waits_for_nobody_does_not_wait() -> None:
    holders = Holders()
    holders.add(2)
    await asyncio.wait_for(holders.gone(1, 30.0), 1)


async def test_the_death_of_the_token_ends_the_waiting() -> None:
    holders = Holders()
    holders.dismiss()
    holders.add(1)
    task = await waiting_for(holders, 1)
    holders.dismiss()
    assert await ended(task)
    # That was this wait's end, not the next one's.
    again = await waiting_for(holders, 1)
    assert not await ended(again)
    holders.remove(1)
    assert await ended(again)


@pytest.mark.parametrize("seconds", [0.0, 0.001])
async def test_the_waiting_ends_in_time_and_leaves_the_counts_alone(seconds: float) -> None:
    holders = Holders()
    holders.add(1)
    await asyncio.wait_for(holders.gone(1, seconds), 1)
    assert holders[1] == 1
    holders.remove(1)
    assert holders[1] == 0
