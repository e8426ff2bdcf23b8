"""What the admin listener says in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import isinf

from proxy import __version__
from proxy.admin.actions import ReloadReport, TokenReport
from proxy.admin.status import ProviderStatus, StatusSnapshot, StoreStatus, health, hint, unready_because


def readiness_document(reason: str | None, providers: Iterable[ProviderStatus], store: StoreStatus) -> str:
    """As little as a probe needs."""
    described = [
        {
            "name": provider.name,
            "state": health(provider),
            "error": provider.last_error,
            "expires_in": _whole(provider.expires_in),
            "next_attempt_in": _whole(provider.next_attempt_in),
        }
        for provider in providers
    ]
    document: dict[str, object] = {"ready": reason is None, "reason": reason, "providers": described}
    if store.kind != "memory":
        document["token_store"] = {"kind": store.kind, "error": store.trouble}
    return json.dumps(document)


def status_document(snapshot: StatusSnapshot) -> str:
    """Everything that the status page knows. An `expires_in` of null is never, or no token."""
    reason = unready_because(snapshot, snapshot.providers)
    providers = [asdict(provider) | _times(provider) | {"hint": hint(provider)} for provider in snapshot.providers]
    document = {
        "version": __version__,
        "ready": reason is None,
        "reason": reason,
        "listen": snapshot.listen,
        "admin": snapshot.admin,
        "wants_token": snapshot.wants_token,
        "configuration": asdict(snapshot.configuration),
        "token_store": {"kind": snapshot.store.kind, "error": snapshot.store.trouble},
        "providers": providers,
        "routes": [asdict(route) for route in snapshot.routes],
    }
    return json.dumps(document)


def reload_document(report: ReloadReport) -> str:
    """`reloaded` says whether the new configuration is in use."""
    return json.dumps({"reloaded": not report.errors, **asdict(report)})


def token_document(report: TokenReport) -> str:
    """What became of a provider's token."""
    return json.dumps(asdict(report) | {"next_attempt_in": _whole(report.next_attempt_in)})


def _times(provider: ProviderStatus) -> dict[str, float | None]:
    return {
        name: None if seconds is None or isinf(seconds) else round(seconds, 1)
        for name, seconds in (
            ("expires_in", provider.expires_in),
            ("refresh_in", provider.refresh_in),
            ("obtained_ago", provider.obtained_ago),
            ("next_attempt_in", provider.next_attempt_in),
        )
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None or isinf(seconds) else int(seconds)
