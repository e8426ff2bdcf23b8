"""HMAC with the key's blocks hashed beforehand: the same as the standard library's, for every key and message."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.schemes.keyed_hash import keyed_hash


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@given(key=st.binary(max_size=300), messages=st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_every_digest_is_the_standard_librarys(algorithm: str, key: bytes, messages: list[bytes]) -> None:
    digest = keyed_hash(key, algorithm)
    for message in messages:
        assert digest(message) == hmac.digest(key, message, algorithm)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("length", [0, 63, 64, 65, 127, 128, 129, 1000])
def test_keys_around_the_length_of_a_block(algorithm: str, length: int) -> None:
    key = bytes(range(256)) * 4
    assert keyed_hash(key[:length], algorithm)(b"m") == hmac.digest(key[:length], b"m", algorithm)
