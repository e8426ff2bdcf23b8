"""The exported JSON Schema accepts what `load` accepts, and refuses unknown keys where `load` does."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from proxy.config import json_schema, presets
from proxy.schemes.registry import SCHEMES

EXAMPLE = yaml.safe_load((Path(__file__).parents[2] / "config.example.yaml").read_text())
# The example of the documentation, with each shape that it shows.
DOCUMENTED = yaml.safe_load("""
server: {listen: 127.0.0.1:8080, admin: "off", token: {env: T}, allowed_hosts: [api.local:8080]}
tokens: {store: memory}
providers:
  io:       {preset: iofinnet,  client_id: {env: IO_CLIENT_ID},   client_secret: {file: /run/secrets/io}}
  wyre:     {preset: wyre,      api_key: "${WYRE_API_KEY}",     secret_key: {exec: [print, it]}}
  wyre-ses: {preset: wyre-token, secret_key: {value: x}, sign: true}
  engage:   {preset: defactor,  base_url: https://engage.example.com, private_key: {file: /run/secrets/eth},
             domain: https://app.example.com, uri: https://app.example.com, chain_id: 1, statement: Sign in.}
  original: {preset: original,  api_key: {env: ORIGINAL_KEY}, api_secret: {env: ORIGINAL_SECRET}, lifetime: none}
  one45:    {preset: one45,     base_url: https://school.one45.com, client_key: {env: K}, client_secret: {env: S},
             auth: {login: {path: /other}}}
  acme:
    base_url: https://api.acme.test/v2
    auth: {scheme: oauth2_client_credentials, token_url: https://id.acme.test/token, client_id: {env: ACME_ID},
           client_secret: {env: ACME_SECRET}, scope: read}
routes:
  /io: io
  /wyre: {provider: wyre, methods: [GET, POST], deny_query: [masqueradeAs]}
  /wyre/as-child: {provider: wyre, query: {masqueradeAs: AC-CHILD}, timeout: 30s, max_body: 16MiB}
""")


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def test_it_is_a_schema_and_plain_json() -> None:
    """Of draft 2020-12."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("config", [EXAMPLE, DOCUMENTED], ids=["config.example.yaml", "documentation"])
def test_it_accepts_what_is_documented(config: Any, validator: Draft202012Validator) -> None:
    """Both examples, as they are."""
    assert [error.json_path for error in validator.iter_errors(config)] == []


def mappings(value: Any) -> list[dict[str, Any]]:
    """All mappings inside that have keys of a closed set."""
    if not isinstance(value, dict):
        return []
    return [value, *(found for inner in value.values() for found in mappings(inner))]


@pytest.mark.parametrize(
    "path",
    [
        (), ("server",), ("server", "token"), ("tokens",), ("providers", "io"), ("providers", "io", "client_id"),
        ("providers", "one45", "auth"), ("providers", "one45", "auth", "rejected"), ("providers", "fixed-key"),
        ("providers", "logged-in", "auth"), ("providers", "logged-in", "auth", "login"),
        ("providers", "logged-in", "auth", "response"), ("providers", "client-credentials", "auth"), ("routes", "/wyre"),
    ],
)  # fmt: skip
def test_it_refuses_an_unknown_key(path: tuple[str, ...], validator: Draft202012Validator) -> None:
    """At every level where the configuration has fixed keys."""
    config = copy.deepcopy(EXAMPLE)
    place = config
    for key in path:
        place = place[key]
    place["unknown_key"] = "x"
    assert not validator.is_valid(config)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("server", "token"), "literal"),
        (("server", "token"), {"env": "A", "file": "B"}),
        (("providers", "io", "preset"), "iofinet"),
        (("providers", "io", "client_secret"), "literal"),
        (("providers", "logged-in", "auth", "scheme"), "tokens"),
        (("providers", "signed-token", "auth", "algorithm"), "none"),
        (("providers", "fixed-key", "allow_http"), "yes"),
        (("providers", "engage", "chain_id"), "1"),
        (("routes", "/wyre", "methods"), ["TRACE"]),
        (("routes", "/wyre", "max_body"), "16 apples"),
        (("routes", "/wyre", "timeout"), "soon"),
    ],
)
def test_it_refuses_a_wrong_value(path: tuple[str, ...], value: Any, validator: Draft202012Validator) -> None:
    """Literal secrets, unknown names, wrong types and units."""
    config = copy.deepcopy(EXAMPLE)
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not validator.is_valid(config)


def test_it_asks_for_what_is_required(validator: Draft202012Validator) -> None:
    """Sections, parameters of presets, keys of schemes."""
    for path in (
        ("routes",),
        ("providers", "io", "client_id"),
        ("providers", "one45", "base_url"),
        ("providers", "engage", "refresh_token"),
        ("providers", "signed-token", "auth", "key"),
        ("providers", "signed-token", "auth", "scheme"),
        ("routes", "/wyre", "provider"),
    ):
        config = copy.deepcopy(EXAMPLE)
        place = config
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        assert not validator.is_valid(config), path


def test_every_preset_and_every_scheme_is_in_it() -> None:
    """A new one needs no change here."""
    definitions = json_schema()["$defs"]
    assert {f"preset.{name}" for name in presets()} <= definitions.keys()
    assert {f"scheme.{name}" for name in SCHEMES} <= definitions.keys()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"preset": "stripe", "api_key": {"env": "X"}, "acount": 1}, "'acount' was unexpected"),
        ({"preset": "strip"}, "'strip' is not one of ['airtable', "),
        ({"preset": "stripe"}, "'api_key' is a required property"),
        ({"preset": "stripe", "api_key": {"env": "X"}, "base_url": 5}, "5 is not of type 'string'"),
        ({"preset": "ghost", "host": "a/b", "key_id": "1", "secret": {"env": "X"}}, "'a/b' does not match"),
    ],
)
def test_a_mistake_is_told_of_the_preset_that_is_named(
    keys: dict[str, Any], words: str, validator: Draft202012Validator
) -> None:
    """And of no other."""
    [error] = validator.iter_errors({"providers": {"p": keys}, "routes": {"/p": "p"}})
    assert words in error.message


def test_every_key_says_what_it_does() -> None:
    """So that editors can show it."""
    definitions = json_schema()["$defs"]
    for name in SCHEMES:
        for key, schema in definitions[f"scheme.{name}"]["properties"].items():
            assert key == "scheme" or schema["description"].endswith("."), (name, key)
