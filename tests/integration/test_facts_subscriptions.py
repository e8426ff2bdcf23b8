"""GraphQL subscriptions through the whole proxy, at a server that takes the token from `connection_init` alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from proxy.sandbox.defactor import Defactor
from tests.vendors import behind, until

PROTOCOLS = {"graphql-transport-ws": ("subscribe", "next"), "graphql-ws": ("start", "data")}


async def subscribed(url: str, protocol: str, payload: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What a client hears that subscribes to one field."""
    begin, _ = PROTOCOLS[protocol]
    async with connect(url.replace("http:", "ws:"), subprotocols=[Subprotocol(protocol)], proxy=None) as client:
        assert client.subprotocol == protocol
        init = {"type": "connection_init"} | ({} if payload is None else {"payload": payload})
        await client.send(json.dumps(init))
        heard = [json.loads(await client.recv())]
        await client.send(json.dumps({"type": begin, "id": "1", "payload": {"query": "subscription { accounts }"}}))
        return [*heard, *[json.loads(await client.recv()) for _ in range(2)]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "payload", [None, {}, {"headers": {"authorization": "Bearer mine", "X-Hasura-Role": "admin", "x-hasura-admin-secret": "x"}}]
)  # fmt: skip
async def test_a_subscription_is_the_accounts_whatever_the_caller_says(
    protocol: str, payload: dict[str, Any] | None
) -> None:
    vendor = Defactor()
    async with behind(vendor) as proxy:
        heard = await subscribed(f"{proxy.url}/engage/v1/graphql", protocol, payload)
        await until(lambda: any(line.get("status") == 101 for line in proxy.log_lines))
    ack, data, end = heard
    assert (ack["type"], data["type"], end["type"]) == ("connection_ack", PROTOCOLS[protocol][1], "complete")
    told = data["payload"]["data"]["accounts"]
    assert (told["role"], told["session"]["x-hasura-user-id"]) == ("user", vendor.credentials["address"])
    assert vendor.logins == 1


@pytest.mark.parametrize("payload", [None, {}, {"headers": {}}, {"headers": {"Authorization": "Bearer wrong"}}])
async def test_without_the_proxy_the_server_refuses(payload: dict[str, Any] | None) -> None:
    async with Defactor() as vendor:
        with pytest.raises(ConnectionClosed) as caught:
            await subscribed(f"{vendor.url}/v1/graphql", "graphql-transport-ws", payload)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 4403


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_after_a_token_died_the_second_subscription_goes_with_a_fresh_one(protocol: str) -> None:
    """The first one's failure is the client's to see, who connects again; nothing can be said in its name."""
    vendor = Defactor()
    async with behind(vendor) as proxy:
        url = f"{proxy.url}/engage/v1/graphql"
        await subscribed(url, protocol, None)
        vendor.revoke_tokens()
        with pytest.raises(ConnectionClosed):
            await subscribed(url, protocol, None)
        ack, *_ = await subscribed(url, protocol, None)
    assert ack["type"] == "connection_ack"
    assert (vendor.logins, vendor.restores) == (1, 1)
