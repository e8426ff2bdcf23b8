"""One45: a JSON login that gives an opaque token; a new one kills the one before it.

Sources: the vendor's API portal (lifetime, "or until a new access_token is generated") and its JavaScript SDK (paths,
names). The vendor's four hours are `token_lifetime` here. The body of a 401 is not published.
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from proxy.sandbox.checks import bearer_token, json_object, no_credentials, same_text
from proxy.sandbox.emulator import Emulator, TryIt
from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.playground import play
from proxy.sandbox.wire import Answer, Received, Refused, json_answer

TOKEN_PATH = b"/public/api/v1/token/"
PUBLIC_PATHS = (b"/public/api/v1/application", b"/public/api/v1/institution")
MESSAGES = {400: "bad request", 401: "not authorized", 404: "not found", 405: "method not allowed"}


class One45(Emulator):
    """`takeovers` counts the tokens that were still live when another login killed them."""

    name = "one45"
    route = "one45"
    try_it: ClassVar[TryIt] = ("GET", "/api/v1/evaluations?limit=2", {"Accept": "application/json"}, b"")

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.tokens = AccessTokens(self.clock, self.token_lifetime)
        self.takeovers = 0
        self.refreshes = 0
        self._current = ""
        self._refresh_token = ""

    @staticmethod
    def generate_credentials() -> dict[str, str]:
        return {"client_key": secrets.token_hex(16), "client_secret": secrets.token_hex(32)}

    def provider_config(self) -> dict[str, Any]:
        keys = {name: {"value": self.credentials[name]} for name in ("client_key", "client_secret")}
        lifetime = f"{self.token_lifetime:g}s"
        return {"preset": "one45", "base_url": self.url, "token_lifetime": lifetime, **keys}

    def revoke_tokens(self) -> None:
        self.tokens.revoke_all()

    def is_login(self, received: Received) -> bool:
        return received.path in (TOKEN_PATH + b"generate", TOKEN_PATH + b"refresh")

    def answer(self, received: Received) -> Answer:
        if received.path.startswith(TOKEN_PATH):
            return self._token_call(received)
        if received.path in PUBLIC_PATHS and received.method == "GET":
            return json_answer({"name": "Sandbox School of Medicine"})
        if not received.path.startswith(b"/api/v1/"):
            raise Refused(404, "no such path")
        if received.parameters("client_secret") or received.parameters("access_token"):
            raise Refused(400, "a credential in the query", breach=True)
        if (state := self.tokens.state(bearer_token(received))) != "live":
            raise Refused(401, f"the token is {state}")
        return play(received, received.path.removeprefix(b"/api/v1/"), lambda told: told)

    def refusal(self, refused: Refused) -> Answer:
        return json_answer({"error": MESSAGES[refused.status]}, refused.status)

    def _token_call(self, received: Received) -> Answer:
        call = received.path.removeprefix(TOKEN_PATH)
        if call not in (b"generate", b"refresh", b"invalidate"):
            raise Refused(404, "no such path")
        if received.method != ("DELETE" if call == b"invalidate" else "POST"):
            raise Refused(405, "the wrong method for a token call")
        no_credentials(received)
        if b"?" in received.target:
            raise Refused(400, "a query on a token call", breach=True)
        if call == b"generate":
            return self._generate(received)
        return self._refresh(received) if call == b"refresh" else self._invalidate(received)

    def _generate(self, received: Received) -> Answer:
        given = json_object(received, {"client_key": str, "client_secret": str})
        right = (
            same_text(given["client_key"], self.credentials["client_key"]),
            same_text(given["client_secret"], self.credentials["client_secret"]),
        )
        if not all(right):
            raise Refused(401, "wrong client key or secret")
        self.logins += 1
        return self._grant()

    def _refresh(self, received: Received) -> Answer:
        given = json_object(received, {"refresh_token": str})["refresh_token"]
        if not self._refresh_token or not same_text(given, self._refresh_token):
            raise Refused(401, "not the refresh token of the last grant")
        self.refreshes += 1
        return self._grant()

    def _invalidate(self, received: Received) -> Answer:
        token = json_object(received, {"access_token": str})["access_token"]
        if self.tokens.state(token) != "live":
            raise Refused(401, "no live token to invalidate")
        self.tokens.revoke(token)
        return json_answer({"success": True})

    def _grant(self) -> Answer:
        if self.tokens.state(self._current) == "live":
            self.takeovers += 1
        self.tokens.revoke(self._current)
        self._current = self.tokens.issue_opaque()
        self._refresh_token = secrets.token_urlsafe(32)
        return json_answer({"access_token": self._current, "refresh_token": self._refresh_token})
