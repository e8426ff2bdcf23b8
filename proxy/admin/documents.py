"""What the admin listener says in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import isinf

from proxy import __version__
from proxy.admin.actions import ReloadReport
from proxy.admin.status import ProviderStatus, StatusSnapshot, StoreStatus, health, unready_because


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
    """Everything that the status page knows. Seconds are whole; an `expires_in` of null is never, or no token."""
    reason = unready_because(snapshot, snapshot.providers)
    providers = [
        asdict(provider)
        | {"expires_in": _whole(provider.expires_in), "next_attempt_in": _whole(provider.next_attempt_in)}
        for provider in snapshot.providers
    ]
    document = {
        "version": __version__,
        "ready": reason is None,
        "reason": reason,
        "listen": snapshot.listen,
        "admin": snapshot.admin,
        "configuration": asdict(snapshot.configuration),
        "token_store": {"kind": snapshot.store.kind, "error": snapshot.store.trouble},
        "providers": providers,
        "routes": [asdict(route) for route in snapshot.routes],
    }
    return json.dumps(document)


def reload_document(report: ReloadReport) -> str:
    """`reloaded` says whether the new configuration is in use."""
    return json.dumps({"reloaded": not report.errors, **asdict(report)})


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None or isinf(seconds) else int(seconds)
