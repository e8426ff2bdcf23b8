"""What every scheme in the registry promises to the gateway."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from proxy.schemes.base import AnswerHead, AuthScheme, Injection, OutboundRequest
from proxy.schemes.registry import SCHEMES
from proxy.target import canonical
from tests.login_endpoint import LoginEndpoint, Sources, grant, login_endpoint, provider_context

CANARY = "CANARY-contract-9c2e"
REQUEST = OutboundRequest(
    "POST", "https://api.example.com", "/v1/x?a=%2F&a=&&b", ((b"Authorization", b"Bearer callers"),), b'{"a":1}'
)


def configs(endpoint: LoginEndpoint) -> dict[str, dict[str, Any]]:
    login = {"url": f"{endpoint.url}/t", "json": {"secret": "${SECRET}"}}
    oauth = {"token_url": f"{endpoint.url}/t", "client_id": "me", "client_secret": "${SECRET}"}
    both = {"headers": {"Authorization": "Bearer {{token}}", "X_Other": "1"}, "query": {"Api_Key": "{{token}}"}}
    return {
        "static": {
            "headers": {"X_Key": "${SECRET}"},
            "query": {"api_key": "${SECRET}"},
            "basic": {"username": "u", "password": "${SECRET}"},
        },
        "jwt": {"key": "${SECRET}", **both},
        "hmac_signature": {
            "key": "${SECRET}",
            "message": "{{url}}{{body}}",
            "headers": {"X-Signature": "{{signature}}", "X-Token": "{{token}}"},
            "query": {"timestamp": "{{timestamp}}", "signature": "{{signature}}"},
            "token": {"login": login},
        },
        "token_exchange": {"login": login, **both},
        "oauth2_client_credentials": {**oauth, **both},
        "oauth2_refresh_token": {**oauth, "refresh_token": "${SECRET}", **both},
    }


@pytest.fixture(params=SCHEMES)
async def scheme(request: pytest.FixtureRequest) -> AsyncIterator[AuthScheme]:
    async with login_endpoint(grant("tok-1"), grant("tok-2")) as endpoint:
        config = configs(endpoint)[request.param]
        made = TypeAdapter(SCHEMES[request.param]).validate_python(config, context=Sources(SECRET=CANARY))
        made.bind(provider_context())
        yield made


async def test_every_injected_name_is_announced(scheme: AuthScheme) -> None:
    """The gateway drops the callers' own fields of exactly these names."""
    injection = await scheme.authorize(REQUEST)
    assert {canonical(name) for name, _ in injection.headers} == scheme.injected_headers
    assert {canonical(name) for name, _ in injection.query} == scheme.injected_query
    assert injection.headers
    assert injection.query


async def test_authorizing_leaves_the_request_alone(scheme: AuthScheme) -> None:
    before = copy.deepcopy(REQUEST)
    await scheme.authorize(REQUEST)
    assert before == REQUEST


def at_hand(scheme: AuthScheme, body: bytes | None = REQUEST.body) -> Injection | None:
    return scheme.prepare(dataclasses.replace(REQUEST, body=b""))(body)


async def test_what_is_at_hand_is_what_would_be_authorized_and_costs_no_fetch(scheme: AuthScheme) -> None:
    """Before there is a token, nothing is at hand: then `authorize` has to be awaited."""
    first = at_hand(scheme)
    assert (first is None) == (scheme.credential is not None)
    assert scheme.credential is None or scheme.credential.fetches == 0
    authorized = await scheme.authorize(REQUEST)
    prepared = at_hand(scheme)
    assert prepared is not None
    assert [name for name, _ in prepared.headers] == [name for name, _ in authorized.headers]
    assert [name for name, _ in prepared.query] == [name for name, _ in authorized.query]
    assert prepared.generation == authorized.generation


async def test_what_was_prepared_before_there_was_a_token_serves_as_well(scheme: AuthScheme) -> None:
    """A head is prepared once, and its first request may well be the one that waits for a login."""
    prepared = scheme.prepare(dataclasses.replace(REQUEST, body=b""))
    await scheme.authorize(REQUEST)
    injection = prepared(REQUEST.body)
    assert injection is not None
    assert {canonical(name) for name, _ in injection.headers} == scheme.injected_headers


async def test_a_scheme_whose_injection_depends_on_the_body_says_that_it_needs_it(scheme: AuthScheme) -> None:
    """The others may be given None, for a body that is streamed."""
    await scheme.authorize(REQUEST)
    if not scheme.needs_body:
        ours, other = at_hand(scheme), at_hand(scheme, None)
        assert ours is not None and other is not None
        assert (ours.headers, ours.query) == (other.headers, other.query)


async def test_nothing_is_injected_twice(scheme: AuthScheme) -> None:
    injection = await scheme.authorize(REQUEST)
    for names in ([name for name, _ in injection.headers], [name for name, _ in injection.query]):
        assert len({canonical(name) for name in names}) == len(names)


async def test_a_preview_has_the_same_names_and_no_secret_and_costs_no_fetch(scheme: AuthScheme) -> None:
    shown = await scheme.preview(REQUEST)
    explained = scheme.explanation(REQUEST)
    assert scheme.credential is None or scheme.credential.fetches == 0
    injection = await scheme.authorize(REQUEST)
    assert [name for name, _ in shown.headers] == [name for name, _ in injection.headers]
    assert [name for name, _ in shown.query] == [name for name, _ in injection.query]
    assert CANARY not in str(shown) + str(explained)


async def test_an_outline_has_the_same_names_and_no_secret_and_is_made_without_a_request(scheme: AuthScheme) -> None:
    outline, real = scheme.outline(), await scheme.authorize(REQUEST)
    assert [name for name, _ in outline.headers] == [name for name, _ in real.headers]
    assert [name for name, _ in outline.query] == [name for name, _ in real.query]
    shown = dict(outline.headers) | dict(outline.query)
    for name, value in (*real.headers, *real.query):
        assert shown[name] != value or value == "1"
    assert CANARY not in str(shown)


def test_an_outline_shows_what_is_no_secret_and_names_what_is_another_each_time() -> None:
    config = {
        "key": "${SECRET}",
        "variables": {"team": "blue", "hidden": "${SECRET}"},
        "headers": {"Authorization": "{{team}} {{hidden}} {{token}}"},
    }
    scheme = TypeAdapter(SCHEMES["jwt"]).validate_python(config, context=Sources(SECRET=CANARY))
    assert scheme.outline().headers == (("Authorization", "blue *** <token>"),)


async def test_an_answer_to_a_request_without_a_token_is_never_a_rejection(scheme: AuthScheme) -> None:
    assert not scheme.rejected(AnswerHead(401), Injection())


async def test_a_good_answer_is_never_a_rejection(scheme: AuthScheme) -> None:
    assert not scheme.rejected(AnswerHead(200, body=b'{"ok":true}'), await scheme.authorize(REQUEST))


async def test_an_injection_that_awaits_no_verdict_is_judged_only_by_the_named_statuses(scheme: AuthScheme) -> None:
    """So a scheme that wants to see good answers says so with its injection, and a good one ends its wish."""
    injection = await scheme.authorize(REQUEST)
    assert scheme.judged_statuses is not None
    assert all(status >= 400 for status in scheme.judged_statuses)
    if injection.awaits_verdict:
        scheme.rejected(AnswerHead(200), injection)
        assert not (await scheme.authorize(REQUEST)).awaits_verdict


def test_the_registry_is_complete() -> None:
    names = {"static", "jwt", "hmac_signature", "token_exchange", "oauth2_client_credentials", "oauth2_refresh_token"}
    assert SCHEMES.keys() == names
