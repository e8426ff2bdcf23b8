"""The state of the proxy at one moment, as far as an operator may see it; and what readiness makes of it.

Ready means: this process takes requests, and no credential needs a person. Not ready are a proxy that has not
started or is draining, and one of whose credentials the vendor refuses. A provider that waits for its login
endpoint is no reason: that is the vendor's outage, other replicas have it too, and taking all of them out
of service would add one of our own. A credential that nobody has needed yet is none either, nor is a token store
that fails: requests go on without it where they can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

# static: nothing to obtain. idle: none is held, since none was asked for lately. waiting: the next attempt is due
# later. refused: by the vendor.
CredentialState = Literal["static", "idle", "ok", "waiting", "refused"]


@dataclass(frozen=True, slots=True)
class Added:
    """What the proxy adds to requests: a header or a query parameter, with secrets and places masked."""

    kind: Literal["header", "parameter"]
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One provider's credential. Seconds are from now; `expires_in` is inf for ever, None without a live token.

    `refresh_in` is when a request will have it renewed ahead of that. `adds` is what its requests get.
    `last_error` is one of our own texts ("401 from its login endpoint"), never a vendor's.
    """

    name: str
    state: CredentialState
    base_url: str = ""
    preset: str | None = None
    scheme: str = ""
    expires_in: float | None = None
    generation: int = 0
    logins: int = 0
    last_error: str | None = None
    next_attempt_in: float | None = None
    obtained_ago: float | None = None
    refresh_in: float | None = None
    adds: tuple[Added, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """`adds` is what the route itself gives to its requests."""

    prefix: str
    provider: str
    adds: tuple[Added, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Where tokens are kept; `trouble` is one of our own texts, None while it works."""

    kind: str = "memory"
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """The file in use, and when it was loaded, in seconds ago; `errors` are why a later state of it was not."""

    path: str = ""
    loaded_ago: float = 0.0
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """`wants_token` says that callers have to show one; `in_flight` are requests not yet over."""

    providers: tuple[ProviderStatus, ...] = ()
    routes: tuple[RouteStatus, ...] = ()
    store: StoreStatus = StoreStatus()
    started: bool = True
    draining: bool = False
    listen: str = ""
    admin: str | None = None
    wants_token: bool = False
    in_flight: int = 0
    configuration: ConfigurationStatus = ConfigurationStatus()


def unready_because(snapshot: StatusSnapshot, providers: tuple[ProviderStatus, ...]) -> str | None:
    """Why no requests should come here, as far as these providers go; None if they may."""
    if snapshot.draining:
        return "draining"
    if not snapshot.started:
        return "starting"
    refused = [provider.name for provider in providers if provider.state == "refused"]
    return f"{', '.join(refused)} refused" if refused else None


def health(provider: ProviderStatus) -> str:
    """`ok`, `waiting` or `refused`: what a probe needs to tell apart."""
    return provider.state if provider.state in ("waiting", "refused") else "ok"


def hint(provider: ProviderStatus) -> str | None:
    """What to do about a provider's trouble, the next command included; None where there is none."""
    test = f"`authproxy test {provider.name}` says what stands in the way."
    if provider.state == "refused":
        return f"Put a good secret into the configuration: a changed one is tried at once. {test}"
    if provider.last_error is not None:
        return f"It is tried again by itself. {test}"
    return None


def health_line(provider: ProviderStatus) -> str:
    """One line for a person: `io waiting: 503 from its login endpoint; next attempt in 12 s`."""
    because = "; ".join(_circumstances(provider))
    return f"{provider.name} {health(provider)}" + (f": {because}" if because else "")


def store_lines(store: StoreStatus) -> tuple[str, ...]:
    """One line for a person: `token store: redis, fails: it cannot be reached`; none where there is only memory."""
    if store.kind == "memory":
        return ()
    return (f"token store: {store.kind}" + (f", fails: {store.trouble}" if store.trouble else ", ok"),)


def spoken(seconds: float) -> str:
    """A length of time as one would say it: `12 s`, `58 min`, `3 h 05 min`, `12 days`."""
    if seconds == inf:
        return "never"
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days"


def _circumstances(provider: ProviderStatus) -> Iterator[str]:
    if health(provider) == "ok":
        return
    if provider.last_error is not None:
        yield provider.last_error
    if provider.next_attempt_in is not None:
        yield f"next attempt in {spoken(provider.next_attempt_in)}"
    if provider.state == "waiting" and provider.expires_in is not None:
        yield f"its token holds for another {spoken(provider.expires_in)}"
