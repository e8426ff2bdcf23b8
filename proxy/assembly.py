"""From settings to working parts: the one place where the rooms meet."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from proxy.config.models import ProviderSettings, RouteSettings, Settings
from proxy.gateway.route import Provider, Route, RouteTable
from proxy.schemes.base import ProviderContext
from proxy.tokens.cache import TokenCache
from proxy.tokens.login import LoginAnswer, LoginCall
from proxy.upstream.dialing import Dialer
from proxy.upstream.once import fetch_once
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from proxy.upstream.tls import tls_context
from proxy.vendor_clock import VendorClock, VendorClocks

_LOGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """What one configuration amounts to."""

    settings: Settings
    routes: RouteTable
    providers: dict[str, Provider]

    def retire(self) -> None:
        """Let requests that are under way end, and keep no connection after them."""
        for provider in self.providers.values():
            provider.pool.retire()

    def close(self) -> None:
        """End every connection at once."""
        for provider in self.providers.values():
            provider.pool.close()


class DirectLogin:
    """Sends logins on connections of their own, with the provider's trust and nothing of its credentials."""

    def __init__(self, tls: ssl.SSLContext, connect_timeout: float, clock: VendorClock) -> None:
        self._tls = tls
        self._clock = clock
        self._connect_timeout = connect_timeout

    async def send(self, call: LoginCall) -> LoginAnswer:
        sent = self._clock.now()
        answer = await fetch_once(
            call.url,
            call.method,
            call.headers,
            call.body,
            tls=self._tls,
            connect_timeout=self._connect_timeout,
            seconds=_LOGIN_SECONDS,
        )
        self._clock.heard(answer.headers, self._clock.now() - sent)
        return LoginAnswer(answer.status, answer.headers, answer.body)


def assemble(settings: Settings, clocks: VendorClocks, tokens: TokenCache) -> Assembly:
    """Build everything that a configuration names. No I/O but reading TLS files; nothing is connected yet.

    `clocks` and `tokens` outlive the assembly: credentials that a new configuration still has keep their tokens.
    """
    providers = {name: build_provider(provider, clocks, tokens) for name, provider in settings.providers.items()}
    routes = RouteTable(build_route(route, providers[route.provider]) for route in settings.routes)
    return Assembly(settings, routes, providers)


def build_provider(settings: ProviderSettings, clocks: VendorClocks, tokens: TokenCache) -> Provider:
    origin, base_path = split_url(settings.base_url)
    tls = tls_context(settings.ca_file, settings.client_cert, settings.client_key_file)
    clock = clocks.of(settings.name, settings.base_url)
    login = DirectLogin(tls, settings.connect_timeout, clock)
    context = ProviderContext(settings.name, settings.base_url, clock, tokens, settings.policy, login)
    settings.scheme.bind(context)
    pool = UpstreamPool(Dialer(origin, tls, settings.connect_timeout), waiting_seconds=settings.connect_timeout)
    return Provider(
        settings.name,
        origin,
        base_path,
        settings.scheme,
        pool,
        settings.drop_headers,
        frozenset(settings.drop_query),
    )


def build_route(settings: RouteSettings, provider: Provider) -> Route:
    return Route.to(
        provider,
        settings.prefix,
        headers=settings.headers,
        query=settings.query,
        methods=settings.methods,
        deny_headers=settings.deny_headers,
        deny_query=settings.deny_query,
        allowed_origins=settings.allowed_origins,
        encoded_slashes=settings.encoded_slashes,
        timeout=settings.timeout,
        max_body=settings.max_body,
    )
