"""The running proxy as the admin pages show it."""

from __future__ import annotations

from proxy.admin.status import ConfigurationStatus, ProviderStatus, RouteStatus, StatusSnapshot, StoreStatus
from proxy.assembly import Assembly
from proxy.clock import Clock
from proxy.config.models import ProviderSettings
from proxy.reloading import Reloading
from proxy.schemes.registry import scheme_name
from proxy.serving import Serving
from proxy.tokens.credential import Credential
from proxy.tokens.stores.store import TokenStore


def snapshot(
    assembly: Assembly, store: TokenStore, clock: Clock, serving: Serving, reloading: Reloading
) -> StatusSnapshot:
    """Metadata only: nothing in it is a secret."""
    settings = assembly.settings
    return StatusSnapshot(
        providers=tuple(provider_status(provider, clock) for provider in settings.providers.values()),
        routes=tuple(RouteStatus(route.prefix, route.provider) for route in settings.routes),
        store=StoreStatus(store.kind, store.trouble),
        draining=serving.is_ending,
        listen=serving.address,
        admin=serving.admin_address,
        configuration=ConfigurationStatus(
            str(settings.source),
            clock.wall() - reloading.loaded_at,
            tuple(str(problem) for problem in reloading.problems),
        ),
    )


def provider_status(settings: ProviderSettings, clock: Clock) -> ProviderStatus:
    scheme = scheme_name(settings.scheme)
    credential = settings.scheme.credential
    if credential is None:
        return ProviderStatus(settings.name, "static", settings.base_url, settings.preset, scheme)
    return ProviderStatus(
        settings.name,
        credential.state,
        settings.base_url,
        settings.preset,
        scheme,
        expires_in=_expires_in(credential, clock),
        generation=credential.generation,
        logins=credential.fetches,
        last_error=credential.last_error,
        next_attempt_in=credential.next_attempt_in,
    )


def _expires_in(credential: Credential, clock: Clock) -> float | None:
    return None if credential.expires_at is None else credential.expires_at - clock.wall()
