"""The cache shares credentials, and holds no token whose time is over."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AbstractAsyncContextManager
from random import Random

import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential_key import credential_key
from proxy.tokens.failure import LoginRefused, LoginUnavailable
from proxy.tokens.observer import SilentObserver
from proxy.tokens.stores.store import MemoryStore, Turn
from proxy.tokens.token import Grant, Token, TokenPolicy
from tests.clock import FakeClock


async def short_lived() -> Grant:
    return Grant(Secret("t"), 10)


async def hourly() -> Grant:
    return Grant(Secret("t"), 3600)


async def lasting() -> Grant:
    return Grant(Secret("t"), float("inf"))


async def test_sweeping_removes_expired_tokens_from_memory_and_no_others() -> None:
    clock = FakeClock()
    cache = TokenCache(clock)
    for number in range(50):
        await cache.credential(f"s{number}", "p", TokenPolicy(), short_lived).token()
        await cache.credential(f"l{number}", "p", TokenPolicy(), lasting).token()
    assert len(cache._live) == 100
    clock.advance(10)
    cache.sweep()
    assert len(cache._live) == 50
    assert {credential.generation for credential in cache.credentials} == {1}


def tokens_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, Token) for one in gc.get_objects())


async def test_a_token_whose_time_is_over_is_in_memory_no_longer_than_until_the_next_sweep() -> None:
    clock, before = FakeClock(), tokens_in_memory()
    cache = TokenCache(clock)
    for number in range(10):
        credential = cache.credential(f"s{number}", "p", TokenPolicy(), short_lived)
        await credential.token()
        assert credential.ready() is not None
    clock.advance(10)
    cache.sweep()
    assert tokens_in_memory() == before


class ToldStore(MemoryStore):
    """A store that writes down what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def turn(self, key: str, after: int) -> AbstractAsyncContextManager[Turn]:
        self.told.append(f"turn {key}")
        return super().turn(key, after)

    def retire(self, key: str) -> None:
        self.told.append(f"retire {key}")
        super().retire(key)

    def tend(self) -> None:
        self.told.append("tend")

    async def aclose(self) -> None:
        self.told.append("aclose")


async def test_the_store_takes_part_in_each_renewal_but_of_what_is_minted_here() -> None:
    store = ToldStore()
    cache = TokenCache(FakeClock(), store=store)
    await cache.credential("fetched", "p", TokenPolicy(), lasting).token()
    await cache.credential("minted", "p", TokenPolicy(), lasting, is_minted=True).token()
    assert store.told == ["turn fetched"]
    cache.sweep()
    cache.retain({"minted": ("p",)})
    assert store.told == ["turn fetched", "tend", "retire fetched"]
    await cache.aclose()
    assert store.told[-1] == "aclose"


async def test_what_no_store_keeps_is_forgotten_when_it_is_let_go() -> None:
    """A refresh token that nobody may send any more is no use to whoever has the same key later."""
    sent: list[str] = []

    async def rotate(token: Secret) -> Grant:
        sent.append(token.reveal())
        return Grant(Secret("t"), 10, Secret("rotated"))

    for cache, is_minted in ((TokenCache(FakeClock()), False), (TokenCache(FakeClock(), store=ToldStore()), True)):
        for _ in range(2):
            await cache.credential("k", "p", TokenPolicy(), None, rotate, Secret("first"), is_minted).token()
            cache.retain({})
    assert sent == ["first"] * 4


async def test_the_cache_hands_on_what_its_observer_and_its_chance_are_for() -> None:
    class Told(SilentObserver):
        def retried(self, provider: str, reason: str) -> None:
            told.append((provider, reason))

    told: list[tuple[str, str]] = []
    cache = TokenCache(FakeClock(), Told())
    cache.retried("p", "stale")
    assert told == [("p", "stale")]
    margins = set()
    for _ in range(2):
        token = await TokenCache(FakeClock(), random=Random(5)).credential("k", "p", TokenPolicy(), hourly).token()
        margins.add(token.expires_at - token.refresh_at)
    assert len(margins) == 1


async def test_closing_gives_up_the_fetches_that_are_under_way() -> None:
    cancelled = []

    async def never() -> Grant:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        raise AssertionError

    cache = TokenCache(FakeClock())
    waiting = asyncio.create_task(cache.credential("k", "p", TokenPolicy(), never).token())
    for _ in range(5):
        await asyncio.sleep(0)
    await cache.aclose()
    assert cancelled == [True]
    await asyncio.gather(waiting, return_exceptions=True)


async def test_no_number_of_credentials_evicts_a_live_token() -> None:
    cache = TokenCache(FakeClock())
    credentials = [cache.credential(f"{number}", "p", TokenPolicy(), lasting) for number in range(2000)]
    for credential in credentials:
        await credential.token()
    assert all(credential.ready() for credential in credentials)


async def test_what_no_configuration_names_any_more_is_let_go_and_serves_its_last_users() -> None:
    """They keep credential and token to themselves; whoever comes with that key later begins anew."""
    cache = TokenCache(FakeClock())
    gone, kept = (cache.credential(key, "p", TokenPolicy(), lasting) for key in ("gone", "kept"))
    tokens = [await one.token() for one in (gone, kept)]
    cache.retain({"kept": ("p", "q")})
    assert list(cache.credentials) == [kept]
    assert list(cache._live) == ["kept"]
    assert kept.providers == ("p", "q")
    assert [gone.ready(), kept.ready()] == tokens
    gone.discard()
    assert (await gone.token()).generation == 2
    assert list(cache._live) == ["kept"]
    again = cache.credential("gone", "p", TokenPolicy(), lasting)
    assert (again is not gone, again.generation) == (True, 0)


async def test_a_fetch_of_a_credential_that_was_let_go_ends_for_those_who_wait_and_with_the_cache() -> None:
    held, cancelled = asyncio.Event(), []

    async def slow() -> Grant:
        try:
            await held.wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return Grant(Secret("t"), 10)

    cache = TokenCache(FakeClock())
    first, second = (cache.credential(key, "p", TokenPolicy(), slow) for key in ("a", "b"))
    waiting = asyncio.create_task(first.token())
    await asyncio.sleep(0)
    cache.retain({"b": ("p",)})
    held.set()
    assert (await waiting).value.reveal() == "t"
    held.clear()
    for_nobody = asyncio.create_task(second.token())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.retain({})
    await cache.aclose()
    assert cancelled == [True]
    await asyncio.gather(for_nobody, return_exceptions=True)


async def test_a_new_configuration_ends_no_cool_down_and_somebody_who_says_so_does() -> None:
    """A file that changes every minute must not become a login every minute."""
    clock = FakeClock()

    async def refuse() -> Grant:
        raise LoginRefused("401", status=401)

    cache = TokenCache(clock)
    credential = cache.credential("k", "p", TokenPolicy(), refuse)
    with pytest.raises(CredentialRejected):
        await credential.token()
    cache.credential("k", "p", TokenPolicy(), lasting)
    with pytest.raises(CredentialRejected):
        await credential.token()
    cache.forgive()
    assert (await credential.token()).generation == 1


async def test_no_word_of_a_person_ends_the_pause_that_a_vendor_in_trouble_gets() -> None:
    async def fail() -> Grant:
        raise LoginUnavailable("429", status=429, retry_after=60)

    cache = TokenCache(FakeClock())
    credential = cache.credential("k", "p", TokenPolicy(), fail)
    for _ in range(3):
        with pytest.raises(CredentialUnavailable):
            await credential.token()
        cache.forgive()
    assert credential.fetches == 1


async def test_the_same_key_is_the_same_credential_with_the_newer_configuration() -> None:
    cache = TokenCache(FakeClock(), random=Random(1))
    first = cache.credential("k", "a", TokenPolicy(), short_lived)
    token = await first.token()
    second = cache.credential("k", "b", TokenPolicy(single_live=True), lasting)
    assert second is first
    assert second.providers == ("a", "b")
    assert second.policy.single_live
    assert second.ready() is token
    assert list(cache.credentials) == [first]


def test_a_credentials_key_tells_every_part_from_every_other() -> None:
    keys = [credential_key(*parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", ""), ("", "ab", "c")]]
    assert len(set(keys)) == 5
    assert all(len(key) == 64 for key in keys)
    assert credential_key("ab", "c") == keys[0]


def test_a_credentials_key_is_the_same_in_every_version_and_for_every_text() -> None:
    """What a store keeps is found by it: another key would make every provider log in anew."""
    key = "912161995c62ea61841d2a7a6f8a737b5c9f051d3e63a1a53649d516ffc43d46"
    assert credential_key("https://id.test", "client", "secret") == key
    assert len({credential_key(text) for text in ("secret", "zecret", "secret\ud800", "", "\0")}) == 5
