"""A configuration file as settings, or as the list of everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.config.callers import check_callers, check_clients, check_unmoved
from proxy.config.exact import validated
from proxy.config.models import ProviderSettings, RouteSettings, ServerSettings, Settings, TokenStoreSettings
from proxy.config.nodes import AnyNode, MapNode, Scalar
from proxy.config.problems import Place, Report, suggestion
from proxy.config.providers import read_provider
from proxy.config.routes import check_collisions, read_route
from proxy.config.sources import Sources
from proxy.config.syntax import read_text
from proxy.config.texts import interpolated
from proxy.config.token_store import check_token_store
from proxy.config.yaml12 import compose

SECTIONS = ("server", "tokens", "providers", "routes")
_VARIABLES = {"listen": "AUTHPROXY_LISTEN", "admin": "AUTHPROXY_ADMIN"}


def load(
    path: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, str] | None = None,
    running: Settings | None = None,
) -> Settings:
    """Read, check and resolve a configuration.

    `overrides` are the values of the options `listen` and `admin`; they beat AUTHPROXY_LISTEN and
    AUTHPROXY_ADMIN in `environ`, which beat the file. For a proxy that is `running`, a change that it cannot make
    without a restart is a mistake. Raises ConfigError with every mistake found.
    """
    report = Report(str(path))
    report.reads(path)
    text = read_text(path)
    root = compose(text, report)
    if root is None:
        if not report.errors:
            report.error(Place(), "is empty; `providers` and `routes` are needed")
        report.raise_errors()
    if not isinstance(root, MapNode):
        report.error(Place(), "expected a mapping with `providers` and `routes`")
        report.raise_errors()
    assert isinstance(root, MapNode)
    document = interpolated(root, environ, report)
    assert isinstance(document, MapNode)
    sources = Sources(folder=path.parent, environ=environ, report=report)
    return _Reading(document, sources, report, running).settings(path, environ, overrides or {})


def section_keys(path: Path, section: str) -> list[str]:
    """What is declared in a section, whatever else is wrong with the file. Raises ConfigError if it cannot be read."""
    root = compose(read_text(path), Report(str(path)))
    node = root.entries.get(section) if isinstance(root, MapNode) else None
    return list(node.entries) if isinstance(node, MapNode) else []


def admin_address(path: Path, environ: Mapping[str, str]) -> str:
    """Where the admin listener should be, whatever else is wrong with the file, and without a look at any secret.

    Raises ConfigError if the file cannot be read as YAML.
    """
    report = Report(str(path))
    root = compose(read_text(path), report)
    report.raise_errors()
    server = root.entries.get("server") if isinstance(root, MapNode) else None
    written = server.entries.get("admin") if isinstance(server, MapNode) else None
    if written is None:
        return ServerSettings().admin or ""
    found = interpolated(written, environ, report)
    report.raise_errors()
    return str(found.value) if isinstance(found, Scalar) else ""


class _Reading:
    """The sections one by one, into one report."""

    def __init__(self, document: MapNode, sources: Sources, report: Report, running: Settings | None) -> None:
        self._running = running
        self._document = document
        self._sources = sources
        self._report = report

    def settings(self, path: Path, environ: Mapping[str, str], overrides: Mapping[str, str]) -> Settings:
        for key, node in self._document.entries.items():
            if key not in SECTIONS:
                moved = "; clients belong under `server`" if key == "clients" else suggestion(key, SECTIONS)
                self._report.error(node.key, f"unknown key{moved}")
        server = self._server(environ, overrides)
        tokens = self._tokens()
        providers = self._providers()
        routes = self._routes(providers)
        if server is not None:
            check_clients(server, self._optional("server"), self._declared("routes"), self._report)
        self._report.raise_errors()
        assert server is not None and tokens is not None
        return Settings(
            source=path,
            server=server,
            tokens=tokens,
            providers=providers,
            routes=tuple(routes.values()),
            warnings=self._report.warnings,
            files=self._report.files,
        )

    def _server(self, environ: Mapping[str, str], overrides: Mapping[str, str]) -> ServerSettings | None:
        node = self._optional("server")
        for key, variable in _VARIABLES.items():
            value, origin = (overrides[key], f"--{key}") if key in overrides else (environ.get(variable), variable)
            if value and isinstance(node, MapNode):
                place = Place(path=f"server.{key}", origin=origin)
                node = node.with_entries({key: Scalar(place, place, value)})
        server = validated(ServerSettings, node, self._sources, self._report)
        if server is not None and isinstance(node, MapNode):
            check_callers(server, node, self._report)
            if self._running is not None:
                check_unmoved(server, self._running.server, node, self._report)
        return server

    def _tokens(self) -> TokenStoreSettings | None:
        node = self._optional("tokens")
        tokens = validated(TokenStoreSettings, node, self._sources, self._report)
        if tokens is not None:
            running = None if self._running is None else self._running.tokens
            check_token_store(tokens, running, node, self._report)
        return tokens

    def _providers(self) -> dict[str, ProviderSettings]:
        providers = {}
        for name, node in self._required("providers").entries.items():
            provider = read_provider(name, node, self._sources, self._report)
            if provider is not None:
                providers[name] = provider
        return providers

    def _routes(self, providers: Mapping[str, ProviderSettings]) -> dict[str, RouteSettings]:
        names = self._declared("providers")
        nodes, routes = self._required("routes"), {}
        for prefix, node in nodes.entries.items():
            route = read_route(prefix, node, names, self._sources, self._report)
            if route is not None:
                routes[prefix] = route
        check_collisions(routes, nodes, providers, self._report)
        for name in set(providers) - {route.provider for route in routes.values()}:
            self._report.warn(names[name].key, "no route leads to this provider")
        return routes

    def _required(self, section: str) -> MapNode:
        """The section's mapping; an empty one if it is missing, after that was reported."""
        node = self._document.entries.get(section)
        if isinstance(node, MapNode) and node.entries:
            return node
        if node is None:
            self._report.error(Place(path=section, is_absent=True), "is required")
        elif isinstance(node, MapNode) or (isinstance(node, Scalar) and node.value is None):
            self._report.error(node.key, "is empty; at least one is needed")
        else:
            self._report.error(node.place, "expected a mapping")
        return MapNode(Place(path=section), Place(path=section))

    def _declared(self, section: str) -> Mapping[str, AnyNode]:
        """What stands in the section, whether or not it is right."""
        node = self._document.entries.get(section)
        return node.entries if isinstance(node, MapNode) else {}

    def _optional(self, section: str) -> AnyNode:
        place = Place(path=section)
        node = self._document.entries.get(section)
        return MapNode(place, place) if node is None else node
