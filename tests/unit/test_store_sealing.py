"""What a store holds is encrypted, bound to its name, and told apart by the key that sealed it."""

from __future__ import annotations

from math import inf

import pytest

from proxy.secret import Secret
from proxy.tokens.credential_key import credential_key
from proxy.tokens.stores.entry import DAY, Entry, from_text, to_text
from proxy.tokens.stores.sealing import Broken, OtherKey, Seal
from tests.canaries import leaks
from tests.stores import KEY_TEXT, OTHER_SEAL, SEAL
from tests.vendors import canary


def test_what_was_sealed_opens_with_the_same_text_and_shows_nothing() -> None:
    secret = canary("sealed")
    sealed = SEAL.seal(secret, "name")
    assert Seal(KEY_TEXT).open(sealed, "name").decode() == secret
    assert leaks([secret, KEY_TEXT], sealed + SEAL.key_id.encode() + SEAL.name("x").encode()) == []
    assert SEAL.seal(secret, "name") != sealed


def test_an_entry_cannot_stand_in_for_another() -> None:
    with pytest.raises(Broken):
        SEAL.open(SEAL.seal("text", "one"), "two")


def test_another_key_is_told_apart_from_corruption() -> None:
    sealed = SEAL.seal("text", "name")
    with pytest.raises(OtherKey):
        OTHER_SEAL.open(sealed, "name")
    assert SEAL.key_id != OTHER_SEAL.key_id
    assert SEAL.name("key") != OTHER_SEAL.name("key")


@pytest.mark.parametrize("at", [0, 5, 16, 17, 30, -1])
def test_no_byte_of_it_can_be_changed(at: int) -> None:
    sealed = bytearray(SEAL.seal("some text", "name"))
    sealed[at] ^= 1
    with pytest.raises(Broken):
        SEAL.open(bytes(sealed), "name")


@pytest.mark.parametrize("length", [0, 1, 4, 16, 17, 32])
def test_a_piece_of_it_is_nothing(length: int) -> None:
    with pytest.raises(Broken):
        SEAL.open(SEAL.seal("some text", "name")[:length], "name")


def test_the_name_of_an_entry_is_no_hash_that_could_be_guessed_from_secrets() -> None:
    key = credential_key("password")
    assert key not in SEAL.name(key) and SEAL.name(key) not in key
    assert len({SEAL.name(credential_key(str(number))) for number in range(50)}) == 50


@pytest.mark.parametrize(
    "entry",
    [
        Entry(),
        Entry(serial=7, token=Secret("t"), lifetime=inf, age=3.0),
        Entry(serial=2**52, token=Secret("t"), lifetime=0.5, age=0.25, refresh_token=Secret("ü"), is_sent=True),
    ],
)
def test_an_entry_comes_back_as_it_went(entry: Entry) -> None:
    assert from_text(to_text(entry), entry.age) == entry


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"serial": "x"}'])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, 0.0)


def test_entries_are_kept_for_three_months_or_as_long_as_their_token_holds_and_at_most_a_year() -> None:
    assert Entry(lifetime=3600).seconds_to_keep == 90 * DAY
    assert Entry(lifetime=100 * DAY, age=DAY).seconds_to_keep == 99 * DAY
    assert Entry(lifetime=inf).seconds_to_keep == 366 * DAY
