"""A login endpoint on loopback that a test scripts, a client that reaches it, and a provider to bind schemes to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

from proxy.errors import UpstreamDisconnected, UpstreamUnreachable
from proxy.schemes.base import ProviderContext
from proxy.secret import Secret
from proxy.template import SecretText, Template
from proxy.tokens.cache import TokenCache
from proxy.tokens.login import LoginAnswer, LoginCall
from proxy.tokens.token import TokenPolicy
from proxy.vendor_clock import VendorClock
from tests.clock import FakeClock


class SteadyRandom(Random):
    """Always the same number: jitter that a test can foresee."""

    def __init__(self, number: float = 0.0) -> None:
        super().__init__()
        self.number = number

    def random(self) -> float:
        return self.number


@dataclass
class Received:
    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """`is_lost`: the connection is closed without a word."""

    status: int = 200
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    is_lost: bool = False


def grant(token: str, **members: object) -> Answer:
    return Answer(body=json.dumps({"access_token": token, **members}).encode())


LOST = Answer(is_lost=True)


@dataclass
class LoginEndpoint:
    """Answers in turn, the last one for ever; keeps what it received."""

    answers: list[Answer | Callable[[Received], Answer]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
        received = Received(method, target, fields, b"")
        received.body = await reader.readexactly(int(received.header("content-length") or 0))
        self.received.append(received)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(received) if callable(answer) else answer
        if not answer.is_lost:
            lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in answer.fields), "", ""]
            writer.write("\r\n".join(lines).encode("latin-1") + answer.body)
        writer.close()


@asynccontextmanager
async def login_endpoint(*answers: Answer | Callable[[Received], Answer]) -> AsyncIterator[LoginEndpoint]:
    endpoint = LoginEndpoint(list(answers))
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()


class PlainLoginClient:
    """One connection a call, and the bytes as they are."""

    async def send(self, call: LoginCall) -> LoginAnswer:
        parts = urlsplit(call.url)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            raise UpstreamUnreachable from None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{call.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in call.headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + call.body)
        raw = await reader.read()
        writer.close()
        if not raw:
            raise UpstreamDisconnected
        head, _, body = raw.partition(b"\r\n\r\n")
        status, *fields = head.split(b"\r\n")
        pairs = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in fields))
        return LoginAnswer(int(status.split(b" ")[1]), pairs, body)


def provider_context(
    base_url: str = "https://api.example.com",
    *,
    name: str = "acme",
    clock: FakeClock | None = None,
    tokens: TokenCache | None = None,
    policy: TokenPolicy | None = None,
) -> ProviderContext:
    clock = clock or FakeClock()
    tokens = tokens or TokenCache(clock, random=SteadyRandom())
    return ProviderContext(name, base_url, VendorClock(clock), tokens, policy or TokenPolicy(), PlainLoginClient())


class Sources:
    """Stands in for the configuration: `${NAME}` is an environment variable of these."""

    def __init__(self, **environ: str) -> None:
        self.environ = environ

    def secret(self, value: Any) -> Secret:
        if isinstance(value, str) and value.startswith("${"):
            return Secret(self.environ[value[2:-1]], f"env:{value[2:-1]}")
        if isinstance(value, dict) and value.keys() == {"value"}:
            return Secret(value["value"])
        raise ValueError("write {env: NAME}")

    def template(self, value: Any) -> Template:
        if isinstance(value, dict) or (isinstance(value, str) and value.startswith("${")):
            return Template((self.secret(value),))
        return Template.parse(value)

    def secret_text(self, value: Any) -> SecretText:
        return SecretText(self.template(value).parts)

    def json_template(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.template(value)
        if isinstance(value, dict):
            return {key: self.json_template(item) for key, item in value.items()}
        return [self.json_template(item) for item in value] if isinstance(value, list) else value


def templates(**texts: str) -> dict[str, Template]:
    return {name.replace("_", "-"): Template.parse(text) for name, text in texts.items()}


def pairs(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    return dict(items)
