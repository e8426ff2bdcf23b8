"""Sends one request, byte for byte as a test wrote it, and reads the answer; stdlib only."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Fields = list[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(url: str, method: str, target: str, fields: Fields | None = None, body: bytes = b"") -> Reply:
    """`fields` go out as they are, after Host (unless they bring one) and before Content-Length."""
    fields = list(fields or [])
    if not any(name.lower() == "host" for name, _ in fields):
        fields.insert(0, ("Host", urlsplit(url).netloc))
    if body:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "Connection: close"]
    return read(await send(url, "\r\n".join([*lines, "", ""]).encode("latin-1") + body), method)


async def send(url: str, octets: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(octets)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def post_json(url: str, target: str, value: object, fields: Fields | None = None) -> Reply:
    content_type = ("Content-Type", "application/json")
    return await call(url, "POST", target, [content_type, *(fields or [])], json.dumps(value).encode())


def read(octets: bytes, method: str = "GET") -> Reply:
    if not octets:
        return Reply(0, {}, b"")
    head, _, body = octets.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    if fields.get("transfer-encoding") == "chunked" and method != "HEAD":
        body = _unchunk(body)
    return Reply(int(line.split(" ")[1]), fields, body)


def _unchunk(framed: bytes) -> bytes:
    body = b""
    while True:
        size, _, framed = framed.partition(b"\r\n")
        if int(size, 16) == 0:
            return body
        body, framed = body + framed[: int(size, 16)], framed[int(size, 16) + 2 :]
