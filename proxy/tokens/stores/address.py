"""Where a configuration says that tokens are kept: `memory`, `file:/path`, `redis://host:6379/0`, `rediss://`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

FORMS = "memory, file:/path, redis://host:6379/0 or rediss://host:6379/0"
REDIS_PORT = 6379

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    kind: Literal["memory"] = "memory"


@dataclass(frozen=True, slots=True)
class FileAddress:
    path: Path
    kind: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    host: str
    port: int
    database: int
    tls: bool
    user: str | None = None
    kind: Literal["redis"] = "redis"


StoreAddress = MemoryAddress | FileAddress | RedisAddress


def store_address(text: str) -> StoreAddress:
    """The parsed address. Raises ValueError, without the text: there may be a password in it."""
    if text == "memory":
        return MemoryAddress()
    if text.startswith("file:"):
        return _file(text.removeprefix("file:"))
    if text.startswith(("redis://", "rediss://")):
        return _redis(text)
    raise ValueError(f"expected {FORMS}")


def checked_address(text: str) -> str:
    """The same text. Raises ValueError as `store_address` does."""
    store_address(text)
    return text


def _file(name: str) -> FileAddress:
    name = "/" + name.lstrip("/") if name.startswith("///") else name
    if not name.startswith("/") or name.startswith("//") or name.endswith("/") or "\0" in name:
        raise ValueError("expected file: and the absolute path of a file, such as file:/var/lib/authproxy/tokens")
    return FileAddress(Path(name))


def _redis(text: str) -> RedisAddress:
    problem = "expected redis:// or rediss://, a host, and perhaps a port and a database's number: redis://host:6379/0"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(problem) from None
    if url.password is not None:
        raise ValueError("a password is not written into the address; give its source as `password`")
    database = url.path.removeprefix("/") or "0"
    if url.query or url.fragment or not re.fullmatch(r"\d{1,5}", database) or port == 0:
        raise ValueError(problem)
    if not _HOST.fullmatch(url.hostname or "") or not (url.username is None or _USER.fullmatch(url.username)):
        raise ValueError(problem)
    return RedisAddress(url.hostname or "", port or REDIS_PORT, int(database), url.scheme == "rediss", url.username)
