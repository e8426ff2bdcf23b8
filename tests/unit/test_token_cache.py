"""The cache shares credentials, and holds no token whose time is over."""

from __future__ import annotations

from random import Random

from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential_key import credential_key
from proxy.tokens.token import Grant, TokenPolicy
from tests.clock import FakeClock


async def short_lived() -> Grant:
    return Grant(Secret("t"), 10)


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


async def test_no_number_of_credentials_evicts_a_live_token() -> None:
    cache = TokenCache(FakeClock())
    credentials = [cache.credential(f"{number}", "p", TokenPolicy(), lasting) for number in range(2000)]
    for credential in credentials:
        await credential.token()
    assert all(credential.ready() for credential in credentials)


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
