"""Whether a fixed credential is the configured one, and if not, by what little it differs."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator

from proxy.explain.presented import Presented
from proxy.explain.verdict import Verdict
from proxy.schemes.base import Injection
from proxy.target import canonical


def compare_fixed(injection: Injection, said: Presented) -> Verdict:
    """`injection` is the real one; of it only whether it is equal is ever told."""
    pairs = [("header", name, value, said.headers.get(canonical(name))) for name, value in injection.headers]
    pairs += [("parameter", name, value, said.parameters.get(canonical(name))) for name, value in injection.query]
    named = [(kind, name, ours, theirs) for kind, name, ours, theirs in pairs if theirs is not None]
    if not named:
        names = ", ".join(name for _, name, _, _ in pairs)
        return Verdict("unknown", (f"nothing is signed here; compare what the credential sets: {names}",))
    found = [f"the {kind} {name} {why}" for kind, name, ours, theirs in named for why in _differs(ours, str(theirs))]
    if not found:
        return Verdict("exactly", ("it fits: it is what authproxy sends",))
    return Verdict("mistakes", tuple(found), tuple(found))


def _differs(ours: str, theirs: str) -> Iterator[str]:
    if theirs == ours:
        return
    kind, _, secret = ours.rpartition(" ")
    their_kind, _, their_secret = theirs.rpartition(" ")
    if their_secret == secret and kind != their_kind:
        yield f"begins with {their_kind or 'nothing'!r} instead of {kind or 'nothing'!r}"
    elif theirs.strip("\"' \t") == ours.strip("\"' \t"):
        yield "differs in quotes or white space only"
    elif theirs.lower() == ours.lower():
        yield "differs in upper and lower case only"
    elif kind == "Basic" and their_kind == "Basic":
        yield from _basic(secret, their_secret)
    else:
        yield "is another one"


def _basic(ours: str, theirs: str) -> Iterator[str]:
    try:
        pair, other = b64decode(ours), b64decode(theirs, validate=True)
    except (ValueError, Base64Error):
        yield "is not base64 behind the word Basic"
        return
    user, _, password = pair.partition(b":")
    if other.rstrip(b"\r\n") == pair:
        yield "has a line break at the end of the password, as `echo` without -n adds one"
    elif other == password + b":" + user:
        yield "has user and password the wrong way round"
    elif other.partition(b":")[0] == user:
        yield "has the right user and another password"
    else:
        yield "has another user"
