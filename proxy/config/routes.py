"""The routes of the configuration, and whether they fit to their providers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from proxy.config.exact import validated
from proxy.config.models import ProviderSettings, RouteSettings
from proxy.config.nodes import AnyNode, MapNode, Scalar
from proxy.config.problems import Place, Report, suggestion
from proxy.config.sources import Sources
from proxy.target import canonical
from proxy.template import Template

_LINE_BREAKING = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_route(
    prefix: str, node: AnyNode, declared: Iterable[str], sources: Sources, report: Report
) -> RouteSettings | None:
    """The route's settings, or None after its mistakes went to the report. `declared` are the providers' names."""
    whole = _written_out(prefix, node, report)
    route = None if whole is None else validated(RouteSettings, whole, sources, report)
    if whole is None:
        return None
    _check_provider(whole.entries.get("provider"), tuple(declared), report)
    if route is not None:
        _check_route(route, whole, report)
    return route


def check_collisions(
    routes: Mapping[str, RouteSettings], nodes: MapNode, providers: Mapping[str, ProviderSettings], report: Report
) -> None:
    """Report what a route sets although the provider's credential sets it: it would be dropped in silence."""
    for prefix, route in routes.items():
        provider = providers.get(route.provider)
        if provider is None:
            continue
        for key, names, injected in (
            ("headers", route.headers, provider.scheme.injected_headers),
            ("query", route.query, provider.scheme.injected_query),
        ):
            for name in names:
                if canonical(name) in injected:
                    place = _inner_place(nodes.entries[prefix], key, name)
                    report.error(place, "the provider's credential sets this; a route cannot")


def _written_out(prefix: str, node: AnyNode, report: Report) -> MapNode | None:
    """The long form, with the prefix among its keys."""
    if isinstance(node, Scalar):
        if not isinstance(node.value, str):
            report.error(node.place, "expected a provider's name, or a mapping with `provider`")
            return None
        node = MapNode(node.place, node.key, {"provider": node})
    if not isinstance(node, MapNode):
        report.error(node.place, "expected a provider's name, or a mapping with `provider`")
        return None
    if "prefix" in node.entries:
        report.error(node.entries["prefix"].key, "unknown key; the prefix is the route's own key")
    return node.with_entries({"prefix": Scalar(node.key, node.key, prefix)})


def _check_provider(named: AnyNode | None, declared: tuple[str, ...], report: Report) -> None:
    if isinstance(named, Scalar) and isinstance(named.value, str) and named.value not in declared:
        report.error(named.place, f"no provider has this name{suggestion(named.value, declared)}")


def _check_route(route: RouteSettings, whole: MapNode, report: Report) -> None:
    if route.methods is not None and not route.methods:
        report.error(whole.entries["methods"].key, "an empty list allows no method; leave it out to allow all")
    for name in route.headers:
        if route.traceparent == "make" and canonical(name) in ("traceparent", "tracestate"):
            report.error(
                _inner_place(whole, "headers", name), "with `traceparent: make` the route makes this one itself"
            )
    for key, templates in (("headers", route.headers), ("query", route.query)):
        seen: set[str] = set()
        for name, template in templates.items():
            place = _inner_place(whole, key, name)
            if canonical(name) in seen:
                report.error(place, "given twice, in another spelling")
            elif message := _mistake(key, template):
                report.error(place, message)
            seen.add(canonical(name))


def _mistake(key: str, template: Template) -> str | None:
    if template.names:
        return "a route's text has no places to fill in ({{...}}); it may hold ${NAME}"
    if key == "headers" and _LINE_BREAKING.search(template.render({})):
        return "a header cannot hold a line break or another control character"
    return None


def _inner_place(route: AnyNode, key: str, name: str) -> Place:
    assert isinstance(route, MapNode)
    inner = route.entries[key]
    assert isinstance(inner, MapNode)
    return inner.entries[name].place
