"""Whether a signature fits to a request, and if not, which mistakes lead to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.explain.expected import bound_places, expected_signing, needs_moment, shown_text
from proxy.explain.explanation import Prepared
from proxy.explain.mistakes import combinations
from proxy.explain.presented import Presented
from proxy.explain.signing import Given, plain_hash, readings
from proxy.explain.verdict import Verdict
from proxy.schemes.hmac_signature import HmacSignature
from proxy.target import canonical

_DIGITS = re.compile(r"[0-9A-Fa-f]{32,}|[A-Za-z0-9+/_-]{22,}={0,2}")


def compare_signature(
    scheme: HmacSignature, way: Prepared, asked: str, said: Presented, local_origins: tuple[str, ...], wall: float
) -> Verdict:
    """Try everything. `asked` is the target at the proxy, `wall` the present time, for want of a better one."""
    given = list(_given(scheme, said))
    if not given:
        return Verdict("unknown", ("nothing in it has the form of a signature: hex or base64 of 16 to 64 bytes",))
    if "token" in scheme.message.names:
        return Verdict("unknown", ("the message holds a token that only a login gives, so it cannot be made here",))
    bound = dict(bound_places(scheme, said))
    right, facts = expected_signing(scheme, way, asked, bound, said, local_origins, wall)
    tried = 0
    for found in combinations(right, facts):
        tried += 1
        signing = found[-1].signing if found else right
        for algorithm in {one.algorithm for one in given}:
            digest = signing.digest(algorithm)
            for one in given:
                if one.algorithm == algorithm and one.octets == digest:
                    words = [*_in_another_form(bound), *(mistake.words for mistake in found)]
                    return _fits(scheme, one, words, shown_text(scheme, way, right))
    for one in given:
        if one.octets in plain_hash(right, one.algorithm):
            plain = f"it is a plain {one.algorithm} hash of key and message; the vendor wants an HMAC"
            return Verdict("mistakes", (plain,), (plain,))
    is_timeless = bool(bound) or said.moment is not None or not needs_moment(scheme)
    return Verdict("no", tuple(_nothing_fits(tried) if is_timeless else _MOMENT_WANTED))


def _given(scheme: HmacSignature, said: Presented) -> Iterator[Given]:
    names = [canonical(name) for name, text in scheme.headers.items() if "signature" in text.names]
    texts = [said.headers[name] for name in names if name in said.headers]
    names = [canonical(name) for name, text in scheme.query.items() if "signature" in text.names]
    texts += [said.parameters[name] for name in names if name in said.parameters]
    for text in dict.fromkeys(texts or said.compared):
        for match in dict.fromkeys([text, *_DIGITS.findall(text)]):
            yield from readings(match)


def _in_another_form(bound: dict[str, str]) -> Iterator[str]:
    for place, (length, unit) in {"timestamp": (10, "seconds"), "timestamp_ms": (13, "milliseconds")}.items():
        if place in bound and len(bound[place]) != length:
            yield f"the timestamp is taken as it was sent, which is not in {unit}, as the vendor wants it"


def _fits(scheme: HmacSignature, given: Given, words: list[str], expected: str) -> Verdict:
    if given.algorithm != scheme.algorithm:
        words.append(f"it is made with {_spoken(given.algorithm)} instead of {_spoken(scheme.algorithm)}")
    if given.encoding != scheme.encoding:
        words.append(f"it is written in {given.encoding} instead of {scheme.encoding}")
    if not words:
        return Verdict("exactly", ("it fits: authproxy signs this request in the same way",))
    return Verdict(
        "mistakes",
        (
            f"it fits if {', and '.join(words)}",
            f"authproxy, as it is configured, signs at that moment: {expected}",
        ),
        tuple(words),
    )


def _spoken(algorithm: str) -> str:
    return f"HMAC-{algorithm.upper()}"


def _nothing_fits(tried: int) -> Iterator[str]:
    yield f"none of {tried} combinations of one or two usual mistakes gives it"
    yield "so it was made with another key, or for another URL, body or moment than are given here"
    yield "give method, path, headers and body exactly as they were sent; -d @FILE keeps every byte of a body"


_MOMENT_WANTED = (
    "it cannot be judged: the time (or a nonce) is signed too, and which one it was is not known",
    "give what was sent beside it, in a further --compare 'timestamp=...' or --compare 'Header: ...'",
)
