"""A single small request on a connection of its own: how logins travel."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.errors import UpstreamProtocolError, UpstreamTimeout
from proxy.upstream.connection import RawHeaders
from proxy.upstream.dialing import Dialer
from proxy.upstream.exchange import exchange
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool

LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    status: int
    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)


async def fetch_once(
    url: str,
    method: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    tls: ssl.SSLContext | None,
    connect_timeout: float,
    seconds: float,
    unix_socket: str | None = None,
) -> WholeAnswer:
    """Send one request and read the whole answer, at most 64 KiB, within `seconds` in all.

    No redirect is followed and nothing is tried again. Raises an UpstreamError.
    """
    origin, target = split_url(url)
    lines = [f"{method} {target or '/'} HTTP/1.1", f"Host: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape")
    pool = UpstreamPool(Dialer(origin, tls, connect_timeout, unix_socket))
    try:
        async with asyncio.timeout(seconds):
            connection = await pool.connect_anew()
            answer = await exchange(connection, pool, method, head, body, seconds)
            content = await answer.peek(LIMIT)
    except TimeoutError:
        raise UpstreamTimeout from None
    finally:
        pool.close()
    if content is None:
        raise UpstreamProtocolError
    return WholeAnswer(answer.status, answer.headers, content)
