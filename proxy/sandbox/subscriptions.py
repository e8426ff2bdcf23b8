"""GraphQL over WebSocket, as strict as its protocols are: nothing before `connection_init`, and nothing for a guest.

Source: the protocol of graphql-transport-ws (enisdenjo/graphql-ws, PROTOCOL.md) and the older graphql-ws of Apollo's
subscriptions-transport-ws. The token is looked for in the payload's `headers` and nowhere else, as Hasura does it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from proxy.sandbox.graphql import NotGraphql, Operation, read_operations
from proxy.sandbox.hasura import Caller, HasuraError
from proxy.sandbox.wire import Answer, Received

NEW, OLD = "graphql-transport-ws", "graphql-ws"
_WORDS = {NEW: ("subscribe", "next", "complete"), OLD: ("start", "data", "stop")}
_SECONDS_TO_BEGIN = 3.0
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _TOO_LATE, _TOO_MANY = 4400, 4401, 4403, 4408, 4429


class Talk(Protocol):
    """The server's end of one WebSocket."""

    async def receive_str(self) -> str: ...

    async def send_str(self, text: str) -> None: ...

    async def close(self, *, code: int, message: bytes = b"") -> object: ...


@dataclass(frozen=True)
class Closed(Exception):
    """The server ends the connection, with the protocol's own code."""

    code: int
    reason: str


@dataclass
class Subscriptions:
    """One connection; `identify` judges the headers of `connection_init`, `handshake` gets the verdict."""

    protocol: str
    identify: Callable[[Received], Caller]
    handshake: Received

    @property
    def answer(self) -> Answer:
        return Answer(101, converse=self.converse, protocol=self.protocol)

    async def converse(self, talk: Talk) -> None:
        try:
            caller = await self._begun(talk)
            self.handshake.verdict = "ok"
            await self._say(talk, "connection_ack")
            while True:
                await self._answer(talk, _message(await talk.receive_str()), caller)
        except Closed as closed:
            self.handshake.verdict = closed.reason
            await talk.close(code=closed.code, message=closed.reason.encode())
        except TypeError:
            pass  # The other end has closed: aiohttp's word for "no text".

    async def _begun(self, talk: Talk) -> Caller:
        try:
            message = _message(await asyncio.wait_for(talk.receive_str(), _SECONDS_TO_BEGIN))
        except TimeoutError:
            raise Closed(_TOO_LATE, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Closed(_UNAUTHORIZED, "Unauthorized")
        match message.get("payload"):
            case {"headers": {**headers}} if all(isinstance(value, str) for value in headers.values()):
                fields = tuple((str(name).encode(), str(value).encode()) for name, value in headers.items())
            case _:
                raise Closed(_FORBIDDEN, "no headers in the payload")
        try:
            caller = self.identify(Received("GET", b"/", fields))
        except HasuraError as error:
            raise Closed(_FORBIDDEN, error.reason) from error
        if caller.role == "guest":
            raise Closed(_FORBIDDEN, "a guest at a subscription")
        return caller

    async def _answer(self, talk: Talk, message: dict[str, Any], caller: Caller) -> None:
        begin, data, end = _WORDS[self.protocol]
        match message:
            case {"type": "ping"}:
                await self._say(talk, "pong")
            case {"type": "connection_init"}:
                raise Closed(_TOO_MANY, "Too many initialisation requests")
            case {"type": kind, "id": str(number), "payload": {"query": str(query)}} if kind == begin:
                told = {key: {"role": caller.role, "session": caller.session} for key, _ in _subscription(query).fields}
                await self._say(talk, data, id=number, payload={"data": told})
                await self._say(talk, "complete", id=number)
            case {"type": kind} if kind in (end, "pong", "connection_terminate"):
                pass
            case _:
                raise Closed(_BAD_REQUEST, "Invalid message")

    async def _say(self, talk: Talk, kind: str, **more: object) -> None:
        await talk.send_str(json.dumps({"type": kind, **more}))


def chosen_protocol(received: Received) -> str | None:
    """The first of the offered subprotocols that is known; the older one where none is named; None for no WebSocket."""
    if [value.lower() for value in received.values("Upgrade")] != [b"websocket"]:
        return None
    offers = b",".join(received.values("Sec-WebSocket-Protocol")).decode("latin-1")
    offered = [name.strip() for name in offers.split(",")]
    return next((name for name in offered if name in _WORDS), OLD)


def _message(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        raise Closed(_BAD_REQUEST, "Invalid message") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise Closed(_BAD_REQUEST, "Invalid message")
    return message


def _subscription(query: str) -> Operation:
    try:
        (operation,) = read_operations(query)
    except (NotGraphql, ValueError):
        raise Closed(_BAD_REQUEST, "not one valid operation") from None
    if operation.kind != "subscription":
        raise Closed(_BAD_REQUEST, "not a subscription")
    return operation
