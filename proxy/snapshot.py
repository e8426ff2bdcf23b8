"""The running proxy as the admin pages show it."""

from __future__ import annotations

from proxy.admin.status import (
    Added,
    ConfigurationStatus,
    ProviderStatus,
    RouteStatus,
    StatusSnapshot,
    StoreStatus,
)
from proxy.assembly import Assembly
from proxy.clock import Clock
from proxy.config.models import ProviderSettings, RouteSettings
from proxy.gateway.route import Provider
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
        providers=tuple(
            provider_status(provider, assembly.providers[name], clock) for name, provider in settings.providers.items()
        ),
        routes=tuple(route_status(route) for route in settings.routes),
        store=StoreStatus(store.kind, store.trouble),
        draining=serving.is_ending,
        listen=serving.address,
        admin=serving.admin_address,
        wants_token=settings.server.wants_tokens,
        in_flight=serving.in_flight,
        configuration=ConfigurationStatus(
            str(settings.source),
            clock.wall() - reloading.loaded_at,
            tuple(str(problem) for problem in reloading.problems),
        ),
    )


def route_status(settings: RouteSettings) -> RouteStatus:
    headers = (Added("header", name, template.masked({})) for name, template in settings.headers.items())
    query = (Added("parameter", name, template.masked({})) for name, template in settings.query.items())
    return RouteStatus(settings.prefix, settings.provider, (*headers, *query))


def provider_status(settings: ProviderSettings, provider: Provider, clock: Clock) -> ProviderStatus:
    scheme = scheme_name(settings.scheme)
    credential, adds = settings.scheme.credential, _added(provider)
    if credential is None:
        return ProviderStatus(settings.name, "static", settings.base_url, settings.preset, scheme, adds=adds)
    obtained_ago, refresh_in = credential.span or (None, None)
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
        obtained_ago=obtained_ago,
        refresh_in=refresh_in,
        adds=adds,
    )


def _added(provider: Provider) -> tuple[Added, ...]:
    headers = (Added("header", name, value) for name, value in provider.outline.headers)
    query = (Added("parameter", name, value) for name, value in provider.outline.query)
    return (*headers, *query)


def _expires_in(credential: Credential, clock: Clock) -> float | None:
    return None if credential.expires_at is None else credential.expires_at - clock.wall()
