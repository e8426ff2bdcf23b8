"""Original: an API key and a JWT that the caller signs itself, both on every call.

Source: the vendor's "API authentication" page and its SDKs (envelope, paths, claims). The status for a bad token is
not published; 401 is this emulator's. The token is taken apart by hand, so that a library's leniency hides nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from proxy.sandbox.checks import bearer_token, json_object, only_value, same_text, without_duplicates
from proxy.sandbox.emulator import Emulator, TryIt
from proxy.sandbox.playground import play
from proxy.sandbox.wire import Answer, Received, Refused, json_answer

KINDS = ("user", "asset", "transfer", "burn", "collection", "reward", "reward/allocate", "reward/claim")
LEAKS = ("api_key", "api_secret")
DEMO_USER = "100000000001"
MESSAGES = {
    400: ("bad_request", "Bad request."),
    401: ("not_authenticated", "Authentication credentials were not provided or are invalid."),
    404: ("not_found", "Not found."),
}


class Original(Emulator):
    """`claims` are required as they stand; `allows_issued_at` lets iat pass, as the vendor itself would."""

    name = "original"
    route = "original"
    try_it: ClassVar[TryIt] = ("GET", f"/v1/user/{DEMO_USER}", {"Accept": "application/json"}, b"")

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.claims: Mapping[str, object] = {"user_id": "*", "resource": "*", "action": "*"}
        self.allows_issued_at = False
        self._things = {
            ("user", DEMO_USER): {"uid": DEMO_USER, "email": "demo@example.com", "user_external_id": "demo"}
        }

    @staticmethod
    def generate_credentials() -> dict[str, str]:
        return {"api_key": secrets.token_hex(12), "api_secret": secrets.token_hex(32)}

    def provider_config(self) -> dict[str, Any]:
        keys = {name: {"value": self.credentials[name]} for name in LEAKS}
        return {"preset": "original", "base_url": self.url, "lifetime": f"{self.token_lifetime:g}s", **keys}

    def revoke_tokens(self) -> None:
        """A new secret: the tokens signed with the old one are dead, and so is the caller, as at the vendor."""
        self.credentials["api_secret"] = secrets.token_hex(32)

    def is_login(self, received: Received) -> bool:
        return False

    def answer(self, received: Received) -> Answer:
        for name in LEAKS:
            if received.parameters(name):
                raise Refused(400, f"{name} in the query", breach=True)
        if not received.path.startswith(b"/v1/"):
            raise Refused(404, "no such path")
        api_key = only_value(received, "X-Api-Key", 401)
        if not same_text(api_key, self.credentials["api_key"]):
            raise Refused(401, "a wrong API key")
        self._check_token(bearer_token(received))
        answer = self._thing(received) or play(received, received.path.removeprefix(b"/v1/"), _envelope)
        reset = int(self.clock.wall()) + 60
        limits = {"x-ratelimit-limit": "500, 500", "x-ratelimit-remaining": "499", "x-ratelimit-reset": f"{reset}.0"}
        return replace(answer, headers={**answer.headers, **limits})

    def refusal(self, refused: Refused) -> Answer:
        code, message = MESSAGES[refused.status]
        error = {"type": "client_error", "detail": {"code": code, "message": message}}
        return json_answer({"success": False, "error": error}, refused.status)

    def _check_token(self, token: str) -> None:
        parts = token.split(".")
        if len(parts) != 3:
            raise Refused(401, "the token has not three parts")
        if _json_part(parts[0]) != {"alg": "HS256", "typ": "JWT"}:
            raise Refused(401, "the token's header is not exactly HS256 and JWT")
        signed = f"{parts[0]}.{parts[1]}".encode()
        right = hmac.new(self.credentials["api_secret"].encode(), signed, hashlib.sha256).digest()
        if not hmac.compare_digest(_decoded(parts[2]), right):
            raise Refused(401, "the token's signature is wrong")
        self._check_claims(_json_part(parts[1]))

    def _check_claims(self, claims: dict[str, Any]) -> None:
        if any(claims.get(name) != value for name, value in self.claims.items()):
            raise Refused(401, "a claim is missing or has another value")
        if "api_key" in claims and claims["api_key"] != self.credentials["api_key"]:
            raise Refused(401, "the token names another API key")
        if "nbf" in claims or ("iat" in claims and not self.allows_issued_at):
            raise Refused(401, "the token has iat or nbf")
        ends = claims.get("exp")
        if "exp" in claims and (isinstance(ends, bool) or not isinstance(ends, int)):
            raise Refused(401, "exp is not a whole number")
        if ends is not None and self.clock.wall() >= ends:
            raise Refused(401, "the token has expired")

    def _thing(self, received: Received) -> Answer | None:
        """Users, assets and the like: what the SDK creates it can get, edit and look up again."""
        path = received.path.removeprefix(b"/v1/").decode("latin-1")
        kind, _, uid = path.rpartition("/")
        if path in KINDS and received.method == "POST":
            new = secrets.token_hex(6)
            self._things[path, new] = {**json_object(received), "uid": new}
            return json_answer(_envelope(self._things[path, new]), 201)
        if path in KINDS and received.method == "GET":
            return json_answer(_envelope(self._found(path, received)))
        if kind not in KINDS or received.method not in ("GET", "PUT") or path == "reward/balance":
            return None
        if (kind, uid) not in self._things:
            raise Refused(404, "no such thing")
        if received.method == "PUT":
            self._things[kind, uid] |= {**json_object(received), "uid": uid}
        return json_answer(_envelope(self._things[kind, uid]))

    def _found(self, kind: str, received: Received) -> object:
        wanted = dict(part.partition("=")[::2] for part in received.query.decode("latin-1").split("&") if part)
        found = [
            thing
            for (its_kind, _), thing in self._things.items()
            if its_kind == kind and all(thing.get(unquote_plus(k)) == unquote_plus(v) for k, v in wanted.items())
        ]
        return (found[0] if found else None) if kind == "user" else found


def _envelope(told: object) -> object:
    return {"success": True, "data": told}


def _decoded(part: str) -> bytes:
    """Base64url without padding, in its one canonical spelling (RFC 7515 §2)."""
    if re.fullmatch(r"[A-Za-z0-9_-]*", part) is None or len(part) % 4 == 1:
        raise Refused(401, "a part of the token is not base64url")
    value = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode() != part:
        raise Refused(401, "a part of the token is not canonical base64url")
    return value


def _json_part(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part).decode("utf-8"), object_pairs_hook=without_duplicates)
    except ValueError as error:
        raise Refused(401, "a part of the token is not JSON") from error
    if not isinstance(value, dict):
        raise Refused(401, "a part of the token is not a JSON object")
    return value
