"""From settings to working parts: the one place where the rooms meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.clock import Clock
from proxy.config.models import ProviderSettings, RouteSettings, Settings, TokenStoreSettings
from proxy.config.sameness import says_the_same
from proxy.gateway.route import Provider, Route, RouteTable
from proxy.schemes.base import ProviderContext
from proxy.tokens.cache import TokenCache
from proxy.tokens.login import LoginAnswer, LoginCall
from proxy.tokens.observer import StoreObserver
from proxy.tokens.stores.access import StoreAccess
from proxy.tokens.stores.opening import open_store
from proxy.tokens.stores.store import TokenStore
from proxy.trust import Trust, trusts
from proxy.upstream.dialing import Dialer
from proxy.upstream.once import fetch_once
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from proxy.vendor_clock import VendorClock, VendorClocks

_LOGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """What one configuration amounts to."""

    settings: Settings
    routes: RouteTable
    providers: dict[str, Provider]
    trusts: Mapping[str, Trust]

    @property
    def credentials(self) -> dict[str, tuple[str, ...]]:
        """The keys of all credentials in use, each with the names of its providers."""
        names: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        for name, provider in self.providers.items():
            if provider.scheme.credential is not None:
                names[provider.scheme.credential.key] += (name,)
        return dict(names)

    def retire(self, successor: Assembly) -> dict[str, UpstreamPool]:
        """Let requests that are under way end, and keep no connection after them but what the successor has, too.

        Returns the pools that are over, by their providers' names.
        """
        kept = {id(provider.pool) for provider in successor.providers.values()}
        over = {name: provider.pool for name, provider in self.providers.items() if id(provider.pool) not in kept}
        for pool in over.values():
            pool.retire()
        return over

    def pool_of(self, settings: ProviderSettings, trust: Trust) -> UpstreamPool | None:
        """The connections of this provider, if nothing about it has changed."""
        earlier = self.settings.providers.get(settings.name)
        if earlier is None or self.trusts[settings.name] is not trust or not says_the_same(earlier, settings):
            return None
        return self.providers[settings.name].pool

    def close(self) -> None:
        """End every connection at once."""
        for provider in self.providers.values():
            provider.pool.close()


class DirectLogin:
    """Sends logins on connections of their own, with the provider's trust and nothing of its credentials.

    Those to the provider's own origin go where its requests go; a token URL elsewhere is reached by its name.
    """

    def __init__(self, settings: ProviderSettings, trust: Trust, clock: VendorClock) -> None:
        self._origin, _ = split_url(settings.base_url)
        self._unix_socket = settings.unix_socket
        self._connect_timeout = settings.connect_timeout
        self._tls = trust.context
        self._clock = clock

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
            unix_socket=self._unix_socket if split_url(call.url)[0] == self._origin else None,
        )
        self._clock.heard(answer.headers, self._clock.now() - sent)
        return LoginAnswer(answer.status, answer.headers, answer.body)


def assemble(
    settings: Settings,
    clocks: VendorClocks,
    tokens: TokenCache,
    trusted: Mapping[str, Trust] | None = None,
    earlier: Assembly | None = None,
) -> Assembly:
    """Build everything that a configuration names. Nothing is connected yet.

    `clocks` and `tokens` outlive the assembly: credentials that a new configuration still has keep their tokens. So do
    the connections of those providers that are as they were in the `earlier` one.
    Without `trusted` the providers' TLS files are read here, which may raise OSError; else there is no I/O.
    """
    if trusted is None:
        trusted = trusts(settings.providers.values())
    # All before the first provider is built, which asks its scheme about a credential that others may share.
    for name, provider in settings.providers.items():
        bind(provider, clocks, tokens, trusted[name])
    for provider in settings.providers.values():
        # Of those who share it the last one's policy holds; but that a new token kills the old, one says for all.
        credential = provider.scheme.credential
        if credential is not None and provider.policy.single_live:
            credential.policy = replace(credential.policy, single_live=True)
    providers = {
        name: build_provider(
            provider, clocks, trusted[name], earlier.pool_of(provider, trusted[name]) if earlier else None
        )
        for name, provider in settings.providers.items()
    }
    routes = RouteTable(build_route(route, providers[route.provider]) for route in settings.routes)
    return Assembly(settings, routes, providers, trusted)


def token_store(settings: TokenStoreSettings, clock: Clock, observer: StoreObserver) -> TokenStore:
    """The store that a configuration names. May block. Raises StoreRefused."""
    access = None
    if settings.key is not None:
        access = StoreAccess(settings.key, settings.password, settings.ca_file)
    return open_store(settings.address, access, clock, observer)


def bind(settings: ProviderSettings, clocks: VendorClocks, tokens: TokenCache, trust: Trust) -> None:
    """Give the provider's scheme what it needs."""
    clock = clocks.of(settings.name, settings.base_url)
    login = DirectLogin(settings, trust, clock)
    settings.scheme.bind(ProviderContext(settings.name, settings.base_url, clock, tokens, settings.policy, login))


def build_provider(
    settings: ProviderSettings, clocks: VendorClocks, trust: Trust, pool: UpstreamPool | None = None
) -> Provider:
    """Of a scheme that is bound."""
    origin, base_path = split_url(settings.base_url)
    pool = pool or UpstreamPool(
        Dialer(origin, trust.context, settings.connect_timeout, settings.unix_socket),
        max_connections=settings.max_connections,
        max_waiting=settings.max_waiting,
        waiting_seconds=settings.connect_timeout,
    )
    return Provider(
        settings.name,
        origin,
        base_path,
        settings.scheme,
        pool,
        settings.drop_headers,
        frozenset(settings.drop_query),
        settings.graphql_subscriptions,
        clocks.of(settings.name, settings.base_url),
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
        websocket_idle_timeout=settings.websocket_idle_timeout,
        max_body=settings.max_body,
        traceparent=settings.traceparent,
    )
