"""A login request as the configuration describes it: templates over the credential's parts."""

from __future__ import annotations

import json as json_text
import re
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from pydantic import ConfigDict

from proxy import __version__
from proxy.clock import Clock
from proxy.target import add_parameters, canonical
from proxy.template import JsonTemplate, Scope, Template, Value
from proxy.tokens.failure import LoginRefused
from proxy.tokens.login import LoginCall

LOGIN_PLACES = frozenset({"timestamp", "timestamp_ms", "nonce", "uuid"})

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_METHOD = re.compile(r"[A-Z]+")


@dataclass(kw_only=True, eq=False)
class LoginRequest:
    """`path` is appended to the provider's base URL; `url` is absolute instead. `json` or `form`, or no body."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    method: str = "POST"
    path: str | None = None
    url: str | None = None
    headers: dict[str, Template] = field(default_factory=dict)
    query: dict[str, Template] = field(default_factory=dict)
    json: JsonTemplate | None = None
    form: dict[str, Template] | None = None

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise ValueError("method: expected a method such as POST")
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        if self.json is not None and self.form is not None:
            raise ValueError("give either json or form")
        if self.path is not None and not (self.path.startswith("/") and _is_plain(self.path)):
            raise ValueError("path: expected a path such as /v1/token, percent-encoded")
        if self.url is not None:
            require_login_url("url", self.url)

    @property
    def names(self) -> frozenset[str]:
        """Which places are to be filled in."""
        templates = [*self.headers.values(), *self.query.values(), *(self.form or {}).values()]
        found = frozenset(name for template in templates for name in template.names)
        return found | self.json.names if self.json is not None else found

    def call(self, base_url: str, scope: Scope) -> LoginCall:
        """The request with every place filled in. Raises LoginRefused if a secret would break a header field."""
        target = self.url or base_url + (self.path or "")
        body, media_type = self._body(scope)
        return LoginCall(
            method=self.method,
            url=add_parameters(target, [(name, template.render(scope)) for name, template in self.query.items()]),
            headers=login_headers(
                [(name, template.render(scope)) for name, template in self.headers.items()],
                body,
                media_type,
                sends_length=self.method not in {"GET", "HEAD"} or bool(body),
            ),
            body=body,
        )

    def identity(self, base_url: str, variables: Scope) -> str:
        """What tells this login from another one, secrets included, with what changes each time left open."""
        scope = {name: f"{{{{{name}}}}}" for name in self.names} | dict(variables)
        parts = {
            where: [(name, template.render(scope)) for name, template in (templates or {}).items()]
            for where, templates in (("headers", self.headers), ("query", self.query), ("form", self.form))
        }
        body = None if self.json is None else self.json.render(scope)
        return json_text.dumps([self.method, self.url or base_url + (self.path or ""), parts, body])

    def shown(self, variables: Scope) -> str:
        """The body with every secret masked, and `<name>` for what is another each time: for `explain`."""
        scope = {name: f"<{name}>" for name in self.names} | dict(variables)
        if self.json is not None:
            return json_text.dumps(self.json.masked(scope), ensure_ascii=False)
        return "&".join(f"{name}={value.masked(scope)}" for name, value in (self.form or {}).items())

    def _body(self, scope: Scope) -> tuple[bytes, str | None]:
        if self.json is not None:
            return json_text.dumps(self.json.render(scope), separators=(",", ":")).encode(), "application/json"
        if self.form is not None:
            return form_body([(name, value.render(scope)) for name, value in self.form.items()])
        return b"", None


def form_body(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    """The fields as a form, and its media type."""
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


def login_headers(
    own: list[tuple[str, str]], body: bytes, media_type: str | None, *, sends_length: bool = True
) -> tuple[tuple[str, str], ...]:
    """The header of a login request; `own` fields replace the usual ones. Raises LoginRefused for a broken value."""
    usual = [("Accept", "application/json"), ("User-Agent", f"authproxy/{__version__}")]
    if media_type is not None:
        usual.append(("Content-Type", media_type))
    if any(_CONTROL.search(value) for _, value in own):
        raise LoginRefused("a configured header value cannot be sent")
    replaced = {canonical(name) for name, _ in own}
    fields = [field for field in usual if canonical(field[0]) not in replaced] + own
    if sends_length:
        fields.append(("Content-Length", str(len(body))))
    return tuple(fields)


def login_scope(clock: Clock) -> dict[str, Value]:
    """What LOGIN_PLACES stand for in this one request."""
    wall = clock.wall()
    return {
        "timestamp": str(int(wall)),
        "timestamp_ms": str(round(wall * 1000)),
        "nonce": uuid4().hex,
        "uuid": str(uuid4()),
    }


def require_login_url(where: str, url: str) -> None:
    """Raise ValueError unless it is an absolute https URL, or http to this machine."""
    problem = f"{where}: expected an absolute https URL, without user, query or fragment"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018  (reading it raises for a number that is no port)
    except ValueError:
        raise ValueError(problem) from None
    if not host or "@" in parts.netloc or not _is_plain(url):
        raise ValueError(problem)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{where}: a secret travels only by https, or by http to this machine")


def _is_plain(text: str) -> bool:
    return _VISIBLE.fullmatch(text) is not None and not set("#\\") & set(text)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
