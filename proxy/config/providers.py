"""One provider of the configuration, from its node to its settings."""

from __future__ import annotations

import re
from dataclasses import replace

from proxy.config.exact import validated
from proxy.config.expansion import expanded
from proxy.config.models import ProviderKeys, ProviderSettings
from proxy.config.nodes import AnyNode, MapNode, Scalar, find
from proxy.config.presets import Preset, preset_named, preset_names
from proxy.config.problems import Report, listed, suggestion
from proxy.config.scheme_checks import mistakes_in
from proxy.config.sources import Sources
from proxy.config.texts import Interpolated
from proxy.config.transport import check_transport
from proxy.config.wording import known_keys
from proxy.schemes.base import AuthScheme
from proxy.schemes.registry import SCHEMES
from proxy.secret import Secret
from proxy.tokens.token import TokenPolicy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def read_provider(name: str, node: AnyNode, sources: Sources, report: Report) -> ProviderSettings | None:
    """The provider's settings, or None after its mistakes went to the report."""
    if not _NAME.fullmatch(name):
        report.error(node.key, "a provider's name is letters, digits, `-`, `_` and `.`, at most 64")
    if not isinstance(node, MapNode):
        report.error(node.place, "expected a mapping, with `preset` or with `base_url` and `auth`")
        return None
    preset = _preset(node, report)
    if preset is None and "preset" in node.entries:
        return None
    whole = node if preset is None else expanded(preset, node, sources, report)
    _report_unknown_keys(whole, preset, report)
    own = known_keys(ProviderKeys)
    entries = {key: entry for key, entry in whole.entries.items() if key in own}
    keys = validated(ProviderKeys, replace(whole, entries=entries), sources, report)
    scheme = _read_scheme(whole, sources, report)
    if keys is not None:
        check_transport(keys, whole, report)
    if keys is None or scheme is None:
        return None
    return ProviderSettings(
        name=name,
        preset=preset.name if preset else None,
        base_url=keys.base_url,
        scheme=scheme,
        policy=TokenPolicy(keys.token_lifetime, keys.refresh_margin, keys.single_live_token),
        unix_socket=keys.unix_socket,
        allow_http=keys.allow_http,
        https_only=keys.https_only,
        ca_file=keys.ca_file,
        client_cert=keys.client_cert,
        client_key_file=keys.client_key_file,
        drop_headers=keys.drop_headers,
        drop_query=keys.drop_query,
        connect_timeout=keys.connect_timeout,
        max_connections=keys.max_connections,
        max_waiting=keys.max_waiting,
        graphql_subscriptions=keys.graphql_subscriptions,
    )


def _preset(node: MapNode, report: Report) -> Preset | None:
    named = node.entries.get("preset")
    if named is None:
        return None
    if isinstance(named, Scalar) and isinstance(named.value, str):
        if named.value in preset_names():
            return preset_named(named.value)
        report.error(named.place, f"no preset has this name{suggestion(named.value, preset_names())}")
    else:
        report.error(named.place, "expected a preset's name; `authproxy presets` lists them")
    return None


def _report_unknown_keys(whole: MapNode, preset: Preset | None, report: Report) -> None:
    known = ["preset", "auth", *known_keys(ProviderKeys), *(preset.parameters if preset else ())]
    for key, entry in whole.entries.items():
        if key not in known:
            is_of_scheme = any(key in known_keys(kind) for kind in SCHEMES.values())
            hint = f"; did you mean `auth.{key}`?" if is_of_scheme else suggestion(key, known)
            report.error(entry.key, f"unknown key{hint}")


def _read_scheme(whole: MapNode, sources: Sources, report: Report) -> AuthScheme | None:
    auth = whole.entries.get("auth")
    if auth is None:
        place = replace(whole.key, path=f"{whole.place.path}.auth")
        report.error(place, "is required, where no `preset` says how to authenticate")
    elif not isinstance(auth, MapNode):
        report.error(auth.place, "expected a mapping with `scheme` and the scheme's keys")
    elif "scheme" not in auth.entries:
        place = replace(auth.key, path=f"{auth.place.path}.scheme")
        report.error(place, f"is required: {listed(SCHEMES)}")
    elif (kind := SCHEMES.get(_text(auth.entries["scheme"]))) is None:
        named = auth.entries["scheme"]
        report.error(named.place, f"expected {listed(SCHEMES)}{suggestion(_text(named), SCHEMES)}")
    else:
        return _scheme(kind, auth.without("scheme"), sources, report)
    return None


def _scheme(kind: type[AuthScheme], auth: MapNode, sources: Sources, report: Report) -> AuthScheme | None:
    informed = replace(sources, secret_variables=_secret_variables(auth))
    scheme = validated(kind, auth, informed, report)
    if scheme is None:
        return None
    found = list(mistakes_in(scheme))
    for location, message in found:
        report.error(find(auth, location)[0].place, message)
    return None if found else scheme


def _secret_variables(auth: MapNode) -> frozenset[str]:
    variables = auth.entries.get("variables")
    if not isinstance(variables, MapNode):
        return frozenset()
    return frozenset(name for name, node in variables.entries.items() if _holds_secret(node))


def _holds_secret(node: AnyNode) -> bool:
    if not isinstance(node, Scalar):
        return True
    if isinstance(node.value, Interpolated):
        return any(isinstance(part, Secret) for part in node.value.parts) or node.value.missing is not None
    return isinstance(node.value, Secret)


def _text(node: AnyNode) -> str:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
