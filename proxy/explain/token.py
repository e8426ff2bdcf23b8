"""Whether a JSON Web Token is one that authproxy could have made: key, algorithm, times, claims."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import Any

from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from proxy.clock import Clock
from proxy.explain.content_mistakes import key as key_mistakes
from proxy.explain.signing import Facts, Signing
from proxy.explain.verdict import Verdict
from proxy.schemes.derived_key import decoded_key
from proxy.schemes.jwt import Jwt
from proxy.secret import Secret
from proxy.template import Template, variable_scope

_TIMES = ("exp", "iat", "nbf")
_CLOCK_SECONDS = 5
_MILLISECONDS = 10**11


def compare_token(scheme: Jwt | None, text: str, clock: Clock) -> Verdict:
    """Without a scheme that mints tokens, only what the token says of itself is judged."""
    try:
        header, claims, signature = _read(text)
    except (ValueError, Base64Error):
        return Verdict("unknown", ("it is no JSON Web Token: three parts with dots between, the first two JSON",))
    found = [*_times(claims, clock.wall())]
    if scheme is not None:
        found = [*_signed_otherwise(scheme, header, text, signature), *found, *_other_claims(scheme, claims, clock)]
        found += _other_header(scheme, header)
    if not found and scheme is None:
        return Verdict("unknown", ("it has not expired; whether its signature is right, only its maker can tell",))
    if not found:
        return Verdict("exactly", ("it fits: authproxy makes the same token, but for its times",))
    return Verdict("mistakes", tuple(found), tuple(found))


def _read(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, claims, signature = text.split(".")
    documents = [json.loads(_octets(part)) for part in (header, claims)]
    if not all(isinstance(document, dict) for document in documents):
        raise ValueError
    return documents[0], documents[1], _octets(signature)


def _octets(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed_otherwise(scheme: Jwt, header: dict[str, Any], text: str, signature: bytes) -> Iterator[str]:
    algorithm = header.get("alg")
    if algorithm in (None, "none", "None", "NONE"):
        yield f"it is not signed: its header says alg {json.dumps(algorithm)}, the vendor wants {scheme.algorithm}"
        return
    if algorithm != scheme.algorithm:
        yield f"its header says {json.dumps(algorithm)}, the configuration {scheme.algorithm}"
    content = text.rpartition(".")[0]
    if scheme.algorithm.startswith("HS"):
        yield from _shared_key(scheme, str(algorithm), content, signature)
    elif not _verifies(str(algorithm), scheme.key.reveal(), content, signature):
        yield "its signature was made with another private key, or its content was changed after it"


def _shared_key(scheme: Jwt, named: str, content: str, signature: bytes) -> Iterator[str]:
    text = scheme.key.reveal()
    right = Signing(Template((content,)), {}, "", "://", "", (), b"", decoded_key(text, scheme.key_encoding))
    secrets = {
        name: secret.reveal()
        for name, secret in variable_scope(scheme.variables).items()
        if isinstance(secret, Secret) and secret.reveal() != text
    }
    facts = Facts((), {}, (), "", "", secrets, text)
    ways = [("", right), *((words, wrong) for words, wrong in key_mistakes(right, facts) if wrong.key != right.key)]
    for words, signing in ways:
        for algorithm in ("HS256", "HS384", "HS512"):
            if signing.digest(f"sha{algorithm[2:]}") != signature:
                continue
            if algorithm != named:
                yield f"its signature is {algorithm}, whatever its header says"
            if words:
                yield f"its signature fits if {words}"
            return
    yield "its signature was made with another secret, or its content was changed after it"


def _verifies(algorithm: str, pem: str, content: str, signature: bytes) -> bool:
    try:
        kind = get_default_algorithms()[algorithm]
        key = kind.prepare_key(pem)
        public = key.public_key() if hasattr(key, "public_key") else key
        return bool(kind.verify(content.encode(), public, signature))
    except (KeyError, TypeError, ValueError, AttributeError, InvalidKeyError):
        return False


def _times(claims: dict[str, Any], now: float) -> Iterator[str]:
    for name in _TIMES:
        moment = claims.get(name)
        if moment is None:
            continue
        if not isinstance(moment, int | float) or isinstance(moment, bool):
            yield f"{name} is not a number; it has to be seconds since 1970"
        elif moment > _MILLISECONDS:
            yield f"{name} is in milliseconds; it has to be seconds since 1970"
        elif name == "exp" and moment <= now:
            yield f"it expired {_span(now - moment)} ago"
        elif name != "exp" and moment > now + _CLOCK_SECONDS:
            what = "was issued" if name == "iat" else "is valid only"
            ahead = "the clock of the machine that made it is ahead, or this one's is behind"
            yield f"it {what} {_span(moment - now)} from now ({name}): {ahead}"


def _other_claims(scheme: Jwt, theirs: dict[str, Any], clock: Clock) -> Iterator[str]:
    ours = scheme.claims_at(clock)
    hidden = [one.reveal() for one in variable_scope(scheme.variables).values() if isinstance(one, Secret)]
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name not in theirs:
            yield f"the claim {name} is missing"
        elif name not in ours:
            yield f"it has a claim {name}, which authproxy's has not"
        elif name not in _TIMES and ours[name] != theirs[name]:
            pair = [_shown(claims[name], hidden) for claims in (theirs, ours)]
            yield f"the claim {name} is {pair[0]}, and {pair[1]} in authproxy's"


def _shown(claim: Any, hidden: list[str]) -> str:
    text = json.dumps(claim)
    return "a secret" if any(secret in text for secret in hidden) else text


def _other_header(scheme: Jwt, header: dict[str, Any]) -> Iterator[str]:
    if header.get("kid") != scheme.key_id:
        yield f"its kid is {json.dumps(header.get('kid'))}, and {json.dumps(scheme.key_id)} in authproxy's"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
