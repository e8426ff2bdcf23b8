"""Tokens in a real Redis: one login for all replicas, and no replica that waits for a Redis that is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.listening import bind, bound_port
from proxy.secret import Secret
from proxy.tokens.failure import LoginRefused, LoginUnavailable
from proxy.tokens.restraint import SECONDS_BETWEEN_LOOKS
from proxy.tokens.stores.access import StoreAccess
from proxy.tokens.stores.address import RedisAddress
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.redis_store import OTHER_KEY, RedisStore
from proxy.tokens.stores.sealing import Seal
from proxy.tokens.stores.store import StoreUnavailable, TurnLost
from tests.canaries import leaks
from tests.clock import FakeClock
from tests.redis_server import RedisServer, redis_server
from tests.stores import KEY_TEXT, OTHER_SEAL, SEAL, Life, RotatingVendor, StoreWitness, life
from tests.vendors import canary, until

TOKEN, REFRESH, PASSWORD = canary("redis token"), canary("redis refresh token"), canary("redis password")
ENTRY = Entry(serial=5, token=Secret(TOKEN), lifetime=100.0, refresh_token=Secret(REFRESH))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def store_in(
    server: RedisServer,
    seal: Seal = SEAL,
    password: str | None = None,
    witness: StoreWitness | None = None,
    **rest: Any,
) -> AsyncIterator[RedisStore]:
    access = StoreAccess(Secret(KEY_TEXT), None if password is None else Secret(password))
    store = RedisStore(
        RedisAddress("127.0.0.1", server.port, 0, tls=False), access, seal, witness or StoreWitness(), **rest
    )
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
async def stores(server: RedisServer) -> AsyncIterator[list[RedisStore]]:
    """Three replicas' stores in one Redis."""
    async with store_in(server) as one, store_in(server) as two, store_in(server) as three:
        yield [one, two, three]


async def stored(store: RedisStore, after: int = 0) -> Entry | None:
    async with store.turn("key", after) as turn:
        return turn.entry


class ShiftedClock(FakeClock):
    """Goes on by itself, as Redis's does, and ahead when a test says so."""

    def now(self) -> float:
        return super().now() + time.monotonic()


def replicas(vendor: RotatingVendor, stores: list[RedisStore], **rest: Any) -> list[Life]:
    return [life(vendor, store, **rest) for store in stores]


# --- Turns --------------------------------------------------------------------------------------------------------------


async def test_one_owner_at_a_time_and_the_next_one_sees_what_it_wrote(stores: list[RedisStore]) -> None:
    order = []

    async def take_a_turn(number: int) -> None:
        async with stores[number].turn("key", 10) as turn:
            assert turn.is_owner
            order.append((number, turn.entry))
            await asyncio.sleep(0.01)
            await turn.write(Entry(serial=number + 1))

    await asyncio.gather(*(take_a_turn(number) for number in (0, 1, 2)), return_exceptions=True)
    assert len(order) == 3
    assert order[0][1] is None and order[1][1] == Entry(serial=order[0][0] + 1, age=order[1][1].age)  # type: ignore[union-attr]


async def test_waiting_ends_with_a_newer_entry_while_the_owner_still_has_its_turn(stores: list[RedisStore]) -> None:
    async with stores[0].turn("key", 0) as turn:
        waiting = asyncio.create_task(stored(stores[1]))
        await turn.write(ENTRY)
        async with asyncio.timeout(5):
            found = await waiting
    assert found is not None and found.serial == 5 and found.token == Secret(TOKEN)
    assert found.refresh_token == Secret(REFRESH) and 0 <= found.age < 5


async def test_credentials_do_not_wait_for_each_other(stores: list[RedisStore]) -> None:
    async with stores[0].turn("one", 0), asyncio.timeout(5), stores[1].turn("two", 0) as turn:
        assert turn.is_owner


async def test_the_lease_is_renewed_for_as_long_as_the_login_takes(server: RedisServer) -> None:
    async with (
        store_in(server, lease=0.3) as owner,
        store_in(server, longest_wait=1.0) as waiting,
        owner.turn("key", 0) as turn,
    ):
        with pytest.raises(LoginUnavailable, match="another replica is still logging in"):
            await stored(waiting)
        await turn.write(ENTRY)


async def test_an_owner_that_comes_back_late_writes_nothing_any_more(server: RedisServer) -> None:
    """Its process was stopped, or its machine asleep, and another replica has the turn."""
    async with store_in(server, lease=0.2) as late, store_in(server) as other:
        async with late.turn("key", 0) as turn:
            # What a stopped process looks like: nobody renews the lease, and it ends.
            [keeper] = [task for task in asyncio.all_tasks() if task.get_name() == "authproxy lease"]
            keeper.cancel()
            async with other.turn("key", 0) as newer:
                assert newer.is_owner
                with pytest.raises(TurnLost):
                    await turn.write(ENTRY)
                await newer.write(Entry(serial=9))
            with pytest.raises(TurnLost):
                await turn.write(ENTRY)
        found = await stored(other)
        assert found is not None and found.serial == 9


async def test_an_older_serial_is_refused_even_from_an_owner(stores: list[RedisStore]) -> None:
    async with stores[0].turn("key", 0) as turn:
        await turn.write(ENTRY)
        with pytest.raises(TurnLost):
            await turn.write(Entry(serial=4))


async def test_who_ends_late_does_not_end_anothers_turn(server: RedisServer) -> None:
    async with store_in(server, lease=0.2) as late, store_in(server) as other, store_in(server) as third:
        late_turn = late.turn("key", 0)
        await late_turn.__aenter__()
        [keeper] = [task for task in asyncio.all_tasks() if task.get_name() == "authproxy lease"]
        keeper.cancel()
        async with other.turn("key", 0) as turn:
            await late_turn.__aexit__(None, None, None)
            waiting = asyncio.create_task(stored(third))
            await turn.write(ENTRY)
            assert (await waiting) is not None, "it had to wait, and was given the newer entry"


async def test_a_mark_does_not_make_the_token_younger(stores: list[RedisStore]) -> None:
    async with stores[0].turn("key", 0) as turn:
        await turn.write(Entry(serial=5, token=Secret("t"), lifetime=100, age=60))
        await turn.write(Entry(serial=5, token=Secret("t"), lifetime=100, is_sent=True))
    found = await stored(stores[1])
    assert found is not None and found.is_sent and 60 <= found.age < 70


# --- What lies in Redis -------------------------------------------------------------------------------------------------


async def test_nothing_in_redis_is_in_the_clear(server: RedisServer, stores: list[RedisStore]) -> None:
    async with stores[0].turn(canary("credential key"), 0) as turn:
        await turn.write(ENTRY)
        everything = server.everything()
    assert everything.count(b"authproxy:") == 3, "the entry, the lease and the key's identifier"
    assert leaks([TOKEN, REFRESH, KEY_TEXT, canary("credential key")], everything) == []


async def test_entries_end_some_day(server: RedisServer, stores: list[RedisStore]) -> None:
    async with stores[0].turn("key", 0) as turn:
        await turn.write(ENTRY)
    name = SEAL.name("key")
    answer = server.command("TTL", f"authproxy:{{{name}}}:entry")
    assert 89 * 86_400 < int(answer.split(b"\r\n")[0][1:]) <= 90 * 86_400
    assert server.command("EXISTS", f"authproxy:{{{name}}}:lease").startswith(b":0"), "and the lease was given back"


async def test_an_entry_that_somebody_changed_is_as_good_as_none(server: RedisServer, stores: list[RedisStore]) -> None:
    """Also one whose serial was raised from outside, so that replicas would take an old token for a new one."""
    async with stores[0].turn("key", 0) as turn:
        await turn.write(ENTRY)
    key = f"authproxy:{{{SEAL.name('key')}}}:entry"
    server.command("HSET", key, "serial", "6")
    assert await stored(stores[1]) == Entry(serial=6)
    assert stores[1].trouble == "an entry in it is broken"
    clock = FakeClock()
    [replica, *_] = replicas(RotatingVendor(clock), stores)
    assert await replica.value() == "access-1"
    found = await stored(stores[1])
    assert found is not None and found.token == Secret("access-1")


async def test_a_replica_with_another_key_is_told_so_and_shares_nothing(server: RedisServer) -> None:
    """An ordinary credential is on its own then; where a new token would kill the others', there is none."""
    witness = StoreWitness()
    async with store_in(server) as right, store_in(server, OTHER_SEAL, witness=witness) as wrong:
        vendor = RotatingVendor(FakeClock())
        assert await life(vendor, right).value() == "access-1"
        assert await life(vendor, wrong).value() == "access-2"
        with pytest.raises(CredentialUnavailable):
            await life(vendor, wrong, key="another", single_live=True).value()
        assert wrong.trouble == OTHER_KEY and set(witness.failures) == {"read"}
        found = await stored(right)
        assert found is not None and found.token == Secret("access-1")


async def test_a_password_is_used_and_a_wrong_one_told() -> None:
    with redis_server("--requirepass", PASSWORD) as server:
        async with store_in(server, password=PASSWORD) as store:
            assert await stored(store) is None
        async with store_in(server, password="wrong") as store:
            with pytest.raises(StoreUnavailable):
                await stored(store)
            assert store.trouble == "it refuses the user or the password"


async def test_over_tls_the_certificate_is_checked(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    for name, pem in (
        ("ca", authority.cert_pem),
        ("stranger", stranger.cert_pem),
        ("key", certificate.private_key_pem),
    ):
        pem.write_to_path(tmp_path / name)
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    with bind("127.0.0.1:0") as free:
        port = bound_port(free)
    options = ["--tls-port", str(port), "--tls-cert-file", f"{tmp_path}/cert", "--tls-key-file", f"{tmp_path}/key"]
    with redis_server(*options, "--tls-ca-cert-file", f"{tmp_path}/ca", "--tls-auth-clients", "no"):
        for name, cause in (("ca", None), ("stranger", "it cannot be reached")):
            assert port is not None
            access = StoreAccess(Secret(KEY_TEXT), ca_file=tmp_path / name)
            store = RedisStore(RedisAddress("127.0.0.1", port, 0, tls=True), access, SEAL, StoreWitness())
            await asyncio.gather(stored(store), return_exceptions=True)
            assert store.trouble == cause
            await store.aclose()


# --- Replicas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("single_live", [True, False])
async def test_one_login_for_all_replicas_and_all_their_callers(stores: list[RedisStore], single_live: bool) -> None:
    vendor = RotatingVendor(FakeClock())
    group = replicas(vendor, stores, single_live=single_live)
    for number in range(1, 4):
        values = await asyncio.gather(*(replica.value() for replica in group for _ in range(20)))
        assert set(values) == {f"access-{number}"}
        vendor.clock.advance(99.9 if single_live else 100)
    assert vendor.logins + len(vendor.sent) == 3
    assert vendor.offences == [] and vendor.logins == 1, "and the refresh token goes from replica to replica"


async def test_a_replica_whose_token_was_rejected_takes_over_the_newer_one(stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock())
    one, two, _ = group = replicas(vendor, stores)
    assert {await replica.value() for replica in group} == {"access-1"}
    assert one.credential.rejected(1)
    assert await one.value() == "access-2"
    assert two.credential.rejected(1)
    assert await two.value() == "access-2"
    assert two.credential.fetches == 0 and two.credential.generation == 2
    assert two.credential.rejected(1), "a late answer is worth a replay still"
    assert await two.value() == "access-2"


async def test_whatever_the_api_rejects_two_logins_tell_all_replicas_and_they_cool_down(
    stores: list[RedisStore],
) -> None:
    """The second token was fetched because of the first one's rejection: whoever takes it over knows that."""
    vendor = RotatingVendor(FakeClock())
    group = replicas(vendor, stores)
    for _ in range(20):
        for replica in group:
            await replica.value()
            replica.credential.rejected(replica.credential.generation)
    assert vendor.logins + len(vendor.sent) == 2


async def test_a_restarted_replica_takes_over_what_lives(stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock())
    assert await life(vendor, stores[0], single_live=True).value() == "access-1"
    assert await life(vendor, stores[1], single_live=True).value() == "access-1"
    assert vendor.logins == 1


async def test_another_replica_takes_over_from_an_owner_that_died_in_its_login(server: RedisServer) -> None:
    """And does not send the refresh token that the dead one may have spent."""
    async with store_in(server, lease=0.3) as dying, store_in(server, lease=0.3) as other:
        vendor = RotatingVendor(FakeClock())
        first, second = replicas(vendor, [dying, other])
        await first.value()
        await second.value()
        vendor.clock.advance(100)
        vendor.after = asyncio.Event().wait  # type: ignore[assignment]
        waiting = asyncio.create_task(first.value())
        await until(lambda: vendor.sent)
        [keeper] = [task for task in asyncio.all_tasks() if task.get_name() == "authproxy lease"]
        keeper.cancel()
        async with asyncio.timeout(5):
            assert await second.value() == "access-3"
        assert (vendor.logins, vendor.sent, vendor.offences) == (2, ["refresh-1"], [])
        waiting.cancel()
        await first.credential.aclose()


async def test_a_fetch_that_is_given_up_frees_the_turn_at_once(stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock())
    one, two, _ = replicas(vendor, stores)
    assert await one.value() == await two.value()
    vendor.clock.advance(100)
    vendor.before = asyncio.Event().wait  # type: ignore[assignment]
    waiting = asyncio.create_task(one.value())
    await until(lambda: vendor.sent)
    await one.credential.aclose()
    vendor.before = None
    async with asyncio.timeout(3):
        assert await two.value() == "access-2"
    waiting.cancel()


async def test_a_redis_that_forgot_everything_costs_one_login_and_the_replicas_agree_again(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    vendor = RotatingVendor(FakeClock())
    group = replicas(vendor, stores)
    assert {await replica.value() for replica in group} == {"access-1"}
    server.command("FLUSHALL")
    assert {await replica.value() for replica in group} == {"access-1"}
    vendor.clock.advance(100)
    assert {await replica.value() for replica in group} == {"access-2"}
    assert (vendor.logins, vendor.sent) == (2, [])


async def refused(group: list[Life], times: int = 3) -> None:
    for _ in range(times):
        for replica in group:
            with pytest.raises(CredentialRejected):
                await replica.value()


async def test_a_bad_secret_costs_all_replicas_together_one_login(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    """And a replica that starts meanwhile none; what failed is said by each."""
    vendor = RotatingVendor(FakeClock(), failure=LoginRefused("401 from its login endpoint", status=401))
    group = replicas(vendor, stores)
    await asyncio.gather(*(replica.value() for replica in group for _ in range(20)), return_exceptions=True)
    await refused(group)
    async with store_in(server) as late:
        await refused([*group, life(vendor, late)])
    assert vendor.logins == 1
    assert {replica.credential.last_error for replica in group} == {"401 from its login endpoint"}
    assert {replica.credential.state for replica in group} == {"refused"}


async def test_replicas_that_ask_one_after_the_other_share_the_pause(stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock(), failure=LoginUnavailable("429", status=429, retry_after=120))
    for replica in replicas(vendor, stores):
        with pytest.raises(CredentialUnavailable) as unavailable:
            await replica.value()
        assert unavailable.value.retry_after is not None and 115 <= unavailable.value.retry_after <= 120
    assert vendor.logins == 1


async def test_a_replica_that_was_told_it_is_mended_tries_again_and_the_others_take_its_token(
    stores: list[RedisStore],
) -> None:
    vendor = RotatingVendor(ShiftedClock(), failure=LoginRefused("refused", status=401))
    one, two, _ = group = replicas(vendor, stores)
    await refused(group)
    one.credential.forgive()
    two.credential.forgive()
    await asyncio.sleep(0.01)  # Redis counts in whole milliseconds.
    await refused(group)
    assert vendor.logins == 2, "both had the word of a person, and it counts once"
    vendor.failure = None
    vendor.clock.advance(SECONDS_BETWEEN_LOOKS)
    await refused(group)
    one.credential.forgive()
    assert await one.value() == "access-1"
    vendor.clock.advance(SECONDS_BETWEEN_LOOKS)
    assert await asyncio.gather(*(replica.value() for replica in group)) == ["access-1"] * 3
    assert vendor.logins == 3


async def test_a_login_that_succeeds_ends_the_count_for_all(server: RedisServer, stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock(), failure=LoginRefused("refused", status=401))
    [replica, *_] = replicas(vendor, stores)
    await refused([replica], 1)
    assert b":setback" in server.command("KEYS", "*")
    vendor.failure = None
    replica.credential.forgive()
    await replica.value()
    assert b":setback" not in server.command("KEYS", "*")


async def test_a_setback_is_sealed_and_ends_some_day(server: RedisServer, stores: list[RedisStore]) -> None:
    vendor = RotatingVendor(FakeClock(), failure=LoginRefused("a cause that is found", status=401))
    await refused(replicas(vendor, stores), 1)
    assert b"a cause that is found" not in server.everything()
    [name] = [line for line in server.command("KEYS", "*").split(b"\r\n") if line.endswith(b":setback")]
    assert 3600 < int(server.command("TTL", name).split(b":")[1].split(b"\r\n")[0]) <= 4500


async def test_a_setback_that_somebody_changed_is_as_good_as_none(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    vendor = RotatingVendor(FakeClock(), failure=LoginRefused("refused", status=401))
    one, two, _ = replicas(vendor, stores)
    await refused([one], 1)
    [name] = [line for line in server.command("KEYS", "*").split(b"\r\n") if line.endswith(b":setback")]
    server.command("HSET", name, "sealed", "x")
    await refused([two], 1)
    assert vendor.logins == 2
    await refused([one, two], 1)
    assert vendor.logins == 2


async def test_without_redis_each_replica_has_a_budget_of_its_own(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    vendor = RotatingVendor(FakeClock(), failure=LoginRefused("refused", status=401))
    server.stop()
    await refused(replicas(vendor, stores))
    assert vendor.logins == 3


# --- Refresh tokens without a login -------------------------------------------------------------------------------------


async def test_without_redis_a_rotating_refresh_token_that_others_may_have_spent_is_not_sent(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    """There is no other way to a token; but the server would revoke the session that the others live on."""
    vendor = RotatingVendor(FakeClock())
    one, two, _ = replicas(vendor, stores, can_log_in=False, initial="refresh-from-outside")
    assert await one.value() == await two.value() == "access-1"
    server.stop()
    vendor.clock.advance(100)
    for replica in (one, two):
        with pytest.raises(CredentialUnavailable):
            await replica.value()
    assert vendor.sent == ["refresh-from-outside"]
    server.start()
    async with asyncio.timeout(10):
        while len(vendor.sent) == 1:
            vendor.clock.advance(1)
            await asyncio.gather(one.value(), return_exceptions=True)
            await asyncio.sleep(0.02)
    assert vendor.sent[1:] == ["refresh-1"] and vendor.offences == []


async def test_without_redis_a_refresh_token_that_never_rotated_is_used_by_each(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    vendor = RotatingVendor(FakeClock(), rotates=False)
    one, two, _ = replicas(vendor, stores, can_log_in=False, initial="refresh-from-outside")
    await one.value()
    await two.value()
    server.stop()
    vendor.clock.advance(100)
    await asyncio.gather(one.value(), two.value())
    assert len(vendor.sent) == 3


async def test_a_running_replica_brings_the_newest_refresh_token_into_a_redis_that_forgot(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    """Though another one had rotated it."""
    vendor = RotatingVendor(FakeClock())
    one, two, _ = replicas(vendor, stores, can_log_in=False, initial="refresh-from-outside")
    await one.value()
    await two.value()
    server.command("FLUSHALL")
    vendor.clock.advance(100)
    await two.value()
    assert (vendor.sent, vendor.offences) == (["refresh-from-outside", "refresh-1"], [])


# --- Redis in trouble ---------------------------------------------------------------------------------------------------


async def test_without_redis_an_ordinary_credential_goes_on_and_sends_no_refresh_token_that_others_have(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    vendor = RotatingVendor(FakeClock())
    group = replicas(vendor, stores)
    await asyncio.gather(*(replica.value() for replica in group))
    server.stop()
    vendor.clock.advance(100)
    assert await asyncio.gather(*(replica.value() for replica in group)) == ["access-2", "access-3", "access-4"]
    assert (vendor.logins, vendor.sent) == (4, [])
    assert stores[0].trouble == "it cannot be reached"


async def test_without_redis_nobody_logs_in_where_that_would_kill_the_others_token(
    server: RedisServer, stores: list[RedisStore]
) -> None:
    """But a token that is held and lives is served, to its true expiry."""
    vendor = RotatingVendor(FakeClock())
    group = replicas(vendor, stores, single_live=True)
    await asyncio.gather(*(replica.value() for replica in group))
    server.stop()
    vendor.clock.advance(99.9)
    assert await asyncio.gather(*(replica.value() for replica in group)) == ["access-1"] * 3
    vendor.clock.advance(0.1)
    for replica in group:
        with pytest.raises(CredentialUnavailable) as refused:
            await replica.value()
        assert refused.value.retry_after is not None and 1 <= refused.value.retry_after <= 10
        assert replica.credential.last_error == "the token store cannot be used: it cannot be reached"
    assert vendor.logins == 1


async def test_when_redis_is_back_it_is_used_again(server: RedisServer) -> None:
    witness = StoreWitness()
    async with store_in(server, witness=witness) as store:
        vendor = RotatingVendor(FakeClock())
        replica = life(vendor, store, single_live=True)
        server.stop()
        with pytest.raises(CredentialUnavailable):
            await replica.value()
        assert not witness.works
        server.start()
        async with asyncio.timeout(10):
            while not witness.works:
                vendor.clock.advance(10)
                await asyncio.gather(replica.value(), return_exceptions=True)
                await asyncio.sleep(0.02)
        assert await replica.value() == "access-1" and store.trouble is None


async def test_a_frozen_redis_is_waited_for_once_and_not_by_every_request(server: RedisServer) -> None:
    async with store_in(server) as store:
        vendor = RotatingVendor(FakeClock())
        await life(vendor, store, key="first").value()
        server.freeze()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(20):
            await life(vendor, store, key=f"key {number}").value()
        server.thaw()
        assert loop.time() - began < 4
        assert store.trouble == "it does not answer in time"


async def test_a_redis_that_restarted_is_noticed_by_nobody(server: RedisServer, stores: list[RedisStore]) -> None:
    """The idle connection is dead, and so are the scripts that Redis knew."""
    vendor = RotatingVendor(FakeClock())
    [replica, *_] = replicas(vendor, stores, single_live=True)
    await replica.value()
    server.stop()
    server.start()
    vendor.clock.advance(100)
    assert await replica.value() == "access-2"
    assert stores[0].trouble is None


async def test_a_full_redis_stops_no_request(server: RedisServer, stores: list[RedisStore]) -> None:
    server.command("CONFIG", "SET", "maxmemory", "1")
    vendor = RotatingVendor(FakeClock())
    [replica, *_] = replicas(vendor, stores)
    assert await replica.value() == "access-1"
    assert stores[0].trouble == "it is full"
