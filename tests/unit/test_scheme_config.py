"""Every scheme is read from its configuration by pydantic, with the mistakes found there and no value in a message."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.schemes.base import AuthScheme
from proxy.schemes.registry import SCHEMES
from tests.login_endpoint import Sources

CANARY = "CANARY-config-5f1e9d"
ETHEREUM_KEY = "0x" + "11" * 32
LOGIN = {"path": "/token", "json": {"id": "{{id}}", "secret": "${SECRET}"}}

WHOLE: dict[str, dict[str, Any]] = {
    "static": {
        "variables": {"key": "${SECRET}"},
        "headers": {"Authorization": "Bearer {{key}}"},
        "query": {"key": {"value": CANARY}},
    },
    "jwt": {
        "key": "${SECRET}",
        "algorithm": "HS256",
        "claims": {"user": "*", "list": ["{{timestamp}}", 1, True, None]},
        "lifetime": "15m",
        "key_id": "k1",
        "headers": {"Authorization": "Bearer {{token}}", "X-Key": "${SECRET}"},
    },
    "hmac_signature": {
        "key": "${SECRET}",
        "message": "{{method}}{{url}}{{header.Content-Type}}{{body}}",
        "query": {"timestamp": "{{timestamp_ms}}"},
        "headers": {"X-Signature": "{{signature}}", "X-Session": "{{token}}"},
        "token": {"login": {"path": "/session"}, "response": {"token": "result.key"}},
    },
    "token_exchange": {
        "variables": {"id": "me"},
        "login": {**LOGIN, "headers": {"X-A": "{{siwe.address}}"}, "query": {"n": "{{nonce}}"}},
        "refresh": {"url": "https://id.example.com/r", "form": {"refresh_token": "{{refresh_token}}"}},
        "response": {"token": ["a.*.b", "c"], "lifetime": "ttl", "refresh_token": "r", "success": "ok"},
        "siwe": {"private_key": "${ETHEREUM}", "domain": "app.example.com", "uri": "https://app.example.com"},
        "rejected": {"statuses": [401, 403], "graphql_codes": ["invalid-jwt"]},
        "guest_queries": {"path": "/graphql"},
    },
    "oauth2_client_credentials": {
        "token_url": "https://id.example.com/token",
        "client_id": "${SECRET}",
        "client_secret": "${SECRET}",
        "scope": "read write",
        "client_authentication": "post",
        "parameters": {"tenant": "t1"},
        "rejected": {"statuses": [401]},
    },
    "oauth2_refresh_token": {
        "token_url": "https://id.example.com/token",
        "client_id": "me",
        "client_secret": "${SECRET}",
        "refresh_token": "${SECRET}",
    },
}

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("static", {}, "at least one of headers, query and basic"),
    ("static", {"headers": {"X-Key": "plain"}}, "holds no secret"),
    ("static", {"headers": {"X-Key": "{{key}}"}, "variables": {"key": "plain"}}, "holds no secret"),
    ("static", {"headers": {"X-Key": "{{kye}}${SECRET}"}}, "nothing is called {{kye}} here"),
    ("static", {"headers": {"Host": "${SECRET}"}}, "belongs to the proxy"),
    ("static", {"headers": {"X Key": "${SECRET}"}}, "not the name of a header field"),
    ("static", {"headers": {"X-Key": "${SECRET}", "x_key": "${SECRET}"}}, "given twice"),
    ("static", {"basic": {"username": "a:b", "password": "${SECRET}"}}, "a colon would end it"),
    ("static", {"basic": {"username": "plain"}}, "basic.password: is required"),
    ("static", {"basic": {"username": "{{kye}}", "password": "${SECRET}"}}, "nothing is called {{kye}} here"),
    (
        "static",
        {"basic": {"username": "a", "password": "${SECRET}"}, "headers": {"authorization": "${SECRET}"}},
        "basic sets this header already",
    ),
    ("jwt", {"key": "${SECRET}", "claims": {"a": "{{url}}"}}, "claims: nothing is called {{url}} here"),
    ("jwt", {"key": "${SECRET}", "claims": ["a"]}, "claims: expected a mapping"),
    ("jwt", {"key": "${SECRET}", "claims": {"exp": 5}}, "claims.exp"),
    ("jwt", {"key": "${SECRET}", "algorithm": "none"}, "Input should be"),
    ("jwt", {"key": "${SECRET}", "algorithm": "RS256"}, "RS256 needs an unencrypted private key"),
    ("jwt", {"key": {"value": ""}}, "key: it is empty"),
    ("jwt", {"key": "${SECRET}", "key_encoding": "base64"}, "key: it is not base64"),
    ("jwt", {"key": "${SECRET}", "lifetime": "soon"}, "expected a duration"),
    ("hmac_signature", {"key": "${SECRET}", "message": "{{ulr}}"}, "message: nothing is called {{ulr}} here"),
    ("hmac_signature", {"key": "${SECRET}", "message": "{{signature}}"}, "message: nothing is called"),
    ("hmac_signature", {"key": "${SECRET}", "message": "x", "headers": {"A": "{{body}}"}}, "headers.A: nothing"),
    ("hmac_signature", {"key": "${SECRET}", "message": "x", "query": {"a": "{{url}}"}}, "query.a: nothing"),
    ("hmac_signature", {"key": "${SECRET}", "message": "x", "headers": {"A": "{{token}}"}}, "no login is given"),
    ("hmac_signature", {"key": "${SECRET}", "key_encoding": "hex", "message": "x"}, "key: it is not hex"),
    ("hmac_signature", {"key": "${SECRET}", "message": "{{hmac.kye}}"}, "nothing is called {{kye}} here"),
    ("hmac_signature", {"key": "${SECRET}"}, "message"),
    ("token_exchange", {}, "login: give a login request"),
    ("token_exchange", {"login": {"path": "/x", "json": {"a": "{{id}}"}}}, "login: nothing is called {{id}} here"),
    ("token_exchange", {"login": {"path": "/x", "json": {"a": "{{siwe.message}}"}}}, "nothing is called"),
    ("token_exchange", {"login": {"path": "/x", "json": {"a": "{{assertion}}"}}}, "nothing is called {{assertion}}"),
    ("token_exchange", {"login": {"path": "/x"}, "assertion": {"key": "${SECRET}"}}, "assertion.key: RS256 needs an"),
    (
        "token_exchange",
        {"login": {"path": "/x"}, "assertion": {"key": "${SECRET}", "algorithm": "HS256", "claims": {"iat": 1}}},
        "assertion.claims.iat: it would be added as well",
    ),
    ("token_exchange", {"login": {"path": "/x", "url": "https://a.example"}}, "either path or url"),
    ("token_exchange", {"login": {}}, "either path or url"),
    ("token_exchange", {"login": {"path": "x"}}, "path: expected a path"),
    ("token_exchange", {"login": {"path": "/x#y"}}, "path: expected a path"),
    ("token_exchange", {"login": {"path": "/x y"}}, "path: expected a path"),
    ("token_exchange", {"login": {"path": "/x", "json": {}, "form": {}}}, "either json or form"),
    ("token_exchange", {"login": {"path": "/x", "method": "post it"}}, "method: expected a method"),
    ("token_exchange", {"login": {"url": "http://id.example.com/"}}, "only by https"),
    ("token_exchange", {"login": {"url": "https://u:p@id.example.com/"}}, "without user"),
    ("token_exchange", {"login": {"url": "https://id.example.com:99999/"}}, "absolute https URL"),
    ("token_exchange", {"login": {"path": "/x"}, "response": {"token": "a..b"}}, "a path is names with dots"),
    ("token_exchange", {"login": {"path": "/x"}, "response": {"token": []}}, "token: a path is needed"),
    ("token_exchange", {"login": {"path": "/x"}, "initial_refresh_token": "${SECRET}"}, "needs a refresh request"),
    ("token_exchange", {"login": {"path": "/x"}, "rejected": {"statuses": [200]}}, "error statuses"),
    ("token_exchange", {"login": {"path": "/x"}, "guest_queries": {"path": "graphql"}}, "expected a path"),
    ("token_exchange", {"login": {"path": "/x"}, "variables": {"token": "x"}}, "already stands for something else"),
    ("token_exchange", {"login": {"path": "/x"}, "variables": {"a": "{{b}}"}}, "cannot have places"),
    (
        "token_exchange",
        {
            "login": {"path": "/x", "json": {"m": "{{siwe.message}}"}},
            "siwe": {"domain": "a.example", "uri": "https://a.example"},
        },
        "siwe.private_key: give it",
    ),
    ("oauth2_client_credentials", {"token_url": "http://id.example.com", "client_id": "me"}, "only by https"),
    ("oauth2_client_credentials", {"token_url": "https://id.example.com", "client_id": "me"}, "client_secret"),
    (
        "oauth2_client_credentials",
        {"token_url": "https://id.example.com", "client_id": "me", "client_authentication": "private_key_jwt"},
        "private_key: private_key_jwt",
    ),
    ("oauth2_refresh_token", {"token_url": "https://id.example.com", "client_id": "me"}, "refresh_token"),
]


def read(scheme: str, config: dict[str, Any]) -> AuthScheme:
    sources = Sources(SECRET=CANARY, ETHEREUM=ETHEREUM_KEY)
    return TypeAdapter(SCHEMES[scheme]).validate_python(config, context=sources)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_read_from_its_configuration(scheme: str) -> None:
    assert type(read(scheme, WHOLE[scheme])) is SCHEMES[scheme]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_repr_of_a_scheme_shows_no_secret(scheme: str) -> None:
    shown = repr(read(scheme, WHOLE[scheme]))
    assert CANARY not in shown
    assert "11111111" not in shown


def paths_to_mappings(scheme: str) -> list[tuple[str, ...]]:
    nested = {key: value for key, value in WHOLE[scheme].items() if isinstance(value, dict)}
    fixed = {"siwe", "rejected", "guest_queries", "login", "refresh", "response", "token"} & nested.keys()
    return [(), *((name,) for name in sorted(fixed))]


@pytest.mark.parametrize(("scheme", "path"), [(name, path) for name in SCHEMES for path in paths_to_mappings(name)])
def test_an_unknown_key_is_refused_at_its_place(scheme: str, path: tuple[str, ...]) -> None:
    config = dict(WHOLE[scheme])
    if path:
        config[path[0]] = {**config[path[0]], "wrogn": CANARY}
    else:
        config["wrogn"] = CANARY
    with pytest.raises(ValidationError) as refusal:
        read(scheme, config)
    assert [error["loc"] for error in refusal.value.errors()] == [(*path, "wrogn")]


@pytest.mark.parametrize(("scheme", "config", "words"), WRONG)
def test_a_mistake_is_named_without_any_value(scheme: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(scheme, config)
    messages = " / ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in refusal.value.errors())
    assert words in messages
    assert CANARY not in messages


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_json_schema_without_further_keys(scheme: str) -> None:
    schema = TypeAdapter(SCHEMES[scheme]).json_schema()
    assert schema["additionalProperties"] is False
    assert {"headers", "query", "variables"} <= schema["properties"].keys()
    fields = {field.name for field in dataclasses.fields(SCHEMES[scheme])}
    assert schema["properties"].keys() ^ fields in (set(), {"rejected", "rejection"})
