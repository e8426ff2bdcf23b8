"""What a contender is: a proxy that can be told to put one credential on every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CREDENTIAL = "Bearer bench-credential-0123456789abcdef"
# What the upstream's login gives to whom asks.
LOGIN_ANSWER = json.dumps({"token": CREDENTIAL.removeprefix("Bearer "), "lifetime": 3600})
# What callers send on every measured request: each proxy has something to drop.
CALLERS_OWN = "Bearer callers-own-0123456789abcdef"
CA_NAME = "ca.pem"
# What a proxy may keep open to its upstream: more than the load's 64 connections, or reconnecting would be measured.
KEPT_CONNECTIONS = 128


@dataclass(frozen=True)
class Plan:
    """Where a contender listens and what it forwards to; `folder` is its own, `ca` is set for a TLS upstream."""

    folder: Path
    port: int
    upstream_port: int
    ca: Path | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.ca else "http"

    @property
    def upstream(self) -> str:
        return f"{self.scheme}://localhost:{self.upstream_port}"

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Contender:
    """One proxy. `program` is what it cannot do without, None if it is not here; `install` says how to get it."""

    key: str
    title: str
    program: str | None
    install: str
    command: Callable[[Plan], list[str]]
    version: tuple[str, ...] = ()
    # Its settings fit large bodies only, and it takes part only where those are measured.
    is_for_bodies: bool = False
    # Where it comes from, if it is ours.
    checkout: Path | None = None

    @property
    def is_direct(self) -> bool:
        """No proxy at all: the load asks the upstream and shows the credential itself."""
        return self.key == "direct"

    @property
    def is_ours(self) -> bool:
        return self.checkout is not None

    @property
    def kin(self) -> str:
        """The key, without what tells several checkouts of ours apart."""
        return self.key.partition(":")[0]


def fit_for_bodies(contenders: Sequence[Contender]) -> list[Contender]:
    """Of proxies that are here with other settings for large bodies too, only those."""
    fitting = {one.key.partition("-")[0] for one in contenders if one.is_for_bodies}
    return [one for one in contenders if one.is_for_bodies or one.key not in fitting]
