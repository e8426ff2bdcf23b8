"""A credential that does not change: in headers, in the query, or as HTTP Basic authentication."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from proxy.schemes.base import AtHand, AuthScheme, Injection, OutboundRequest, masked, rendered, rendered_fields
from proxy.schemes.requirements import require_known_places
from proxy.secret import MASK, Secret
from proxy.target import canonical
from proxy.template import SecretText, Template


@dataclass(kw_only=True, eq=False)
class BasicCredential:
    """RFC 7617, in UTF-8. Without a `password` it is empty, and the `username` is the secret."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    username: Template
    password: Secret | None = None

    def __post_init__(self) -> None:
        if any(isinstance(part, str) and ":" in part for part in self.username.parts):
            raise ValueError("username: a colon would end it")


@dataclass(kw_only=True, eq=False)
class Static(AuthScheme):
    """`headers`, `query` and `basic`, any of them. Every text must hold a secret; a plain one belongs on the route."""

    headers: Mapping[str, SecretText] = field(default_factory=dict)
    query: Mapping[str, SecretText] = field(default_factory=dict)
    basic: BasicCredential | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.headers or self.query or self.basic):
            raise ValueError("give at least one of headers, query and basic")
        if self.basic is not None and "authorization" in super().injected_headers:
            raise ValueError("headers.Authorization: basic sets this header already")
        if self.basic is not None:
            require_known_places("basic.username", self.basic.username.names, self.variables.keys())
            if self.basic.password is None and not self._holds_secret(self.basic.username):
                raise ValueError("basic.password: is required, unless the username is a secret")
        for where, texts in (("headers", self.headers), ("query", self.query)):
            for name, text in texts.items():
                if not self._holds_secret(text):
                    raise ValueError(f"{where}.{name}: holds no secret; write {{env: NAME}}, or ${{NAME}} in the text")

        self._made: Injection | None = None

    @property
    def judged_statuses(self) -> frozenset[int] | None:
        return frozenset()

    def prepare(self, request: OutboundRequest) -> AtHand:
        return self._at_hand

    async def authorize(self, request: OutboundRequest) -> Injection:
        return self._at_hand()

    def _at_hand(self, body: bytes | None = None) -> Injection:
        if self._made is not None:
            return self._made
        made = self._injection()
        if not self._may_change:
            self._made = made
        return made

    def _injection(self) -> Injection:
        headers = rendered_fields(self.headers, self._scope)
        if self.basic is not None:
            user = self.basic.username.render(self._scope)
            password = self.basic.password.reveal() if self.basic.password is not None else ""
            pair = f"{user}:{password}".encode()
            headers += (("Authorization", f"Basic {b64encode(pair).decode()}"),)
        return Injection(headers, rendered(self.query, self._scope), use="static")

    async def preview(self, request: OutboundRequest) -> Injection:
        return self.outline()

    def outline(self) -> Injection:
        headers = masked(self.headers, self._scope)
        if self.basic is not None:
            headers += (("Authorization", f"Basic {MASK}"),)
        return Injection(headers, masked(self.query, self._scope), use="static")

    @property
    def injected_headers(self) -> frozenset[str]:
        own = super().injected_headers
        return own if self.basic is None else own | {canonical("Authorization")}

    @property
    def _may_change(self) -> bool:
        basic = self.basic
        if basic is not None and (basic.username.may_change or (basic.password and basic.password.may_change)):
            return True
        return super()._may_change

    def _holds_secret(self, text: Template) -> bool:
        return any(
            isinstance(part, Secret) or isinstance(self._scope.get(str(part)), Secret)
            for part in text.parts
            if isinstance(part, Secret) or part in text.names
        )
