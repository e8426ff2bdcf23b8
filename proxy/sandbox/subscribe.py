"""A client for GraphQL subscriptions, for the demo: `python -m proxy.sandbox.subscribe ws://... [-H 'Name: value']`.

It says nothing of a credential, asks for one field, and prints every message it hears.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Mapping

from aiohttp import ClientSession, ClientTimeout, WSMsgType, WSServerHandshakeError

from proxy.sandbox.subscriptions import NEW

_QUERY = "subscription { accounts }"
_SECONDS = 10.0


async def subscribe(url: str, fields: Mapping[str, str], say: Callable[[str], object]) -> int:
    """Say what is heard until the subscription is complete; 0 then, 1 if the server ends it before."""
    async with ClientSession(timeout=ClientTimeout(_SECONDS)) as session:
        try:
            talk = await session.ws_connect(url, protocols=[NEW], headers=fields)
        except WSServerHandshakeError as error:
            say(f"no WebSocket: {error.status}")
            return 1
        async with talk:
            await talk.send_json({"type": "connection_init"})
            async with asyncio.timeout(_SECONDS):
                while (message := await talk.receive()).type is WSMsgType.TEXT:
                    say(message.data)
                    match json.loads(message.data):
                        case {"type": "connection_ack"}:
                            await talk.send_json({"type": "subscribe", "id": "1", "payload": {"query": _QUERY}})
                        case {"type": "complete"}:
                            return 0
        say(f"closed with {talk.close_code}: {message.extra or ''}")
        return 1


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m proxy.sandbox.subscribe")
    parser.add_argument("url")
    parser.add_argument("-H", dest="fields", action="append", default=[], metavar="'Name: value'")
    asked = parser.parse_args()
    fields = {name: value.strip() for name, _, value in (field.partition(":") for field in asked.fields)}
    return asyncio.run(subscribe(asked.url, fields, print))


if __name__ == "__main__":
    raise SystemExit(main())
