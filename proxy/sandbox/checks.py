"""Checks that more than one emulator makes: a field exactly once, a bearer token, a login that is bare, a JSON body."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from proxy.sandbox.wire import Received, Refused

DEEPEST = 200


def same_text(given: str, right: str) -> bool:
    """Are they equal? In constant time, for any text."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def only_value(received: Received, name: str, status: int) -> str:
    """The value of a field that must come exactly once; refuses with `status` otherwise."""
    values = received.values(name)
    if not values:
        raise Refused(status, f"no {name}")
    if len(values) > 1:
        raise Refused(status, f"{len(values)} {name} fields", breach=True)
    return values[0].decode("latin-1")


def bearer_token(received: Received) -> str:
    """The token of exactly one `Authorization: Bearer <token>` (RFC 6750 §2.1); refuses with 401 otherwise."""
    value = only_value(received, "Authorization", 401)
    match = re.fullmatch(r"Bearer ([A-Za-z0-9\-._~+/]+=*)", value)
    if match is None:
        raise Refused(401, "Authorization is not `Bearer`, one space and a token")
    if match[1] in ("undefined", "null", "None"):
        raise Refused(401, f"the token is the word {match[1]}")
    return match[1]


def no_credentials(received: Received, *names: str, status: int = 400) -> None:
    """Refuses a login request that carries a credential of its own."""
    for name in ("Authorization", "Proxy-Authorization", "Cookie", *names):
        if received.values(name):
            raise Refused(status, f"{name} on a login request", breach=True)


def json_object(received: Received, members: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The body as a JSON object, without duplicate members; with `members`, exactly these, of these types.

    Refuses with 400 anything else, a Content-Type other than application/json included.
    """
    content_type = only_value(received, "Content-Type", 400)
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(400, "Content-Type is not application/json")
    try:
        value = json.loads(shallow(received.body.decode("utf-8")), object_pairs_hook=without_duplicates)
    except ValueError as error:
        raise Refused(400, "the body is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise Refused(400, "the body is not a JSON object")
    if members is not None and set(value) != set(members):
        raise Refused(400, f"the body's members are not exactly {', '.join(members)}")
    if members is not None and any(type(value[name]) is not kind for name, kind in members.items()):
        raise Refused(400, "a member of the body has the wrong type")
    return value


def shallow(text: str) -> str:
    """The JSON itself; raises ValueError if it nests deeper than parsers are sure to bear.

    Python's parser recurses in C, and a package below eth-account raises the limit that would stop it in time.
    """
    depth = 0
    if text.count("[") + text.count("{") > DEEPEST:
        for bracket in re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]++|\\.)*+"', "", text, flags=re.DOTALL)):
            depth += 1 if bracket in "[{" else -1
            if depth > DEEPEST:
                raise ValueError("nested too deeply")
    return text


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members
