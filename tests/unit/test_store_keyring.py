"""Waiting for a keyring that somebody has to open, and one that is open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest

from proxy.tokens.stores.keyring_key import key_in_keyring
from proxy.tokens.stores.store import StoreRefused
from tests.keyrings import FOLDER, FileKeyring, SilentKeyring


@pytest.fixture(autouse=True)
def keyring_of_before() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def test_a_keyring_that_nobody_opens_is_not_waited_for_without_end() -> None:
    keyring.set_keyring(SilentKeyring())
    with pytest.raises(StoreRefused, match="does not answer; it may wait to be unlocked"):
        key_in_keyring(may_make=True, longest=0.05)


def test_a_key_is_made_if_it_may_be_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    keyring.set_keyring(FileKeyring())
    with pytest.raises(StoreRefused, match="has no key for the token store that is there"):
        key_in_keyring(may_make=False)
    made = key_in_keyring(may_make=True)
    assert key_in_keyring(may_make=False) == made == key_in_keyring(may_make=True)
    assert len(made.reveal()) >= 43 and str(made) == "<secret keyring>"
