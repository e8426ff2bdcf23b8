"""One provider tried: reached without its credential, then its credential obtained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isinf
from typing import Literal

from proxy.assembly import DirectLogin
from proxy.config.models import ProviderSettings
from proxy.config.secret_sources import secrets_in
from proxy.errors import CredentialError, CredentialRejected, UpstreamError
from proxy.schemes.base import ProviderContext
from proxy.schemes.jwt import Jwt
from proxy.schemes.oauth2_client import OAuth2Scheme
from proxy.schemes.oauth2_refresh_token import OAuth2RefreshToken
from proxy.schemes.token_exchange import TokenExchange
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential import Credential
from proxy.tokens.login import LoginCall
from proxy.trial.diagnosis import CLOCK_SECONDS, Diagnosis, Surroundings, diagnosed
from proxy.trial.witness import Heard, Witness
from proxy.trust import trusts
from proxy.vendor_clock import VendorClocks

# Where these come, nobody could have read a request.
_NO_CONNECTION = frozenset({"upstream_dns", "upstream_unreachable", "upstream_tls", "upstream_connect_timeout"})

Verdict = Literal["ok", "present", "untried", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`present` means that the secrets are there and only a request could prove them. `lifetime` is in seconds."""

    provider: str
    verdict: Verdict
    what: str
    lifetime: float | None = None
    problem: str | None = None
    next: str | None = None
    notes: tuple[str, ...] = ()


async def tried(
    settings: ProviderSettings,
    clocks: VendorClocks,
    tokens: TokenCache,
    *,
    spend: bool,
    proxy_variable: str | None,
    again: str,
) -> Trial:
    """Try one provider. A refresh token that a test would use up is left alone unless `spend`.

    `again` is the command that tries it once more.
    """
    clock = clocks.of(settings.name, settings.base_url)
    trust = trusts([settings])[settings.name]
    witness = Witness(DirectLogin(settings, trust, clock))
    context = ProviderContext(settings.name, settings.base_url, clock, tokens, settings.policy, witness)
    settings.scheme.bind(context)

    def around() -> Surroundings:
        return Surroundings(
            again,
            settings.preset,
            _sources(settings),
            clock.wall() - clock.skew,
            clock.skew,
            _is_dated(settings),
            proxy_variable,
        )

    reached = await _reached(settings, witness)
    if reached is not None and reached.error in _NO_CONNECTION:
        return _failed(settings.name, diagnosed(reached, "", False, around()))
    witness.last = None
    credential = settings.scheme.credential
    if credential is None:
        what = f"the secret is there ({_sources(settings)}), and the vendor can be reached"
        return _noted(Trial(provider=settings.name, verdict="present", what=what), clock.skew)
    if not spend and _would_spend(settings):
        what = "its refresh token may be good for one use only, and a test would use it up: --spend does so"
        return Trial(provider=settings.name, verdict="untried", what=what)
    try:
        await credential.token()
    except CredentialError as error:
        cause = credential.last_error or error.title
        is_refused = isinstance(error, CredentialRejected)
        return _noted(_failed(settings.name, diagnosed(witness.last, cause, is_refused, around())), clock.skew)
    return _noted(_obtained(settings, credential, witness.last, clock.wall()), clock.skew)


async def _reached(settings: ProviderSettings, witness: Witness) -> Heard | None:
    """A HEAD without any credential: who is there, and what time is it with them?"""
    try:
        await witness.send(LoginCall("HEAD", settings.base_url, (("Accept", "*/*"),), b""))
    except UpstreamError:
        pass
    return witness.last


def _obtained(settings: ProviderSettings, credential: Credential, heard: Heard | None, wall: float) -> Trial:
    expires = credential.expires_at
    lifetime = None if expires is None or isinf(expires) else max(expires - wall, 0.0)
    how = f"by {heard.method} {heard.url}" if heard is not None else "signed here"
    notes: tuple[str, ...] = ()
    if isinstance(settings.scheme, Jwt):
        notes = ("it was made here; only a request can prove that the vendor takes it",)
    if settings.policy.single_live:
        notes = ("it killed the token before it: a proxy that runs with this account has to log in again",)
    return Trial(provider=settings.name, verdict="ok", what=f"a token, {how}", lifetime=lifetime, notes=notes)


def _noted(trial: Trial, skew: float) -> Trial:
    if abs(skew) < CLOCK_SECONDS or trial.problem == "wrong_clock":
        return trial
    direction = "behind" if skew > 0 else "ahead of"
    note = (
        f"this machine's clock is {abs(skew):.0f} s {direction} the vendor's; authproxy makes up for it, others do not"
    )
    return replace(trial, notes=(*trial.notes, note))


def _failed(provider: str, diagnosis: Diagnosis) -> Trial:
    return Trial(
        provider=provider, verdict="failed", what=diagnosis.what, problem=diagnosis.problem, next=diagnosis.next
    )


def _would_spend(settings: ProviderSettings) -> bool:
    scheme = settings.scheme
    if isinstance(scheme, OAuth2RefreshToken):
        return True
    return isinstance(scheme, TokenExchange) and scheme.initial_refresh_token is not None


def _is_dated(settings: ProviderSettings) -> bool:
    scheme = settings.scheme
    if isinstance(scheme, OAuth2Scheme):
        return scheme.client_authentication == "private_key_jwt"
    if not isinstance(scheme, TokenExchange):
        return False
    names = scheme.login.names if scheme.login is not None else frozenset()
    return scheme.siwe is not None or bool(names & {"timestamp", "timestamp_ms"})


def _sources(settings: ProviderSettings) -> str:
    return _listed(secret.where for secret in secrets_in(settings.scheme)) or "the configuration"


def _listed(places: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(_spoken(*where.partition(":")[::2]) for where in places))


def _spoken(kind: str, name: str) -> str:
    """Where a secret comes from, for a person."""
    match kind:
        case "env":
            return f"${name}"
        case "file":
            return f"the file {name}"
        case "exec":
            return "what its command prints"
        case _:
            return "the configuration"
