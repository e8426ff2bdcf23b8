"""An emulated vendor behind the whole proxy, and what a test needs to look at both sides of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from proxy.clock import Clock
from proxy.sandbox import Emulator
from tests.canaries import leaks
from tests.proxied import Proxied, proxied
from tests.sandbox_caller import Fields, Reply, call

JSON = ("Content-Type", "application/json")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def canary(label: str) -> str:
    """A secret of which no eight characters are like any other text; always the same for the same label."""
    return "k" + sha256(label.encode()).hexdigest()[:39]


@asynccontextmanager
async def behind(
    vendor: Emulator,
    entry: Mapping[str, Any] | None = None,
    *,
    routes: Mapping[str, Any] | None = None,
    more_providers: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    echoed: tuple[str, ...] = ("address",),
) -> AsyncIterator[Proxied]:
    """The vendor as provider `vendor`, on its usual route unless `routes` says otherwise.

    `entry` is laid over the emulator's own provider entry; None leaves a key out. `more_providers` are further entries,
    in which `$url` is the vendor's. `echoed` are the credentials that the vendor itself shows. At the end nothing may have reached the vendor that must not, and neither its
    secrets nor what was sent to it as a credential may have shown.
    """
    async with vendor:
        whole = {**vendor.provider_config(), **(entry or {})}
        providers = {"vendor": {key: value for key, value in whole.items() if value is not None}}
        for name, more in (more_providers or {}).items():
            providers[name] = {key: vendor.url if value == "$url" else value for key, value in more.items()}
        secrets = tuple(value for name, value in vendor.credentials.items() if name not in echoed)
        async with proxied(
            providers,
            routes or {f"/{vendor.route}": "vendor"},
            secrets=secrets,
            shown=tuple(vendor.credentials[name] for name in echoed if name in vendor.credentials),
            environ=environ,
            clock=clock,
        ) as proxy:
            yield proxy
    assert vendor.breaches == []
    output = b"\n".join([proxy.log.getvalue().encode(), *proxy.seen])
    # Where there are thousands, what holds for some of them holds for all.
    assert not leaks(sorted(sent_credentials(vendor))[:50], output), "what was sent as a credential showed"


def sent_credentials(vendor: Emulator) -> set[str]:
    """Tokens, signatures and refresh tokens that reached the vendor."""
    found = set()
    for received in vendor.requests:
        for name in ("Authorization", "X-Api-Signature", "X-Session"):
            found |= {value.decode("latin-1").rpartition(" ")[2] for value in received.values(name)}
        if received.where == "login":
            found |= {match.decode() for match in _UUID.findall(received.body)}
    return {text for text in found if len(text) >= 16}


async def ask(proxy: Proxied, method: str, target: str, fields: Fields | None = None, body: bytes = b"") -> Reply:
    """One request over a raw socket, byte for byte as written; the answer is searched for secrets, too."""
    reply = await call(proxy.url, method, target, fields, body)
    proxy.seen += [repr(reply.fields).encode(), reply.body]
    return reply


async def post(proxy: Proxied, target: str, value: object, fields: Fields | None = None) -> Reply:
    return await ask(proxy, "POST", target, [JSON, *(fields or [])], json.dumps(value).encode())


async def until(holds: Callable[[], object]) -> None:
    """Let the event loop turn until this is so; fails after some seconds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def problem(reply: Reply) -> dict[str, Any]:
    """An answer of the proxy's own, checked for what all of them have in common."""
    assert reply.fields["content-type"] == "application/problem+json"
    assert reply.fields["proxy-status"].startswith("authproxy; error=")
    assert reply.fields["cache-control"] == "no-store"
    fields: dict[str, Any] = reply.json
    assert reply.fields["x-authproxy-error"] == fields["code"]
    assert fields["status"] == reply.status
    return fields


def is_the_vendors(reply: Reply) -> bool:
    """Whether the answer bears no mark of the proxy's own."""
    return "proxy-status" not in reply.fields and "x-authproxy-error" not in reply.fields
