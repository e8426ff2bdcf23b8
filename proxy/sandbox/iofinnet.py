"""io.finnet: a JSON login that gives a JWT for REST and GraphQL alike.

Source: the vendor's "Securing your integrations" page; the second login path is that of its newer pages. The lifetime
is not published. Errors are HTTP statuses with {"message": ...}, on /graphql too.
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from proxy.sandbox.checks import bearer_token, json_object, no_credentials, same_text
from proxy.sandbox.emulator import Emulator, TryIt
from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.playground import echo, play
from proxy.sandbox.wire import Answer, Received, Refused, json_answer

LOGIN_PATHS = (b"/auth/v1/accessToken", b"/v1/auth/accessToken")
MESSAGES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


class Iofinnet(Emulator):
    """`sends_expires_in` False leaves the JWT's exp as the only word on the lifetime."""

    name = "iofinnet"
    route = "io"
    try_it: ClassVar[TryIt] = ("GET", "/v1/accounts", {"Accept": "application/json"}, b"")

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.sends_expires_in = True
        self.tokens = AccessTokens(self.clock, self.token_lifetime)

    @staticmethod
    def generate_credentials() -> dict[str, str]:
        # The vendor's own sample of a secret holds `&` and `_`: what must survive YAML, JSON and the environment.
        secret = f"{secrets.token_urlsafe(18)}&$_{secrets.token_urlsafe(12)}"
        return {"client_id": secrets.token_hex(13), "client_secret": secret}

    def provider_config(self) -> dict[str, Any]:
        keys = {name: {"value": self.credentials[name]} for name in ("client_id", "client_secret")}
        return {"preset": "iofinnet", "base_url": self.url, **keys}

    def revoke_tokens(self) -> None:
        self.tokens.revoke_all()

    def is_login(self, received: Received) -> bool:
        return received.path in LOGIN_PATHS

    def answer(self, received: Received) -> Answer:
        if self.is_login(received):
            return self._login(received)
        if not received.path.startswith(b"/v1/") and received.path != b"/graphql":
            raise Refused(404, "no such path")
        if (state := self.tokens.state(bearer_token(received))) != "live":
            raise Refused(401, f"the token is {state}")
        if received.path == b"/graphql":
            return self._graphql(received)
        if received.path == b"/v1/forbidden":
            raise Refused(403, "a valid token without the permission")
        return play(received, received.path.removeprefix(b"/v1/"), lambda told: told)

    def refusal(self, refused: Refused) -> Answer:
        return json_answer({"message": MESSAGES[refused.status]}, refused.status)

    def _login(self, received: Received) -> Answer:
        if received.method != "POST":
            raise Refused(405, "the login is a POST")
        no_credentials(received, "X-Api-Key")
        if b"?" in received.target:
            raise Refused(400, "a query on the login", breach=True)
        given = json_object(received, {"clientId": str, "clientSecret": str})
        right = (
            same_text(given["clientId"], self.credentials["client_id"]),
            same_text(given["clientSecret"], self.credentials["client_secret"]),
        )
        if not all(right):
            raise Refused(401, "wrong client ID or secret")
        self.logins += 1
        grant: dict[str, Any] = {"accessToken": self.tokens.issue_jwt({"sub": self.credentials["client_id"]})}
        if self.sends_expires_in:
            grant["expiresIn"] = int(self.token_lifetime)
        return json_answer({**grant, "type": "Bearer"})

    def _graphql(self, received: Received) -> Answer:
        if received.method != "POST":
            raise Refused(404, "/graphql is a POST")
        if not isinstance(json_object(received).get("query"), str):
            raise Refused(400, "no GraphQL query")
        return echo(received, lambda told: {"data": told})
