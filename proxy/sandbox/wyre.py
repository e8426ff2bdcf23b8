"""Wyre: requests signed with HMAC-SHA256 over URL and body, or a long-lived session key as bearer token.

Source: the vendor's "Authentication" page, its error page and its Node client. The window around the timestamp was
never published; a minute is this emulator's. The URL is rebuilt from the request line and the Host that arrived.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from proxy.sandbox.checks import bearer_token, json_object, only_value, same_text
from proxy.sandbox.emulator import Emulator, TryIt
from proxy.sandbox.playground import echo, play
from proxy.sandbox.wire import Answer, Received, Refused, json_answer

REGISTER_PATH = b"/v2/sessions/auth/key"
WINDOW = 60.0
SIGNING_FIELDS = ("X-Api-Key", "X-Api-Signature")
ERRORS = {
    400: ("validation.invalidRequest", "Invalid Request", "ValidationException"),
    401: ("accessDenied.invalidSession", "Invalid Session", "AccessDeniedException"),
    404: ("notFound", "Not Found", "NotFoundException"),
}


class Wyre(Emulator):
    """`refuses_replays` False lets a timestamp and signature pass more than once; `origins` are further
    ones that lead here, as a TLS front would: the URL is judged as the caller signed it.
    """

    name = "wyre"
    route = "wyre"
    try_it: ClassVar[TryIt] = (
        "POST",
        "/v3/transfers?note=caf%C3%A9%2Fbar",
        {"Content-Type": "application/json"},
        b'{"source":"account:AC-DEMO","sourceCurrency":"USD","sourceAmount":5,"dest":"bitcoin:demo"}',
    )

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.refuses_replays = True
        self.origins: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        # API key -> secret; sessions are pairs too, and each secret is a bearer token of its own.
        self._sessions = {self.credentials["session_api_key"]: self.credentials["session_key"]}

    @staticmethod
    def generate_credentials() -> dict[str, str]:
        return {
            "api_key": _key("AK"),
            "secret_key": _key("SK"),
            "session_key": secrets.token_hex(30),
            "session_api_key": _key("AK"),
        }

    def provider_config(self) -> dict[str, Any]:
        keys = {name: {"value": self.credentials[name]} for name in ("api_key", "secret_key")}
        return {"preset": "wyre", "base_url": self.url, **keys}

    def token_provider_config(self) -> dict[str, Any]:
        """The entry for a session key that was registered before this start."""
        return {"preset": "wyre-token", "base_url": self.url, "secret_key": {"value": self.credentials["session_key"]}}

    def revoke_tokens(self) -> None:
        self._sessions.clear()

    def is_login(self, received: Received) -> bool:
        return received.path == REGISTER_PATH

    def answer(self, received: Received) -> Answer:
        if self.is_login(received):
            return self._register(received)
        match = re.match(rb"/v[234]/", received.path)
        if match is None:
            raise Refused(404, "no such path")
        given = {name: received.values(name) for name in ("Authorization", *SIGNING_FIELDS)}
        if given["Authorization"] and (given["X-Api-Key"] or given["X-Api-Signature"]):
            raise Refused(401, "a signature and a bearer token at once", breach=True)
        caller = self._bearer(received) if given["Authorization"] else self._signed(received)
        if received.parameters("secretKey"):
            raise Refused(400, "a secret key in the query of an API call", breach=True)
        if received.parameters("masqueradeAs"):
            return echo(received, _itself, authenticatedAs=caller, masqueradeAs=_masquerade(received))
        return play(received, received.path[match.end() :], _itself)

    def refusal(self, refused: Refused) -> Answer:
        code, message, kind = ERRORS[refused.status]
        problem: dict[str, object] = {
            "language": "en",
            "exceptionId": f"test_{secrets.token_hex(3).upper()}",
            "errorCode": code,
        }
        problem |= {"message": message, "type": kind, "compositeType": "", "subType": "", "transient": False}
        return json_answer(problem, refused.status)

    def _signed(self, received: Received) -> str:
        api_key, signature = (only_value(received, name, 401) for name in SIGNING_FIELDS)
        host = only_value(received, "Host", 400)
        origins = {origin.partition("://")[2]: origin for origin in (self.url, *self.origins)}
        if host not in origins:
            raise Refused(400, "a Host that is not this server's", breach=True)
        timestamp = self._timestamp(received)
        secret = self._secrets().get(api_key)
        if secret is None:
            raise Refused(401, "an unknown API key")
        if re.fullmatch(r"[0-9a-f]{64}", signature) is None:
            raise Refused(401, "the signature is not 64 lowercase hex digits")
        signed = origins[host].encode() + received.target + received.body
        if not same_text(signature, hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()):
            raise Refused(401, "the signature does not fit the URL and body that arrived")
        if self.refuses_replays and (timestamp, signature) in self._seen:
            raise Refused(401, "a timestamp and signature seen before")
        self._seen.add((timestamp, signature))
        return api_key

    def _timestamp(self, received: Received) -> str:
        values = received.parameters("timestamp")
        if len(values) != 1:
            raise Refused(400, f"{len(values)} timestamp parameters", breach=len(values) > 1)
        text = values[0].decode("latin-1")
        if re.fullmatch(r"[1-9][0-9]{0,15}", text) is None:
            raise Refused(400, "the timestamp is not a whole number of milliseconds")
        if abs(int(text) / 1000 - self.clock.wall()) > WINDOW:
            raise Refused(401, "the timestamp is outside the window")
        return text

    def _bearer(self, received: Received) -> str:
        token = bearer_token(received)
        for api_key, secret in self._secrets().items():
            if same_text(token, secret):
                return api_key
        raise Refused(401, "an unknown bearer token")

    def _secrets(self) -> dict[str, str]:
        return {self.credentials["api_key"]: self.credentials["secret_key"], **self._sessions}

    def _register(self, received: Received) -> Answer:
        if received.method != "POST":
            raise Refused(404, "the registration is a POST")
        for name in ("Authorization", "Cookie", *SIGNING_FIELDS):
            if received.values(name):
                raise Refused(400, f"{name} on the registration", breach=True)
        secret = _registered_key(received)
        if len(secret) < 25 or "\n" in secret or "\r" in secret:
            raise Refused(400, "the secret key is shorter than 25 characters, or has a line break")
        known = {registered: api_key for api_key, registered in self._sessions.items()}
        api_key = known.get(secret) or _key("AK")
        self._sessions[api_key] = secret
        self.logins += 1
        return json_answer({"apiKey": api_key, "authenticatedAs": None})


def _registered_key(received: Received) -> str:
    given = received.parameters("secretKey")
    if given and (len(given) > 1 or received.query.count(b"&") or received.body):
        raise Refused(400, "a secretKey beside something else")
    if given:
        return unquote_plus(given[0].decode("latin-1"))
    return str(json_object(received, {"secretKey": str})["secretKey"])


def _masquerade(received: Received) -> str:
    values = [unquote_plus(value.decode("latin-1")) for value in received.parameters("masqueradeAs")]
    if len(values) != 1 or re.fullmatch(r"(account:|user:)?[A-Z]{2}[-_][A-Za-z0-9_-]+", values[0]) is None:
        raise Refused(400, "not exactly one masqueradeAs that names an account")
    return values[0]


def _key(prefix: str) -> str:
    return "-".join([prefix, *(secrets.token_hex(4).upper() for _ in range(4))])


def _itself(told: object) -> object:
    return told
