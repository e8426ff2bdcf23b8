"""The parts that stores are made of: sealing, the forms at rest, health, pauses, and memory as the plainest store."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf

import pytest

from proxy.secret import Secret
from proxy.tokens.credential_key import credential_key
from proxy.tokens.stores.circuit import Circuit
from proxy.tokens.stores.entry import DAY, Entry, from_text, to_text
from proxy.tokens.stores.file_form import parsed, written
from proxy.tokens.stores.file_record import FileRecord, record_from, record_text
from proxy.tokens.stores.health import StoreHealth
from proxy.tokens.stores.sealing import Broken, OtherKey, Seal
from proxy.tokens.stores.store import ALONE, MemoryStore, StoreUnavailable
from tests.canaries import leaks
from tests.stores import KEY_TEXT, OTHER_SEAL, SEAL
from tests.vendors import canary


@dataclass
class Told:
    """An observer of stores that writes down all it is told."""

    told: list[str] = field(default_factory=list)

    def begin(self, store: str) -> None:
        self.told.append(f"begin {store}")

    def failed(self, store: str, operation: str) -> None:
        self.told.append(f"failed {store} {operation}")

    def worked(self, store: str) -> None:
        self.told.append(f"worked {store}")


def test_what_was_sealed_opens_with_the_same_text_and_shows_nothing() -> None:
    secret = canary("sealed")
    sealed = SEAL.seal(secret, "name")
    assert Seal(KEY_TEXT).open(sealed, "name").decode() == secret
    assert leaks([secret, KEY_TEXT], sealed + SEAL.key_id.encode() + SEAL.name("x").encode()) == []
    assert SEAL.seal(secret, "name") != sealed


# Made once by `Seal("a key text that is long enough").seal("some text", "entry")`.
SEALED_ONCE = "0126640a6bf49bdd49254f7579056dafd8a92e11c937a3e145b5d8749f39aaaaea4d651b1e751e436695"


def test_what_an_earlier_start_or_another_replica_sealed_opens_for_ever() -> None:
    """Whoever changes the form, the salt or the stretching makes every stored refresh token worthless."""
    seal = Seal("a key text that is long enough")
    assert seal.open(bytes.fromhex(SEALED_ONCE), "entry") == b"some text"
    assert (seal.key_id, seal.name("credential")) == ("26640a6b", "8b427c0c7a6a897395809c9a1195f2f7")
    assert len(seal.seal("some text", "entry")) == len(SEALED_ONCE) // 2


def test_what_is_stored_keeps_its_form() -> None:
    entry = Entry(serial=7, token=Secret("t"), lifetime=2.5, age=1.0, refresh_token=Secret("r"), is_sent=True)
    stored = '{"serial": 7, "token": "t", "lifetime": 2.5, "refresh_token": "r", "is_sent": true, '
    stored += '"follows_rejection": false}'
    nothing = '{"serial": 0, "token": null, "lifetime": null, "refresh_token": null, "is_sent": false, '
    nothing += '"follows_rejection": false}'
    assert (to_text(entry), to_text(Entry(lifetime=inf))) == (stored, nothing)
    assert (from_text(stored, 1.0), from_text(nothing, 0.0)) == (entry, Entry(lifetime=inf))
    assert repr(from_text(stored, 1.0).token) == "<secret store>"
    file = b'{\n"form": "authproxy tokens 1",\n"key": "abcd",\n"entries": {\n"n": "AP8="\n}\n}'
    assert written("abcd", {"n": b"\x00\xff"}) == file
    assert parsed(file) == ("abcd", {"n": b"\x00\xff"})
    record = FileRecord("entry", 1.5, "setback", 2.5)
    assert record_text(record) == '["entry", 1.5, "setback", 2.5]'
    assert record_from(record_text(record)) == record


@pytest.mark.parametrize("text", ["", "{}", "7", "null", "[]", '["entry", 1.5]', '["entry", "soon", "", 0]'])
def test_what_is_no_record_of_a_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        record_from(text)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"5", b'"x"', b"\xff", b"{", b"[" * 500, b'{"form": "authproxy tokens 2", "key": "a", "entries": {}}',
        b'{"key": "a", "entries": {}}', b'{"form": "authproxy tokens 1", "entries": {}}',
        b'{"form": "authproxy tokens 1", "key": "a"}', b'{"form": "authproxy tokens 1", "key": "a", "entries": []}',
        b'{"form": "authproxy tokens 1", "key": "a", "entries": {"n": 5}}',
        b'{"form": "authproxy tokens 1", "key": "a", "entries": {"n": "A"}}',
        b'{"form": "authproxy tokens 1", "key": "a", "entries": {"n": "AP8=!"}}',
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_none(content: bytes) -> None:
    with pytest.raises(ValueError):
        parsed(content)


@pytest.mark.parametrize(
    ("token", "age", "lifetime", "is_alive"),
    [("t", 0, 10, True), ("t", 9.9, 10, True), ("t", 10, 10, False), ("t", -0.1, 10, False), (None, 1, 10, False), ("t", 1, inf, True)],
)  # fmt: skip
def test_a_stored_token_lives_from_when_it_was_asked_for_until_its_lifetime_is_over(
    token: str | None, age: float, lifetime: float, is_alive: bool
) -> None:
    assert Entry(token=None if token is None else Secret(token), age=age, lifetime=lifetime).is_alive is is_alive


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


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"serial": "x"}', "5",
        '{"serial": "x", "token": "t", "lifetime": 1, "refresh_token": null, "is_sent": true}',
        '{"serial": 1, "token": "t", "lifetime": [], "refresh_token": null, "is_sent": true}',
        '{"serial": 1, "token": "t", "lifetime": 1, "is_sent": true}',
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, 0.0)


def test_entries_are_kept_for_three_months_or_as_long_as_their_token_holds_and_at_most_a_year() -> None:
    assert Entry(lifetime=3600).seconds_to_keep == 90 * DAY
    assert Entry(lifetime=100 * DAY, age=DAY).seconds_to_keep == 99 * DAY
    assert Entry(lifetime=inf).seconds_to_keep == 366 * DAY
    assert Entry(lifetime=inf, age=366 * DAY).seconds_to_keep == 0
    assert DAY == 24 * 60 * 60


def observed(health: StoreHealth, witness: Told) -> tuple[str | None, list[str]]:
    return health.trouble, witness.told


def test_each_failure_is_counted_and_only_a_change_is_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    witness = Told()
    health = StoreHealth("file", witness)
    health.worked()
    assert observed(health, witness) == (None, ["begin file"])
    health.failed("read", "the disk is full")
    health.failed("write", "the disk is gone")
    assert observed(health, witness) == ("the disk is gone", ["begin file", "failed file read", "failed file write"])
    health.worked()
    health.worked()
    assert observed(health, witness) == (None, ["begin file", "failed file read", "failed file write", "worked file"])
    assert [record.getMessage() for record in caplog.records] == [
        "the token store (file) fails: the disk is full",
        "the token store (file) works again",
    ]
    assert caplog.records[0].__dict__["operation"] == "read"


def test_nobody_asks_what_did_not_answer_for_half_a_second_and_at_most_for_five() -> None:
    circuit, now, pauses = Circuit(), 100.0, []
    assert circuit.open_for(now) == 0
    for _ in range(30):
        circuit.failed(now)
        circuit.failed(now)  # Begun before: no news.
        pauses.append(circuit.open_for(now))
        assert circuit.open_for(now + pauses[-1] / 2) == pauses[-1] / 2
        now += pauses[-1]
        assert circuit.open_for(now) == circuit.open_for(now + 1) == 0
    assert pauses == [0.5, 1, 2, 4, *[5.0] * 26]
    circuit.failed(now)
    circuit.worked()
    assert circuit.open_for(now) == 0
    circuit.failed(now)
    assert circuit.open_for(now) == 0.5


async def test_memory_keeps_what_logins_need_and_no_access_token() -> None:
    store = MemoryStore()
    async with store.turn("a", 0) as turn:
        assert (turn.entry, turn.is_owner) == (None, True)
        await turn.write(Entry(serial=3, token=Secret("t"), refresh_token=Secret("r")))
    async with store.turn("a", 0) as turn:
        assert turn.entry == Entry(serial=3, refresh_token=Secret("r"))
    async with store.turn("b", 0) as turn:
        assert turn.entry is None
    store.tend()
    store.retire("a")
    store.retire("never there")
    async with store.turn("a", 0) as turn:
        assert turn.entry is None
        await turn.write(Entry(serial=4))
    await store.aclose()
    async with store.turn("a", 0) as turn:
        assert turn.entry is None
    assert (store.kind, store.trouble) == ("memory", None)
    async with nullcontext(ALONE) as turn:
        await turn.write(Entry(serial=1))
        assert (turn.entry, turn.is_owner) == (None, True)
    assert (StoreUnavailable("gone").cause, StoreUnavailable("gone", 5).retry_after) == ("gone", 5)
