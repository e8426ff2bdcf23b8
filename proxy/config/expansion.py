"""A provider with a preset, written out in full.

What the user wrote keeps its place on the way, so that a mistake in a parameter is told at the user's line,
wherever the preset puts it. What the preset says stands at the place of the `preset:` key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from proxy.config.exact import validated
from proxy.config.nodes import AnyNode, ListNode, MapNode, Scalar, key_path, overlaid, placed, plain, spot, walk
from proxy.config.presets import KINDS, Parameter, Preset
from proxy.config.problems import Place, Report, listed
from proxy.config.sources import Sources
from proxy.secret import Secret
from proxy.template import Template

_EMBEDDABLE = frozenset({"name", "integer"})
_EMBEDDED = re.compile(r"\$(\w+)")
Arguments = dict[str, AnyNode]


def expanded(preset: Preset, provider: MapNode, sources: Sources, report: Report) -> MapNode:
    """The provider's keys without `preset` and parameters; mistakes in parameters go to the report."""
    place = replace(provider.entries["preset"].place, path=provider.place.path)
    arguments = _arguments(preset, provider, place, sources, report)
    body = placed(preset.provider, place)
    for variant in preset.variants:
        if all(name in arguments and plain(arguments[name]) == value for name, value in variant.when.items()):
            body = _laid_over(body, placed(variant.provider, place))
    filled = _filled(body, preset, arguments)
    assert filled is not None
    whole = _laid_over(filled, provider.without("preset", *preset.parameters))
    assert isinstance(whole, MapNode)
    return _with_variables(whole, preset, arguments)


def _arguments(preset: Preset, provider: MapNode, place: Place, sources: Sources, report: Report) -> Arguments:
    """A node for every parameter that has a value; secrets are already resolved."""
    arguments: Arguments = {}
    before = len(report.errors)
    for name, parameter in preset.parameters.items():
        if name in provider.entries:
            arguments[name] = _checked(parameter, provider.entries[name], sources, report)
        elif parameter.default is not None:
            arguments[name] = placed(parameter.default, replace(place, path=key_path(place.path, name)))
        elif parameter.required:
            _report_missing(name, provider, f"is required by the preset `{preset.name}`", report)
    if preset.require_one_of and not any(name in arguments for name in preset.require_one_of):
        words = f"the preset `{preset.name}` requires {listed(preset.require_one_of)}"
        _report_missing(preset.require_one_of[0], provider, words, report)
    if len(report.errors) > before:
        report.silence(place)
    return arguments


def _checked(parameter: Parameter, node: AnyNode, sources: Sources, report: Report) -> AnyNode:
    # An identifier that is not written out is found where secrets are.
    is_elsewhere = parameter.kind == "identifier" and isinstance(node, MapNode)
    value = validated(Secret if is_elsewhere else KINDS[parameter.kind], node, sources, report)
    return Scalar(spot(node), node.key, value) if isinstance(value, Secret) else node


def _report_missing(name: str, provider: MapNode, message: str, report: Report) -> None:
    report.error(replace(provider.key, path=key_path(provider.place.path, name)), message)


def _laid_over(below: AnyNode, above: AnyNode) -> AnyNode:
    """As `overlaid`; an `auth` with another scheme replaces the one below, which fits only its own."""
    merged = overlaid(below, above)
    theirs, ours = _auth(below), _auth(above)
    if not isinstance(merged, MapNode) or theirs is None or ours is None or "scheme" not in ours.entries:
        return merged
    is_same = plain(ours.entries["scheme"]) == plain(theirs.entries["scheme"])
    return merged if is_same else merged.with_entries({"auth": ours})


def _auth(node: AnyNode) -> MapNode | None:
    auth = node.entries.get("auth") if isinstance(node, MapNode) else None
    return auth if isinstance(auth, MapNode) else None


def _filled(node: AnyNode, preset: Preset, arguments: Arguments) -> AnyNode | None:
    """The preset's text with every `$name` replaced; None for one that has no value."""
    if isinstance(node, MapNode):
        entries = {key: _filled(entry, preset, arguments) for key, entry in node.entries.items()}
        return replace(node, entries={key: entry for key, entry in entries.items() if entry is not None})
    if isinstance(node, ListNode):
        items = (_filled(item, preset, arguments) for item in node.items)
        return replace(node, items=tuple(item for item in items if item is not None))
    if not isinstance(node.value, str):
        return node
    name = node.value[1:] if node.value.startswith("$") else None
    if name in preset.parameters:
        return arguments.get(name)
    return replace(node, value=_EMBEDDED.sub(lambda match: _embedded(match, preset, arguments), node.value))


def _embedded(match: re.Match[str], preset: Preset, arguments: Arguments) -> str:
    parameter, argument = preset.parameters.get(match[1]), arguments.get(match[1])
    if parameter is None or parameter.kind not in _EMBEDDABLE or not isinstance(argument, Scalar):
        return match[0]
    return str(argument.value)


def _with_variables(provider: MapNode, preset: Preset, arguments: Arguments) -> MapNode:
    """Each parameter that a text of `auth` names becomes a variable of the scheme."""
    auth = _auth(provider)
    if auth is None:
        return provider
    used = {name for node in walk(auth) for name in _places(node)}
    variables: Arguments = {
        name: _as_text(arguments[name])
        for name in preset.parameters
        if name in used and isinstance(arguments.get(name), Scalar)
    }
    if not variables:
        return provider
    below = MapNode(auth.place, auth.key, variables)
    merged = overlaid(below, auth.entries["variables"]) if "variables" in auth.entries else below
    return provider.with_entries({"auth": auth.with_entries({"variables": merged})})


def _places(node: AnyNode) -> Iterator[str]:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        # `hmac.name` is made of the variable `name`.
        yield from (name.rpartition(".")[2] for name in Template.parse(node.value).names)


def _as_text(node: AnyNode) -> AnyNode:
    if isinstance(node, Scalar) and isinstance(node.value, int):
        return replace(node, value=str(node.value).lower())
    return node
