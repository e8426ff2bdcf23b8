"""Whether a proxy stood one case: what is unsafe, and what only is not as the contract says.

Unsafe is what an attacker gains from; inexact is another status than the contract's, an answer of the proxy's own
that does not say so, a request that was refused though nothing is wrong with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.abuse.case import Case, filled
from tests.abuse.contenders import PREFIX
from tests.abuse.stage import Stage
from tests.abuse.vendor import BASE_PATH, Request
from tests.abuse.wire import CUTS, Exchanged, exchange, read_on
from tests.canaries import leaks


@dataclass
class Verdict:
    case: str
    cut: str
    unsafe: list[str] = field(default_factory=list)
    inexact: list[str] = field(default_factory=list)


async def tried(stage: Stage, case: Case, cut: str) -> Verdict:
    """Send one case in one way, and look at everything that can be seen of it."""
    case = replace(case, request=filled(case.request, stage.places), answer=case.answer)
    verdict = Verdict(case.name, cut)
    answer = None if case.answer is None else filled(case.answer, stage.places).encode("latin-1")
    stage.vendor.forget(answer, hangs_up=not case.is_kept)
    evil_before = stage.vendor.evil_connections
    count = int((case.passed or {}).get("count", 1))
    done = await exchange(stage.setting.port, CUTS[cut](case.request.encode("latin-1")), case.method, count)
    requests = list(stage.vendor.requests)
    if case.passed is None and not case.answered:
        verdict.unsafe += _heard(stage, requests, case)
    verdict.unsafe += _gained(stage, case, done, requests)
    if case.passed is not None and requests:
        verdict.unsafe += _unfaithful(stage, case, requests)
    verdict.unsafe += _seen_wrong(stage, case, done)
    verdict.inexact += _inexact(case, done, requests)
    verdict.unsafe += await _afterwards(stage, done)
    if stage.vendor.evil_connections != evil_before:
        verdict.unsafe.append("somebody else was called")
    return verdict


def _heard(stage: Stage, requests: list[Request], case: Case) -> Iterator[str]:
    if requests or (stage.vendor.octets and not case.may_begin):
        yield "the vendor heard of it"


def _gained(stage: Stage, case: Case, done: Exchanged, requests: list[Request]) -> Iterator[str]:
    """What no request may bring about, whatever it is."""
    if leaks(stage.secrets, done.octets):
        yield "the caller saw a secret"
    if stage.echo.encode() in done.octets and case.passed is None:
        yield "the answer repeats what was sent"
    for request in requests:
        if request.target.partition("?")[0] != BASE_PATH and not request.target.startswith(
            (BASE_PATH + "/", BASE_PATH + "?")
        ):
            yield f"left the base path: {request.target[:60]}"
        if request.values("authorization") != [f"Bearer {stage.setting.credential}"]:
            yield "the credential is not there exactly once"
        if request.values("x-authproxy-token"):
            yield "the local token reached the vendor"
        if not request.is_sound:
            yield "the vendor got a head with two readings"
    expected = int((case.passed or {}).get("count", 1))
    # A second try of what is safe to repeat is allowed.
    repeated = len(requests) == 2 and requests[0] == requests[1] and case.method in ("GET", "HEAD")
    if len(requests) > expected and not repeated:
        yield f"{len(requests)} requests came of {expected}"


def _unfaithful(stage: Stage, case: Case, requests: list[Request]) -> Iterator[str]:
    assert case.passed is not None
    expected, request = case.passed, requests[0]
    target = filled(str(expected.get("target", case.target.replace(PREFIX, BASE_PATH, 1))), stage.places)
    if request.target != target:
        yield f"another target: {request.target[:60]!r} for {target[:60]!r}"
    if "body" in expected and request.body != filled(str(expected["body"]), stage.places).encode("latin-1"):
        yield f"another body: {request.body[:40]!r}"
    for name, values in expected.get("fields", {}).items():
        if request.values(name) != [filled(value, stage.places) for value in values]:
            yield f"{name} is {request.values(name)}"
    for name in expected.get("absent", ()):
        if request.values(name):
            yield f"{name} was passed on"


def _seen_wrong(stage: Stage, case: Case, done: Exchanged) -> Iterator[str]:
    """What the caller sees of a vendor's answer."""
    if not case.answered:
        return
    answer = done.answers[0] if done.answers else None
    if case.answered.get("broken"):
        if answer is not None and answer.is_whole and 200 <= answer.status < 300:
            yield "a broken answer looks whole"
        return
    if answer is None or not answer.is_whole:
        yield "no whole answer came"
        return
    for name in case.answered.get("absent", ()):
        if answer.has(name):
            yield f"{name} was passed back"
    for name, values in case.answered.get("fields", {}).items():
        if answer.status < 300 and answer.values(name) != values:
            yield f"{name} came back as {answer.values(name)}"
    if "body" in case.answered and answer.body != filled(str(case.answered["body"]), stage.places).encode("latin-1"):
        yield f"another body came back: {answer.body[:40]!r}"
    # Another error than the contract's is no danger; an error where none is, or the other way round, may be one.
    if answer.status not in _statuses(case) and (answer.status < 500 or max(_statuses(case)) < 500):
        yield f"answered {answer.status}"


def _statuses(case: Case) -> list[int]:
    statuses = case.answered.get("status", 200)
    return statuses if isinstance(statuses, list) else [statuses]


def _inexact(case: Case, done: Exchanged, requests: list[Request]) -> Iterator[str]:
    answer = done.answers[0] if done.answers else None
    if requests and case.passed is not None:
        if answer is None or not answer.is_whole:
            yield "no whole answer came"
        return
    if case.answered:
        if answer is not None and answer.status in (500, 502, 503, 504):
            if answer.status not in _statuses(case) and not case.answered.get("broken"):
                yield f"answered {answer.status}"
            yield from _unmarked(answer.octets)
        return
    if answer is None or not answer.is_whole:
        yield "no answer came"
    elif case.refused and answer.status not in case.refused:
        yield f"answered {answer.status}"
    elif not case.refused:
        yield f"refused with {answer.status}"
    else:
        yield from _unmarked(answer.octets)
    if len(done.answers) > 1:
        yield "more than one answer came"


def _unmarked(octets: bytes) -> Iterator[str]:
    head = octets.partition(b"\r\n\r\n")[0].lower()
    if b"\r\nproxy-status: " not in head:
        yield "does not say that it is the proxy's own answer"
    if b"\r\ncache-control: no-store" not in head:
        yield "may be kept by caches"
    if b"\r\nserver: " in head:
        yield "names its software"


async def _afterwards(stage: Stage, done: Exchanged) -> list[str]:
    """An ordinary request gets its own answer: on the same connection, if that is still open, and on a new one."""
    found: list[str] = []
    if not stage.is_alive:
        return ["the proxy ended"]
    if not done.is_closed and done.writer is not None:
        mark = secrets.token_hex(8)
        done.octets, done.answers = b"", ()
        done.writer.write(_ordinary(stage, mark))
        try:
            await read_on(done, "GET", 1)
        except ConnectionError:
            pass
        got = [answer for answer in done.answers if answer.status and answer.is_whole]
        if got and got[0].status < 300 and mark.encode() not in got[0].body:
            found.append("the next request on the connection got another's answer")
    if done.writer is not None:
        done.writer.close()
    mark = secrets.token_hex(8)
    try:
        again = await exchange(stage.setting.port, [_ordinary(stage, mark)], "GET")
    except OSError:
        return ["nobody listens any more"]
    if not again.answers or mark.encode() not in again.answers[0].body:
        found.append("an ordinary request failed afterwards")
    if again.writer is not None:
        again.writer.close()
    return found


def _ordinary(stage: Stage, mark: str) -> bytes:
    token = f"X-AuthProxy-Token: {stage.setting.token}\r\n" if stage.setting.token else ""
    host = f"127.0.0.1:{stage.setting.port}"
    return f"GET {PREFIX}/ordinary/{mark} HTTP/1.1\r\nHost: {host}\r\n{token}\r\n".encode()
