"""The runs by which the tokens are judged. Each raises AssertionError, or returns what it measured.

What /metrics says is compared with what callers and the vendor saw, so that it tells the whole story of each.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter, time

from proxy.sandbox.wire import Answer, Received, json_answer
from tests.sandbox_caller import call
from tests.soak.load import Tally
from tests.soak.malformed import MALFORMED
from tests.soak.stage import UNAUTHORIZED, UNAVAILABLE, Figures, stage

Measured = dict[str, object]


@dataclass(frozen=True)
class Measure:
    """How long, how fast, and with how short a token: all in seconds and requests a second."""

    seconds: float
    rate: float
    lifetime: float


def fetches(figures: Figures) -> dict[str, float]:
    outcomes = ("ok", "refused", "unavailable", "malformed")
    return {
        name: count
        for name in outcomes
        if (count := figures.of("token_fetches_total", provider="vendor", outcome=name))
    }


def agrees(figures: Figures, tally: Tally) -> None:
    """Each answer is counted under its status, each of the proxy's own under its code, and nothing is left over."""
    for status in {answer.status for answer in tally.answers}:
        seen = sum(answer.status == status for answer in tally.answers)
        assert figures.of("requests_total", route="/io", code=str(status)) == seen, status
    for code in {answer.error for answer in tally.answers if answer.error}:
        seen = sum(answer.error == code for answer in tally.answers)
        assert figures.of("rejections_total", route="/io", reason=code) == seen, code
    assert figures.of("requests_in_flight") == figures.of("token_waiters") == 0


def summary(tally: Tally) -> Measured:
    return {
        "answers": dict(tally.kinds),
        "rps": round(tally.rate, 1),
        "p50 ms": round(tally.percentile(0.5), 1),
        "p99 ms": round(tally.percentile(0.99), 1),
    }


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def first_requests(count: int) -> Measured:
    """So many first requests at once: one login."""
    async with stage() as on:
        on.vendor.hold_logins.clear()
        asking = asyncio.create_task(on.load().at_once(count))

        async def all_wait() -> bool:
            return (await on.figures()).of("token_waiters", provider="vendor") == count

        await until(all_wait)
        on.vendor.hold_logins.set()
        tally = await asking
        figures = await on.figures()
        agrees(figures, tally)
        assert tally.kinds == {"200": count}
        assert len(on.vendor.login_requests) == on.vendor.logins == 1
        assert fetches(figures) == {"ok": 1}
        assert figures.of("token_cache_misses_total", provider="vendor") == count
        assert figures.of("token_fetch_duration_seconds_count", provider="vendor") == 1
        return {**summary(tally), "logins": on.vendor.logins}


async def short_tokens(measure: Measure) -> Measured:
    """Tokens that live for seconds, under load: no request fails, and each token costs one login."""
    async with stage(measure.lifetime) as on:
        tally = await on.load("POST").at_rate(measure.rate, measure.seconds)
        figures = await on.figures()
        agrees(figures, tally)
        logins = on.vendor.logins
        assert tally.kinds == {"200": len(tally.answers)}
        assert on.vendor.stale == []
        assert set(on.vendor.ended.values()) == {1}
        lives = tally.seconds / measure.lifetime
        assert int(lives) <= logins <= lives + 1
        assert fetches(figures) == {"ok": logins} == {"ok": len(on.vendor.login_requests)}
        hits, misses = (figures.of(f"token_cache_{which}_total", provider="vendor") for which in ("hits", "misses"))
        assert hits + misses == len(tally.answers)
        assert figures.of("auth_retries_total", provider="vendor") == 0
        # 0 if the last token ended after the last request.
        expiry = figures.of("token_expiry_timestamp_seconds", provider="vendor")
        assert expiry == 0 or -measure.lifetime < expiry - time() <= measure.lifetime
        return {**summary(tally), "logins": logins, "lives": round(lives, 1), "waited": int(misses)}


async def revocation(count: int) -> Measured:
    """All tokens die while so many POSTs are under way: one login, each is carried out once."""
    async with stage() as on:
        await on.load().at_once(1)
        before = await on.figures()
        on.vendor.hold.clear()
        asking = asyncio.create_task(on.load("POST").at_once(count))

        async def all_there() -> bool:
            return len(on.vendor.api_requests) == count + 1

        await until(all_there)
        on.vendor.revoke_tokens()
        on.vendor.hold.set()
        tally = await asking
        figures = await on.figures() - before
        agrees(figures, tally)
        assert tally.kinds == {"200": count}
        assert on.vendor.logins == 2
        assert len(on.vendor.ended) == count and set(on.vendor.ended.values()) == {1}
        assert fetches(figures) == {"ok": 1}
        dropped, superseded = (
            figures.of("auth_retries_total", provider="vendor", reason=reason) for reason in ("dropped", "superseded")
        )
        assert (dropped, superseded) == (1, count - 1)
        return {**summary(tally), "logins": 1, "repeated": int(dropped + superseded)}


async def login_down(measure: Measure) -> Measured:
    """The login endpoint fails for `seconds`: the token serves to its end, then 503, and then all is well again."""
    async with stage(measure.lifetime) as on:
        await on.load().at_once(1)
        on.vendor.login_answer = lambda received: UNAVAILABLE
        before = await on.figures()
        expires = before.of("token_expiry_timestamp_seconds", provider="vendor")
        tally = await on.load().at_rate(measure.rate, measure.seconds)
        figures = await on.figures() - before
        agrees(figures, tally)
        assert tally.kinds.keys() == {"200", "503 credential_unavailable"}
        assert time() > expires
        since_epoch = time() - perf_counter()
        for answer in tally.answers:
            if answer.status == 503:
                assert answer.at + since_epoch >= expires, "it did not serve to its end"
            else:
                assert answer.at - answer.seconds + since_epoch < expires, "it served beyond its end"
        assert all(1 <= (answer.retry_after or 0) <= 30 for answer in tally.answers if answer.status == 503)
        assert on.vendor.stale == []
        attempts = len(on.vendor.login_requests) - 1
        assert fetches(figures) == {"unavailable": attempts}
        assert 1 <= attempts <= 10 + measure.seconds / 2
        assert b"vendor waiting" in await on.admin("/readyz?verbose")
        on.vendor.login_answer = None
        began = time()

        async def serves() -> bool:
            return (await on.load().at_once(1)).kinds == {"200": 1}

        await until(serves)
        assert on.vendor.logins == 2 and on.vendor.stale == []
        return {**summary(tally), "attempts": attempts, "recovered after s": round(time() - began, 1)}


async def bad_secret(measure: Measure) -> Measured:
    """A secret that the vendor refuses: one login, one more after a minute, never more than five an hour."""
    async with stage(client_secret={"value": "k6c1f0wrong-and-not-a-secret"}) as on:
        tally = await on.load().at_rate(measure.rate, measure.seconds)
        figures = await on.figures()
        agrees(figures, tally)
        attempts = len(on.vendor.login_requests)
        assert tally.kinds == {"502 credential_rejected": len(tally.answers)}
        assert on.vendor.api_requests == []
        assert attempts <= 1 + measure.seconds // 60
        assert fetches(figures) == {"refused": attempts}
        assert b"vendor refused" in await on.admin("/readyz?verbose")
        assert any("refused" in line or "401 from its login endpoint" in line for line in on.process.err)
        return {**summary(tally), "logins": attempts}


async def rejects_all(measure: Measure) -> Measured:
    """An API that calls every token dead: its 401 is passed on, and three logins a minute are the most."""
    async with stage() as on:
        on.vendor.api_answer = lambda received: UNAUTHORIZED
        tally = await on.load().at_rate(measure.rate, measure.seconds)
        figures = await on.figures()
        agrees(figures, tally)
        assert tally.kinds == {"401": len(tally.answers)}, "the proxy's own answers would have a code"
        assert on.vendor.logins <= 3
        assert fetches(figures) == {"ok": on.vendor.logins}
        retries = figures.of("auth_retries_total", provider="vendor")
        assert len(on.vendor.api_requests) == len(tally.answers) + retries
        return {**summary(tally), "logins": on.vendor.logins, "repeated": int(retries)}


async def malformed_logins() -> Measured:
    """Each kind of nonsense for a login of its own: 503, nothing sent to the API with it, and recovery by itself."""
    names = {f"m{number}": answer for number, answer in enumerate(MALFORMED.values())}
    entries = {name: {"client_id": {"value": f"client-{name}"}} for name in names}
    async with stage(entries=entries) as on:
        spoiled: set[str] = set()

        def login(received: Received) -> Answer:
            name = received.body.partition(b'"client-')[2].partition(b'"')[0].decode()
            if name not in spoiled:
                spoiled.add(name)
                return names[name]
            return json_answer({"accessToken": on.vendor.tokens.issue_jwt({"sub": name}), "expiresIn": 600})

        on.vendor.login_answer = login
        first = {name: await call(f"http://127.0.0.1:{on.port}", "GET", f"/{name}/v1/accounts") for name in names}
        for name, reply in first.items():
            assert (reply.status, reply.fields.get("x-authproxy-error")) == (503, "credential_unavailable"), name
        assert on.vendor.api_requests == []
        for name in names:

            async def serves(name: str = name) -> bool:
                return (await call(f"http://127.0.0.1:{on.port}", "GET", f"/{name}/v1/accounts")).status == 200

            await until(serves)
        figures = await on.figures()
        assert {received.verdict for received in on.vendor.api_requests} == {"ok"}
        assert len(on.vendor.login_requests) == 2 * len(names)
        assert figures.of("token_fetches_total", outcome="ok") == len(names)
        failed = [figures.of("token_fetches_total", outcome=which) for which in ("malformed", "unavailable", "refused")]
        assert sum(failed) == len(names) and failed[2] == 0
        assert figures.of("rejections_total", reason="credential_unavailable") >= len(names)
        return {"answers": len(names), "logins": len(on.vendor.login_requests), "as malformed": int(failed[0])}


async def suspended(measure: Measure) -> Measured:
    """The process is stopped beyond a token's end, as on a laptop asleep; what came meanwhile is served with a new one."""
    async with stage(measure.lifetime) as on:
        await on.load().at_once(10)
        logins = on.vendor.logins
        on.send_signal(signal.SIGSTOP)
        asking: asyncio.Task[Tally] | None = None
        try:
            await asyncio.sleep(measure.lifetime)
            asking = asyncio.create_task(on.load().at_once(100))
            await asyncio.sleep(measure.seconds - measure.lifetime)
        finally:
            on.send_signal(signal.SIGCONT)
        assert asking is not None
        tally = await asking
        assert tally.kinds == {"200": 100}
        assert on.vendor.stale == []
        assert on.vendor.logins == logins + 1
        figures = await on.figures()
        assert fetches(figures) == {"ok": logins + 1}
        assert figures.of("token_cache_misses_total", provider="vendor") >= 1
        return {**summary(tally), "logins": 1}
