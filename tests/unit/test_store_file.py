"""Tokens in a file: private, atomic, for one process, and never the reason that a request fails."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from dataclasses import dataclass
from math import inf
from pathlib import Path
from threading import Event

import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.secret import Secret
from proxy.tokens.failure import LoginRefused, LoginUnavailable
from proxy.tokens.stores import durable
from proxy.tokens.stores.entry import DAY, Entry
from proxy.tokens.stores.file_store import FileStore
from proxy.tokens.stores.store import StoreRefused, StoreUnavailable
from tests.canaries import leaks
from tests.clock import FakeClock
from tests.stores import KEY_TEXT, OTHER_SEAL, RotatingVendor, StoreWitness, file_store, life
from tests.vendors import canary

TOKEN, REFRESH = canary("stored token"), canary("stored refresh token")
ENTRY = Entry(serial=5, token=Secret(TOKEN), lifetime=100.0, refresh_token=Secret(REFRESH))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "authproxy" / "tokens"


async def write(store: FileStore, entry: Entry, key: str = "key") -> None:
    async with store.turn(key, 0) as turn:
        await turn.write(entry)


async def stored(store: FileStore, key: str = "key") -> Entry | None:
    async with store.turn(key, 0) as turn:
        return turn.entry


async def again(path: Path, clock: FakeClock, key: str = "key") -> Entry | None:
    """What the next process finds."""
    store = file_store(path, clock)
    try:
        return await stored(store, key)
    finally:
        await store.aclose()


# --- What lies on the disk ----------------------------------------------------------------------------------------------


async def test_the_file_is_for_its_owner_alone_and_so_is_its_folder(path: Path) -> None:
    before = os.umask(0)
    try:
        store = file_store(path, FakeClock())
        await write(store, ENTRY)
        await write(store, ENTRY)
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {one.name for one in path.parent.iterdir()} == {"tokens", "tokens.lock"}
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}


async def test_no_secret_shows_in_it_in_any_form(path: Path) -> None:
    store = file_store(path, FakeClock())
    await write(store, ENTRY, key=canary("credential key"))
    content = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert leaks([TOKEN, REFRESH, KEY_TEXT, canary("credential key")], content) == []


async def test_what_was_written_is_there_for_the_next_process_and_has_aged(path: Path) -> None:
    clock = FakeClock()
    store = file_store(path, clock)
    await write(store, Entry(serial=5, token=Secret(TOKEN), lifetime=inf, age=2.0), "a")
    await write(store, ENTRY, "b")
    await store.aclose()
    clock.advance(30)
    found = await again(path, clock, "a")
    assert found == Entry(serial=5, token=Secret(TOKEN), lifetime=inf, age=32.0)
    assert (await again(path, clock, "b")).refresh_token == Secret(REFRESH)  # type: ignore[union-attr]
    assert await again(path, clock, "c") is None


async def test_a_mark_does_not_make_the_token_younger(path: Path) -> None:
    """While the serial is the same the token is the same."""
    clock = FakeClock()
    store = file_store(path, clock)
    await write(store, ENTRY)
    clock.advance(30)
    await write(store, ENTRY)
    assert (await stored(store)).age == 30.0  # type: ignore[union-attr]
    await write(store, Entry(serial=6, token=Secret("t"), lifetime=5.0))
    assert (await stored(store)).age == 0.0  # type: ignore[union-attr]


async def test_a_wall_clock_that_was_set_back_makes_no_token_younger(path: Path) -> None:
    """How old it is nobody can tell then: it is not used. A second of drift is none of that."""
    clock = FakeClock()
    store = file_store(path, clock)
    await write(store, ENTRY)
    await store.aclose()
    clock.jump(-1)
    assert (await again(path, clock)).is_alive  # type: ignore[union-attr]
    clock.jump(-3600)
    assert not (await again(path, clock)).is_alive  # type: ignore[union-attr]


async def test_what_nobody_has_written_for_months_is_forgotten(path: Path) -> None:
    clock = FakeClock()
    store = file_store(path, clock)
    await write(store, ENTRY)
    await store.aclose()
    clock.advance(89 * DAY)
    assert await again(path, clock) is not None
    clock.advance(2 * DAY)
    assert await again(path, clock) is None


async def test_a_write_that_is_interrupted_leaves_the_old_file(path: Path) -> None:
    clock, witness = FakeClock(), StoreWitness()

    def half(path: Path, content: bytes) -> None:
        path.with_name(path.name + ".new").write_bytes(content[:50])
        raise OSError(28, "No space left on device")

    store = file_store(path, clock)
    await write(store, ENTRY)
    await store.aclose()
    dying = file_store(path, clock, write=half, witness=witness)
    with pytest.raises(StoreUnavailable):
        await write(dying, Entry(serial=9))
    os.close(dying._lock)  # type: ignore[arg-type]
    survivor = file_store(path, clock)
    assert (await stored(survivor)).serial == 5  # type: ignore[union-attr]
    await write(survivor, Entry(serial=6))
    assert not path.with_name("tokens.new").exists()


# --- One process --------------------------------------------------------------------------------------------------------


async def test_a_second_process_is_refused_and_told_who_has_it(path: Path) -> None:
    first = file_store(path, FakeClock())
    with pytest.raises(StoreRefused, match=f"in use by process {os.getpid()}; one file serves one process"):
        file_store(path, FakeClock())
    await first.aclose()
    await file_store(path, FakeClock()).aclose()


async def test_the_file_stays_locked_while_it_is_replaced(path: Path) -> None:
    first = file_store(path, FakeClock())
    for _ in range(3):
        await write(first, ENTRY)
        with pytest.raises(StoreRefused):
            file_store(path, FakeClock())


# --- Wrong key, broken files --------------------------------------------------------------------------------------------


async def test_another_key_is_refused_and_the_file_left_alone(path: Path) -> None:
    store = file_store(path, FakeClock())
    await write(store, ENTRY)
    await store.aclose()
    content = path.read_bytes()
    with pytest.raises(StoreRefused, match="written with another key"):
        file_store(path, FakeClock(), seal=OTHER_SEAL)
    assert path.read_bytes() == content
    assert (await again(path, FakeClock())) is not None, "and the lock was let go"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 400, b"{", b"[]", b"null", b"\xff\xfe", b'{"form": "authproxy tokens 9", "key": "x", "entries": {}}',
     b'{"form": "authproxy tokens 1", "key": "x", "entries": []}', b'{"form": "authproxy tokens 1", "entries": {"a": 5}}',
     b'{"form": "authproxy tokens 1", "key": "x", "entries": {"a": "!"}}', b"[" * 100_000],
    ids=lambda content: repr(content[:30]),
)  # fmt: skip
async def test_a_broken_file_is_set_aside_and_not_deleted(content: bytes, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    witness = StoreWitness()
    store = file_store(path, FakeClock(), witness=witness)
    assert (witness.failures, store.trouble) == (["open"], "it is broken")
    assert await stored(store) is None
    [aside] = path.parent.glob("tokens.broken-*")
    assert (aside.name, aside.read_bytes()) == ("tokens.broken-20231114T221320Z", content)
    await write(store, ENTRY)
    assert (witness.works, store.trouble) == (True, None)
    await store.aclose()
    assert await again(path, FakeClock()) is not None


async def test_two_files_that_break_within_a_second_are_both_kept(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        await file_store(path, FakeClock()).aclose()
    assert sorted(one.read_bytes() for one in path.parent.glob("tokens.broken-*")) == [b"one", b"three", b"two"]


async def test_a_broken_entry_costs_that_entry_only(path: Path) -> None:
    """And entries that changed places are broken: each is bound to its credential."""
    store = file_store(path, FakeClock())
    for key in ("a", "b", "c"):
        await write(store, ENTRY, key)
    await store.aclose()
    document = json.loads(path.read_bytes())
    first, second = store._seal.name("a"), store._seal.name("b")
    entries = document["entries"]
    entries[first], entries[second] = entries[second], entries[first]
    path.write_text(json.dumps(document))
    store = file_store(path, FakeClock())
    assert store.trouble == "2 of its 3 entries are broken"
    assert [await stored(store, key) is not None for key in ("a", "b", "c")] == [False, False, True]
    await store.aclose()
    assert len(list(path.parent.glob("tokens.broken-*"))) == 1
    assert await again(path, FakeClock(), "c") is not None, "the rest was written again"


async def test_neither_a_link_nor_a_device_is_read(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("/etc/passwd")
    with pytest.raises(StoreRefused, match="cannot be read"):
        file_store(path, FakeClock())
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreRefused, match="cannot be read"):
        file_store(path, FakeClock())


# --- A disk in trouble --------------------------------------------------------------------------------------------------


@dataclass
class Disk:
    """Writes as the store does, unless it is full."""

    is_full: bool = True

    def write(self, path: Path, content: bytes) -> None:
        if self.is_full:
            path.with_name(path.name + ".new").write_bytes(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        durable.write(path, content)


async def test_on_a_full_disk_requests_go_on_and_what_is_unwritten_is_written_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, witness, disk = FakeClock(), StoreWitness(), Disk()
    store = file_store(path, clock, witness=witness, write=disk.write)
    vendor = RotatingVendor(clock)
    proxy = life(vendor, store)
    for number in range(1, 4):
        assert await proxy.value() == f"access-{number}"
        clock.advance(100)
    assert (vendor.logins, vendor.sent) == (3, []), "a refresh token that cannot be marked is not sent"
    assert not path.exists() and set(witness.failures) == {"write"}
    assert [record.message for record in caplog.records] == ["the token store (file) fails: No space left on device"]
    disk.is_full = False
    proxy.cache.sweep()
    assert store._tending is not None
    await store._tending
    assert witness.works
    await proxy.cache.aclose()
    assert (await again(path, clock)).refresh_token == Secret("refresh-3")  # type: ignore[union-attr]


async def test_a_disk_that_hangs_holds_up_neither_the_event_loop_nor_the_next_request(path: Path) -> None:
    clock, witness, unblock = FakeClock(), StoreWitness(), Event()

    def hang(path: Path, content: bytes) -> None:
        unblock.wait(20)
        durable.write(path, content)

    store = file_store(path, clock, write=hang, longest_write=0.05, witness=witness)
    proxy = life(RotatingVendor(clock), store)
    try:
        async with asyncio.timeout(5):
            assert await proxy.value() == "access-1"
            clock.advance(100)
            assert await proxy.value() == "access-2"
            await proxy.cache.aclose()
        assert store.trouble == "the disk takes too long"
    finally:
        unblock.set()
    async with asyncio.timeout(5):
        while store._disk.is_stuck:
            await asyncio.sleep(0)
    assert path.exists()


async def test_a_store_that_cannot_be_locked_now_is_locked_when_the_disk_is_well_again(path: Path) -> None:
    """As on a file system that the kernel has made read-only after an error."""
    clock = FakeClock()
    store = file_store(path, clock)
    os.close(store._lock)  # type: ignore[arg-type]
    store._lock = None
    await write(store, ENTRY)
    with pytest.raises(StoreRefused):
        file_store(path, clock)
    await store.aclose()


async def test_without_a_login_the_refresh_token_is_sent_although_it_cannot_be_marked(path: Path) -> None:
    """There is no other way to a token, and nothing to lose by it."""
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    proxy = life(vendor, file_store(path, clock, write=Disk().write), can_log_in=False, initial="refresh-from-outside")
    for _ in range(3):
        await proxy.value()
        clock.advance(100)
    assert vendor.sent == ["refresh-from-outside", "refresh-1", "refresh-2"]


# --- Restarts -----------------------------------------------------------------------------------------------------------


async def kill(store: FileStore) -> None:
    """What kill -9 leaves: the lock is gone, and nothing else was done."""
    if store._lock is not None:
        os.close(store._lock)


async def test_a_live_token_outlives_the_process_without_a_login(path: Path) -> None:
    """Above all where a new one would kill it. It keeps its age, too."""
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    store = file_store(path, clock)
    assert await life(vendor, store, single_live=True).value() == "access-1"
    await kill(store)
    clock.advance(90)
    second = life(vendor, file_store(path, clock), single_live=True)
    assert await second.value() == "access-1"
    assert (vendor.logins, second.credential.fetches, second.credential.generation) == (1, 0, 1)
    clock.advance(10)
    assert await second.value() == "access-2"


async def test_rotated_refresh_tokens_outlive_the_process(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    for number in range(1, 6):
        store = file_store(path, clock)
        assert await life(vendor, store).value() == f"access-{number}"
        await kill(store)
        clock.advance(100)
    assert (vendor.logins, vendor.sent) == (1, ["refresh-1", "refresh-2", "refresh-3", "refresh-4"])


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_killed_in_mid_rotation_the_next_start_logs_in_and_sends_no_spent_token(moment: str, path: Path) -> None:
    """Whether the vendor had the request or not: nobody can know."""
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    store = file_store(path, clock)
    first = life(vendor, store)
    await first.value()
    clock.advance(100)
    stopped = asyncio.Event()

    async def stop() -> None:
        stopped.set()
        await asyncio.Event().wait()

    setattr(vendor, moment, stop)
    waiting = asyncio.create_task(first.value())
    await stopped.wait()
    await kill(store)
    setattr(vendor, moment, None)
    second = life(vendor, file_store(path, clock))
    assert await second.value() == f"access-{2 if moment == 'before' else 3}"
    assert (vendor.logins, vendor.sent, vendor.offences) == (2, ["refresh-1"], [])
    waiting.cancel()
    await first.credential.aclose()


async def test_a_spent_token_of_the_configuration_is_not_sent_again_after_a_restart(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    for _ in range(3):
        store = file_store(path, clock)
        await life(vendor, store, can_log_in=False, initial="refresh-from-outside").value()
        await kill(store)
        clock.advance(100)
    assert vendor.sent == ["refresh-from-outside", "refresh-1", "refresh-2"]


async def test_a_refused_refresh_token_is_not_replaced_by_the_spent_one_of_the_configuration(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    proxy = life(vendor, file_store(path, clock), can_log_in=False, initial="refresh-from-outside")
    await proxy.value()
    vendor.valid.clear()
    for _ in range(3):
        clock.advance(1000)
        await asyncio.gather(proxy.value(), return_exceptions=True)
    assert vendor.sent == ["refresh-from-outside", *["refresh-1"] * 3]
    assert vendor.offences == []


async def test_a_lost_refresh_without_a_login_is_tried_again_after_a_restart(path: Path) -> None:
    """It may be spent, but there is nothing else: a server that does not rotate goes on."""
    clock = FakeClock()
    vendor = RotatingVendor(clock, rotates=False)
    store = file_store(path, clock)
    proxy = life(vendor, store, can_log_in=False, initial="refresh-from-outside")
    vendor.before = vendor.lose
    with pytest.raises(CredentialUnavailable):
        await proxy.value()
    await kill(store)
    vendor.before = None
    proxy = life(vendor, file_store(path, clock), can_log_in=False, initial="refresh-from-outside")
    assert await proxy.value() == "access-3"
    assert set(vendor.sent) == {"refresh-from-outside"}


async def test_a_refresh_token_that_was_never_sent_is_unmarked(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    store = file_store(path, clock)
    proxy = life(vendor, store)
    await proxy.value()
    clock.advance(100)

    async def unreachable() -> None:
        raise LoginUnavailable("upstream_unreachable")

    vendor.before = unreachable
    with pytest.raises(CredentialUnavailable):
        await proxy.value()
    await kill(store)
    vendor.before = None
    clock.advance(1)
    await life(vendor, file_store(path, clock)).value()
    assert (vendor.logins, vendor.sent) == (1, ["refresh-1", "refresh-1"])


async def test_the_mark_is_on_disk_before_the_token_is_sent_and_the_new_one_before_it_is_used(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    store = file_store(path, clock)
    proxy = life(vendor, store)
    await proxy.value()
    clock.advance(100)
    marks: list[bool] = []

    async def look() -> None:
        copy = path.with_name("copy")
        copy.write_bytes(path.read_bytes())
        marks.append((await again(copy, clock)).is_sent)  # type: ignore[union-attr]

    vendor.before = look
    await proxy.value()
    assert marks == [True]
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    found = await again(copy, clock)
    assert found is not None and (found.refresh_token, found.is_sent) == (Secret("refresh-2"), False)


# --- A bad secret over restarts -----------------------------------------------------------------------------------------


async def test_restarts_with_a_bad_secret_try_once_each_and_stay_within_the_budget(path: Path) -> None:
    """A supervisor that starts the proxy again and again locks no account."""
    clock = FakeClock()
    vendor = RotatingVendor(clock, failure=LoginRefused("401 from its login endpoint", status=401))
    for number in range(10):
        store = file_store(path, clock)
        proxy = life(vendor, store)
        for _ in range(3):
            with pytest.raises(CredentialRejected):
                await proxy.value()
        await kill(store)
        clock.advance(10)
        assert vendor.logins == min(number + 1, 5)
    clock.advance(3600)
    vendor.failure = None
    proxy = life(vendor, file_store(path, clock))
    assert await proxy.value() == "access-1"
    assert proxy.credential.last_error is None


async def test_a_setback_leaves_the_entry_as_it_is_and_the_next_token_ends_it(path: Path) -> None:
    clock = FakeClock()
    vendor = RotatingVendor(clock)
    store = file_store(path, clock)
    proxy = life(vendor, store)
    await proxy.value()
    clock.advance(100)
    vendor.before = vendor.lose
    vendor.failure = LoginRefused("refused", status=401)
    with pytest.raises(CredentialRejected):
        await proxy.value()
    async with store.turn("key", 0) as turn:
        assert turn.setback is not None and turn.entry is not None and turn.entry.refresh_token is None
    vendor.failure = None
    clock.advance(60)
    await proxy.value()
    async with store.turn("key", 0) as turn:
        assert turn.setback is None and turn.entry is not None and turn.entry.refresh_token is not None


async def test_an_old_setback_is_forgotten_with_the_entry_that_never_was(path: Path) -> None:
    clock = FakeClock()
    store = file_store(path, clock)
    async with store.turn("key", 0) as turn:
        await turn.note("something")
    await kill(store)
    clock.advance(4499)
    store = file_store(path, clock)
    async with store.turn("key", 0) as turn:
        assert turn.setback is not None and turn.setback.age == pytest.approx(4499)
    await kill(store)
    clock.advance(2)
    async with file_store(path, clock).turn("key", 0) as turn:
        assert turn.setback is None


async def test_a_marked_refresh_token_without_a_login_has_had_its_retry(path: Path) -> None:
    """Whoever finds the mark sends it once, and not twice at once, when that answer is lost as well."""
    clock = FakeClock()
    vendor = RotatingVendor(clock, rotates=False)
    vendor.before = vendor.lose
    for sent in (2, 3, 4):
        store = file_store(path, clock)
        with pytest.raises(CredentialUnavailable):
            await life(vendor, store, can_log_in=False, initial="refresh-from-outside").value()
        assert len(vendor.sent) == sent
        await kill(store)
        clock.advance(31)


async def test_a_token_taken_over_long_after_the_rejection_that_it_follows_is_as_good_as_any(path: Path) -> None:
    """Its own rejection is a new story: it is replaced, and no cool-down begins."""
    for seconds, is_replaced in ((4.0, False), (6.0, True)):
        clock = FakeClock()
        vendor = RotatingVendor(clock)
        store = file_store(path.with_name(f"tokens-{seconds:.0f}"), clock)
        first = life(vendor, store)
        await first.value()
        assert first.credential.rejected(1)
        await first.value()
        clock.advance(seconds)
        second = life(vendor, store)
        assert await second.value() == "access-2"
        assert second.credential.rejected(1) is is_replaced
