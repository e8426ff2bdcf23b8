"""Presets are data, complete, and written out with the user's places kept."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from proxy.commands.presets import preset_lines, snippet
from proxy.config import ConfigError, ProviderSettings, load, presets
from proxy.config.expansion import expanded
from proxy.config.nodes import MapNode, plain
from proxy.config.presets import read_preset
from proxy.config.problems import Report
from proxy.config.sources import Sources
from proxy.config.yaml12 import compose
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.jwt import Jwt
from proxy.schemes.registry import SCHEMES
from proxy.schemes.static import Static
from proxy.schemes.token_exchange import TokenExchange
from proxy.secret import Secret
from tests.preset_examples import provider_keys, secrets

ENVIRON = {"A": "secret-a", "B": "secret-b", "ETH": "0x" + "46" * 32}
# The required parameters of those that tests here speak of.
REQUIRED = {
    "iofinnet": "client_id: {env: A}, client_secret: {env: B}",
    "wyre": "api_key: {env: A}, secret_key: {env: B}",
    "wyre-token": "secret_key: {env: A}",
    "defactor": "base_url: https://d.test, private_key: {env: ETH}, domain: d.test, uri: https://d.test",
    "original": "api_key: {env: A}, api_secret: {env: B}",
    "one45": "base_url: https://o.test, client_key: {env: A}, client_secret: {env: B}",
}
ANY_PRESET = pytest.mark.parametrize("name", sorted(presets()))


def provider(tmp_path: Path, keys: str, environ: dict[str, str] = ENVIRON) -> ProviderSettings:
    path = tmp_path / "c.yaml"
    path.write_text(f"providers:\n  p: {{{keys}}}\nroutes: {{/p: p}}\n")
    return load(path, environ).providers["p"]


def required_keys(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What a preset cannot do without, from its example; and the environment for it."""
    preset = presets()[name]
    needed = {key for key, parameter in preset.parameters.items() if parameter.required} | set(preset.require_one_of)
    keys = provider_keys(preset, preset.examples[0])
    return {key: value for key, value in keys.items() if key in needed | {"preset", "base_url"}}, secrets(
        preset, preset.examples[0]
    )


def flow(keys: dict[str, Any]) -> str:
    return json.dumps(keys)[1:-1]


def errors(tmp_path: Path, keys: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        provider(tmp_path, keys)
    return [str(problem).removeprefix(f"{tmp_path}/c.yaml:") for problem in caught.value.problems]


@ANY_PRESET
def test_a_preset_works_with_what_it_requires_and_nothing_more(name: str, tmp_path: Path) -> None:
    """Whoever gives the required parameters has a whole provider."""
    keys, environ = required_keys(name)
    settings = provider(tmp_path, flow(keys), environ)
    assert settings.preset == name
    assert settings.base_url.startswith("https://")
    assert settings.scheme.injected_headers | settings.scheme.injected_query


@ANY_PRESET
def test_a_preset_says_what_it_is(name: str) -> None:
    """Title, a sentence, the vendor's page; every `$name` and every `require_one_of` is a parameter, all are used."""
    preset = presets()[name]
    assert preset.title
    assert preset.about
    assert re.match(r"https://\S+$", preset.source)
    text = json.dumps([preset.provider, [variant.provider for variant in preset.variants]])
    whole = set(re.findall(r'"\$(\w+)"', text)) | (set(re.findall(r"\$(\w+)", text)) & preset.parameters.keys())
    inside = set(re.findall(r"\{\{(?:hmac\.)?(\w+)\}\}", text)) & preset.parameters.keys()
    chosen = {parameter for variant in preset.variants for parameter in variant.when}
    assert whole | chosen | set(preset.require_one_of) <= preset.parameters.keys()
    assert whole | inside | chosen == preset.parameters.keys()


@ANY_PRESET
def test_every_required_parameter_is_required(name: str, tmp_path: Path) -> None:
    """Without any of them the message names it, at the provider's key, and nothing else is complained of."""
    keys, environ = required_keys(name)
    for parameter, declared in presets()[name].parameters.items():
        if declared.required:
            with pytest.raises(ConfigError) as caught:
                provider(tmp_path, flow({key: value for key, value in keys.items() if key != parameter}), environ)
            [problem] = caught.value.problems
            found = str(problem).removeprefix(f"{tmp_path}/c.yaml:")
            assert found == f"2:3: providers.p.{parameter}: is required by the preset `{name}`"


@ANY_PRESET
def test_what_the_command_says_to_write_loads(name: str, tmp_path: Path) -> None:
    """With the secrets in the variables that it names, and nothing more."""
    preset = presets()[name]
    path = tmp_path / "c.yaml"
    path.write_text("\n".join(snippet(preset)))
    assert load(path, secrets(preset, preset.examples[0])).routes[0].prefix == f"/{name}"
    assert preset_lines(preset)[-len(snippet(preset)) :] == snippet(preset)


def test_io_logs_in_by_json_and_is_https_only(tmp_path: Path) -> None:
    """camelCase members, lifetime from the answer or 15 minutes."""
    settings = provider(tmp_path, f"preset: iofinnet, {REQUIRED['iofinnet']}")
    scheme = settings.scheme
    assert isinstance(scheme, TokenExchange)
    assert scheme.login is not None
    assert scheme.login.json is not None
    assert scheme.login.path == "/auth/v1/accessToken"
    values = {name: template.render({}) for name, template in scheme.variables.items()}
    assert scheme.login.json.render(values) == {"clientId": "secret-a", "clientSecret": "secret-b"}
    assert (settings.https_only, settings.policy.lifetime) == (True, 900)


def test_wyre_token_comes_in_three_forms(tmp_path: Path) -> None:
    """A plain bearer; registered first; or signing with the key, where `sign` wins over `register`."""
    forms = {
        "": Static,
        "register: true": TokenExchange,
        "sign: true": HmacSignature,
        "sign: true, register: true": HmacSignature,
    }
    for more, kind in forms.items():
        settings = provider(tmp_path, f"preset: wyre-token, secret_key: {{env: A}}, {more}")
        assert type(settings.scheme) is kind
        assert (settings.policy.lifetime is None) == (more == "")


def test_defactor_lets_queries_go_as_guest_unless_told_otherwise(tmp_path: Path) -> None:
    """The variant follows the default, and the path is the user's."""
    keys = f"preset: defactor, {REQUIRED['defactor']}, graphql_path: /q"
    scheme = provider(tmp_path, keys).scheme
    assert isinstance(scheme, TokenExchange)
    assert scheme.guest_queries is not None
    assert scheme.refresh is not None
    assert scheme.guest_queries.path == scheme.refresh.path == "/q"
    scheme = provider(tmp_path, f"{keys}, guest_queries: false").scheme
    assert isinstance(scheme, TokenExchange)
    assert scheme.guest_queries is None


def test_a_refresh_token_may_stand_in_for_the_key(tmp_path: Path) -> None:
    """`$private_key` is left out where the user has none."""
    keys = REQUIRED["defactor"].replace("private_key: {env: ETH}", "refresh_token: {env: A}")
    scheme = provider(tmp_path, f"preset: defactor, {keys}").scheme
    assert isinstance(scheme, TokenExchange)
    assert scheme.siwe is not None
    assert scheme.siwe.private_key is None
    assert isinstance(scheme.initial_refresh_token, Secret)


def test_parameters_keep_their_types(tmp_path: Path) -> None:
    """A mapping replaces the default as a whole; `none` is a lifetime without end."""
    keys = f"preset: original, {REQUIRED['original']}, claims: {{user_id: 5}}, lifetime: none"
    scheme = provider(tmp_path, keys).scheme
    assert isinstance(scheme, Jwt)
    assert scheme.claims.render({}) == {"user_id": 5}
    assert scheme.lifetime == float("inf")


def test_a_users_auth_is_laid_over_the_presets(tmp_path: Path) -> None:
    """Key by key, down to single members; parameters may be used in it."""
    auth = "auth: {login: {json: {extra: '{{client_id}}'}}, response: {token: other}, variables: {client_secret: x}}"
    scheme = provider(tmp_path, f"preset: iofinnet, {REQUIRED['iofinnet']}, {auth}, token_lifetime: 1m").scheme
    assert isinstance(scheme, TokenExchange)
    assert scheme.login is not None
    assert scheme.login.json is not None
    values = {name: template.render({}) for name, template in scheme.variables.items()}
    assert scheme.login.json.render(values) == {"clientId": "secret-a", "clientSecret": "x", "extra": "secret-a"}
    assert (scheme.response.token, scheme.response.lifetime) == ("other", "expiresIn")


def test_another_scheme_replaces_the_presets(tmp_path: Path) -> None:
    """Keys of one scheme mean nothing to another; the parameters stay at hand."""
    auth = "auth: {scheme: static, headers: {X-Key: '{{client_id}}'}}"
    settings = provider(tmp_path, f"preset: iofinnet, {REQUIRED['iofinnet']}, {auth}")
    assert type(settings.scheme) is Static
    assert settings.base_url == "https://api.iofinnet.com"


def test_the_presets_own_values_can_be_changed(tmp_path: Path) -> None:
    """Base URL, policy and lists of names."""
    more = "base_url: http://127.0.0.1:1, single_live_token: false, drop_query: []"
    settings = provider(tmp_path, f"preset: one45, client_key: {{env: A}}, client_secret: {{env: B}}, {more}")
    assert (settings.base_url, settings.policy.single_live) == ("http://127.0.0.1:1", False)
    assert settings.policy.lifetime == 4 * 3600


def test_mistakes_in_parameters_are_told_at_the_users_place(tmp_path: Path) -> None:
    """Not where the preset uses them, and once, however often it does."""
    found = errors(tmp_path, "preset: wyre-token, sign: true, secret_key: {env: NOT_SET}, register: 1")
    assert found == [
        "2:39: providers.p.secret_key: the environment variable NOT_SET is not set",
        "2:77: providers.p.register: expected true or false",
    ]
    keys = REQUIRED["defactor"].replace("uri: https://d.test", "uri: d")
    assert errors(tmp_path, f"preset: defactor, {keys}") == ["2:97: providers.p.uri: expected an absolute URI"]


def test_a_command_runs_once_however_often_its_secret_is_used(tmp_path: Path) -> None:
    """`sign: true` uses the key for signing and for the login."""
    script = f"[sh, -c, 'echo x >> {tmp_path}/runs; echo key']"
    path = tmp_path / "c.yaml"
    path.write_text(
        f"providers: {{p: {{preset: wyre-token, sign: true, secret_key: {{exec: {script}}}}}}}\nroutes: {{/p: p}}\n"
    )
    load(path, {"PATH": "/usr/bin:/bin"})
    assert (tmp_path / "runs").read_text() == "x\n"


def test_numbers_and_booleans_can_be_named_in_texts() -> None:
    """As they are written."""
    preset = read_preset("x", """
title: t
group: AI
about: a
source: https://x.test
parameters: {n: {kind: integer}, b: {kind: boolean, default: true}, s: {kind: text}}
provider: {list: [$n, $s, fixed], auth: {scheme: static, query: {k: "{{n}} {{b}} {{s}}"}}}
""")  # fmt: skip
    report = Report("f")
    node = compose("preset: x\nn: 5", report)
    assert isinstance(node, MapNode)
    whole: Any = plain(expanded(preset, node, Sources(folder=Path(), environ={}, report=report), report))
    assert whole == {
        "list": [5, "fixed"],
        "auth": {"scheme": "static", "query": {"k": "{{n}} {{b}} {{s}}"}, "variables": {"n": "5", "b": "true"}},
    }


NAMED = """
title: t
group: AI
about: a
source: https://x.test
parameters: {site: {kind: name, required: true}, n: {kind: integer, default: 7}, who: {kind: identifier}}
provider: {base_url: "https://$site.x.test/$n/$who/$other", auth: {scheme: static, basic: {username: "{{who}}", password: "${P}"}}}
"""


def named(keys: str) -> tuple[Any, list[str]]:
    report = Report("f")
    node = compose(f"preset: x\n{keys}", report)
    assert isinstance(node, MapNode)
    sources = Sources(folder=Path(), environ={"A": "secret-a"}, report=report)
    return plain(expanded(read_preset("x", NAMED), node, sources, report)), [str(error) for error in report.errors]


def test_names_and_integers_can_stand_inside_a_text() -> None:
    """What could hold anything does not, and what is no parameter stays as it is."""
    whole, found = named("site: acme-1\nwho: me/..")
    assert (whole["base_url"], found) == ("https://acme-1.x.test/7/$who/$other", [])


@pytest.mark.parametrize("site", ["a/b", "a@b", "a:1", "-a", "a?b", "'a#b'", "../a", "'a b'", "ä"])
def test_a_name_cannot_break_out_of_its_place(site: str) -> None:
    """Neither out of a host nor out of a path."""
    _, [problem] = named(f"site: {site}")
    assert "site: expected" in problem


def test_an_identifier_is_a_text_or_comes_from_where_secrets_come_from() -> None:
    """It is no secret, but often kept beside one."""
    written, _ = named("site: a\nwho: me")
    assert written["auth"]["variables"]["who"] == "me"
    elsewhere, _ = named("site: a\nwho: {env: A}")
    assert elsewhere["auth"]["variables"]["who"].reveal() == "secret-a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: t\nprovidr: {}\n", "did you mean `provider`"),
        (
            "title: t\ngroup: AI\nabout: a\nsource: s\nprovider: {}\nparameters: {a: {kind: txt}}\n",
            "did you mean `text`",
        ),
        ("- x\n", "mapping"),
    ],
)
def test_a_broken_preset_file_is_told_like_a_broken_configuration(text: str, words: str) -> None:
    """With its name and place."""
    with pytest.raises(ConfigError) as caught:
        read_preset("broken", text)
    assert words in str(caught.value)
    assert str(caught.value).startswith("presets/broken.yaml:")


def test_every_scheme_is_a_dataclass_that_names_no_vendor() -> None:
    """What a vendor needs stands in its preset."""
    names = {field.name for kind in SCHEMES.values() for field in fields(kind)} | SCHEMES.keys()
    assert not {name for name in names for preset in presets() if preset.partition("-")[0] in name}
