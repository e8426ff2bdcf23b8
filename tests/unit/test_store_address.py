"""Where tokens may be kept, as a configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.tokens.stores.address import (
    FileAddress,
    MemoryAddress,
    RedisAddress,
    StoreAddress,
    checked_address,
    store_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("memory", MemoryAddress()),
        ("file:/var/lib/tokens", FileAddress(Path("/var/lib/tokens"))),
        ("file:///var/lib/tokens", FileAddress(Path("/var/lib/tokens"))),
        ("file:/a//b c", FileAddress(Path("/a//b c"))),
        ("redis://cache", RedisAddress("cache", 6379, 0, tls=False)),
        ("redis://cache/", RedisAddress("cache", 6379, 0, tls=False)),
        ("redis://cache:7000/15", RedisAddress("cache", 7000, 15, tls=False)),
        ("rediss://cache.example.com:1/99999", RedisAddress("cache.example.com", 1, 99_999, tls=True)),
        ("redis://me_A.b-1@10.0.0.1:65535", RedisAddress("10.0.0.1", 65_535, 0, tls=False, user="me_A.b-1")),
        ("rediss://[2001:db8::1]:7000/2", RedisAddress("2001:db8::1", 7000, 2, tls=True)),
        ("redis://[::ffff:10.0.0.1]", RedisAddress("::ffff:10.0.0.1", 6379, 0, tls=False)),
        (f"redis://{'a' * 253}", RedisAddress("a" * 253, 6379, 0, tls=False)),
        (f"redis://{'u' * 64}@a_b.c-1", RedisAddress("a_b.c-1", 6379, 0, tls=False, user="u" * 64)),
    ],
)
def test_an_address_and_what_it_says(text: str, address: StoreAddress) -> None:
    assert store_address(text) == address
    assert checked_address(text) == text
    assert store_address(text).kind == text.partition(":")[0].replace("rediss", "redis")


@pytest.mark.parametrize(
    "text",
    [
        "", "Memory", "memory:", "file", "file:", "file:tokens", "file:./tokens", "file://host/tokens", "file:/", "file:/var/",
        "file:///", "file:/a\0b", "redis:", "redis://", "redis:/host", "redis:///0", "redis://host:0", "redis://host:x",
        "redis://host:65536", "redis://host/x", "redis://host/1/2", "redis://host/-1", "redis://host/123456", "redis://host?db=1",
        "redis://host/0?x", "redis://host#0", "redis://ho st", "redis://ho%73t", "redis://h\xf6st", "redis://a,b", "redis://[::1",
        f"redis://{'a' * 254}", f"redis://{'u' * 65}@host", "redis://@host", "redis://us%65r@host", "REDIS://host",
        "http://host", "unix:/run/redis.sock",
    ],
)  # fmt: skip
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        store_address(text)


@pytest.mark.parametrize("text", ["redis://me:CANARY@host", "rediss://:CANARY@host:1/2", "redis://me:@host"])
def test_a_password_has_a_place_of_its_own(text: str) -> None:
    with pytest.raises(ValueError, match="give its source as `password`") as refused:
        checked_address(text)
    assert "CANARY" not in str(refused.value)
