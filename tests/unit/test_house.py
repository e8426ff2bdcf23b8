"""Whom each room of `proxy/` may know, and what no room may hold.

A rule is a line in a table here. Whoever needs a new acquaintance for a room changes the table, on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "proxy"

# Knows nobody above itself. `proxy` alone is the version.
FOUNDATION = {
    "proxy": set(),
    "proxy.errors": set(),
    "proxy.clock": set(),
    "proxy.target": set(),
    "proxy.duration": set(),
    "proxy.strict_json": set(),
    "proxy.vendor_clock": {"proxy.clock"},
    "proxy.hosts": set(),
    "proxy.allocator": set(),
    "proxy.memory": set(),
    "proxy.listening": set(),
    "proxy.passed_sockets": {"proxy.listening"},
    "proxy.stamps": set(),
    "proxy.request_id": set(),
    "proxy.background": set(),
    "proxy.watching": {"proxy.background", "proxy.stamps"},
    "proxy.asking": set(),
    "proxy.whereabouts": set(),
    "proxy.traffic": set(),
    "proxy.store_metrics": set(),
    "proxy.state_metrics": set(),
    "proxy.exposition": set(),
    "proxy.loglines": set(),
    "proxy.logstream": set(),
    "proxy.secret": set(),
    "proxy.template": {"proxy.secret"},
    "proxy.rendering": {"proxy.secret", "proxy.template"},
    "proxy.metrics": {
        "proxy.errors",
        "proxy.exposition",
        "proxy.state_metrics",
        "proxy.store_metrics",
        "proxy.traffic",
    },
    "proxy.logs": {"proxy.loglines", "proxy.logstream", "proxy.secret"},
}
_CORE = {
    "proxy",
    "proxy.errors",
    "proxy.secret",
    "proxy.clock",
    "proxy.template",
    "proxy.rendering",
    "proxy.target",
    "proxy.hosts",
    "proxy.duration",
    "proxy.strict_json",
    "proxy.vendor_clock",
    "proxy.stamps",
}
_GATEWAY = {"proxy.gateway", "proxy.upstream", "proxy.wire", "proxy.schemes.base", "proxy.schemes.fields"}
_APP = {*_CORE, *FOUNDATION, "proxy.config", "proxy.tokens", "proxy.schemes", "proxy.upstream", "proxy.gateway"}

# The module, or the package with all that is in it -> what it may import of the house beside itself.
ROOMS: dict[str, set[str]] = {
    **FOUNDATION,
    "proxy.presets": set(),
    "proxy.sandbox": set(),
    "proxy.wire": {"proxy.errors"},
    "proxy.upstream": {"proxy.errors", "proxy.wire"},
    "proxy.tokens": {*_CORE, "proxy.background"},
    "proxy.schemes": set(),
    "proxy.schemes.requirements": _CORE,
    "proxy.schemes.fields": _CORE,
    "proxy.schemes.base": {*_CORE, "proxy.tokens", "proxy.schemes.fields", "proxy.schemes.requirements"},
    "proxy.gateway": {*_CORE, *_GATEWAY, "proxy.listening", "proxy.request_id"},
    "proxy.config": {*_CORE, "proxy.listening", "proxy.schemes", "proxy.tokens", "proxy.presets"},
    "proxy.journal": {"proxy.errors"},
    "proxy.admin": {
        "proxy",
        "proxy.clock",
        "proxy.hosts",
        "proxy.journal",
        "proxy.listening",
        "proxy.metrics",
        "proxy.secret",
        "proxy.wire.aiohttp_parts",
    },
    # Where the rooms meet: these know several, and only the app and the commands know these.
    "proxy.tracing": {*_CORE, "proxy.background", "proxy.config.tracing", "proxy.gateway", "proxy.tokens"},
    "proxy.ledger": {*FOUNDATION, "proxy.explain.reasons", "proxy.gateway", "proxy.journal", "proxy.tracing.tracing"},
    "proxy.trust": {"proxy.config", "proxy.stamps", "proxy.upstream"},
    "proxy.assembly": {*_APP, "proxy.trust"},
    "proxy.serving": {*FOUNDATION, "proxy.admin", "proxy.config", "proxy.gateway", "proxy.wire.selfcheck"},
    "proxy.reloading": {*FOUNDATION, "proxy.admin.actions", "proxy.config", "proxy.trust"},
    "proxy.tending": {"proxy.allocator", "proxy.clock", "proxy.journal", "proxy.tokens"},
    "proxy.ending": set(),
    "proxy.token_control": {"proxy.admin.actions", "proxy.assembly", "proxy.tokens"},
    "proxy.snapshot": {*_APP, "proxy.admin.status", "proxy.assembly", "proxy.reloading", "proxy.serving"},
    "proxy.readings": {*_APP, "proxy.admin.status", "proxy.assembly", "proxy.serving"},
    "proxy.explain": {*_APP, "proxy.assembly"},
    "proxy.trial": {*_APP, "proxy.assembly", "proxy.trust"},
    "proxy.scaffold": {"proxy.config"},
    "proxy.child": {*_APP, "proxy.app"},
    "proxy.app": {
        *_APP,
        "proxy.admin",
        "proxy.assembly",
        "proxy.ending",
        "proxy.journal",
        "proxy.ledger",
        "proxy.readings",
        "proxy.reloading",
        "proxy.serving",
        "proxy.snapshot",
        "proxy.tending",
        "proxy.token_control",
        "proxy.tracing",
    },
    "proxy.demo": {*_APP, "proxy.app", "proxy.sandbox"},
    "proxy.operating": {"proxy.admin.status", "proxy.asking", "proxy.whereabouts"},
    "proxy.terminal": {*_CORE, "proxy.config", "proxy.tokens.stores.store", "proxy.operating", "proxy.whereabouts"},
    "proxy.commands": {
        *_APP,
        "proxy.app",
        "proxy.assembly",
        "proxy.demo",
        "proxy.explain",
        "proxy.operating",
        "proxy.child",
        "proxy.scaffold",
        "proxy.trial",
        "proxy.terminal",
        "proxy.tracing",
    },
    "proxy.cli": {"proxy", "proxy.commands"},
    "proxy.__main__": {"proxy.cli"},
}

_SCHEME = {*_CORE, "proxy.tokens", "proxy.schemes.base", "proxy.schemes.fields", "proxy.schemes.requirements"}
# A scheme knows no other scheme, only parts that several are made of.
_PARTS = {
    "dating": set(),
    "derived_key": set(),
    "graphql": set(),
    "guest": {"graphql"},
    "jws": {"derived_key"},
    "keyed_hash": set(),
    "oauth2_client": {"dating", "jws", "token_bearing"},
    "signed_claims": {"derived_key", "jws"},
    "moments": set(),
    "signer": {"moments", "signing_heads", "signing_scope"},
    "signing_heads": {"signing_scope"},
    "signing_scope": set(),
    "siwe": {"signing_scope"},
    "string_to_sign": set(),
    "token_bearing": set(),
}
_SCHEMES = {
    "static": set(),
    "jwt": {"dating", "signed_claims", "token_bearing"},
    "hmac_signature": {
        "dating",
        "derived_key",
        "keyed_hash",
        "signer",
        "signing_heads",
        "signing_scope",
        "string_to_sign",
        "token_bearing",
    },
    "token_exchange": {"dating", "guest", "jws", "signed_claims", "siwe", "token_bearing"},
    "oauth2_client_credentials": {"oauth2_client"},
    "oauth2_refresh_token": {"oauth2_client"},
}
for _name, _known in (_PARTS | _SCHEMES).items():
    ROOMS[f"proxy.schemes.{_name}"] = _SCHEME | {f"proxy.schemes.{part}" for part in _known}
# The registry is the one place that knows them all.
ROOMS["proxy.schemes.registry"] = {"proxy.schemes.base", *(f"proxy.schemes.{name}" for name in _SCHEMES)}

# What comes from outside and is one room's business.
RESERVED = {
    "yaml": ("proxy.config",),
    "aiohttp": ("proxy.wire.aiohttp_parts", "proxy.sandbox"),
    "prometheus_client": (
        "proxy.exposition",
        "proxy.metrics",
        "proxy.state_metrics",
        "proxy.store_metrics",
        "proxy.traffic",
    ),
    "click": ("proxy.cli", "proxy.commands", "proxy.terminal"),
    "cachetools": ("proxy.tokens",),
    "redis": ("proxy.tokens.stores",),
    "opentelemetry": ("proxy.tracing",),
    "keyring": ("proxy.tokens.stores",),
    "eth_account": ("proxy.sandbox",),
    "eth_keys": ("proxy.schemes.siwe", "proxy.sandbox"),
}
READS_THE_ENVIRONMENT = ("proxy.config", "proxy.commands", "proxy.terminal")

# Of the presets' vendors those whose names mean nothing else.
VENDORS = re.compile(
    r"wyre|defactor|io\.?finnet|get_?original|original[-_]sdk|one45|hasura|openai|anthropic|gitlab|atlassian|twilio|"
    r"sendgrid|mailgun|datadog|shopify|paypal|salesforce|zendesk|hubspot|dropbox|binance|bybit|bitmex|kucoin|coinbase",
    re.IGNORECASE,
)
NAMES_VENDORS = ("proxy.presets", "proxy.sandbox")

MAX_LINES = 200
LONG_FILES = {
    "proxy/errors.py": "a list: one short class for each answer that the proxy makes itself",
    "proxy/template.py": "one idea in three shapes, text, secret text and JSON, that share their parsing",
    "proxy/metrics.py": "a list: one short method for each thing that is counted",
    "proxy/tokens/credential.py": "all that may change a credential's state, side by side; decisions stand elsewhere",
    "proxy/config/models.py": "a list: the keys of each section, and what they become",
    "proxy/gateway/caller.py": "all that may change the state of a caller's connection, side by side",
    "proxy/upstream/connection.py": "all that may change the state of a vendor's connection, side by side",
    "proxy/schemes/base.py": "the contract of every scheme: mostly what its words mean",
}


def house_files() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in house_files()}


def imported(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Every module that a source imports, at whatever depth of the code, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in MODULES else base


def within(module: str, rooms: Iterable[str]) -> bool:
    return any(module == room or (room != "proxy" and module.startswith(f"{room}.")) for room in rooms)


def room_of(module: str) -> str:
    """The most particular line of the table that speaks of a module."""
    fitting = [room for room in ROOMS if within(module, [room])]
    assert fitting, f"{module} belongs to no room: add it to ROOMS"
    return max(fitting, key=len)


def trespasses(source: str, module: str, *, is_package: bool = False) -> list[str]:
    room = room_of(module)
    # Schemes are no part of each other: each has a line of its own.
    own = [room] if not room.startswith("proxy.schemes") else []
    found = []
    for name in imported(source, module, is_package=is_package):
        top = name.partition(".")[0]
        is_foreign = top == "proxy" and not allowed_to_know(name, [*own, *ROOMS[room]])
        is_reserved = top in RESERVED and not within(module, RESERVED[top])
        if is_foreign or is_reserved:
            found.append(f"{module} imports {name}")
    return found


def allowed_to_know(name: str, known: list[str]) -> bool:
    # `proxy.schemes` in a list means the registry and all schemes; only config and the app have it.
    return within(name, known)


@pytest.mark.parametrize("path", house_files(), ids=module_of)
def test_a_room_knows_only_whom_it_may_know(path: Path) -> None:
    assert trespasses(path.read_text(), module_of(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("proxy.errors", "from proxy.secret import Secret"),
        ("proxy.template", "from proxy.schemes.base import AuthScheme"),
        ("proxy.metrics", "import proxy.gateway.route"),
        ("proxy.schemes.jwt", "from proxy.schemes.static import Static"),
        ("proxy.schemes.jwt", "from .static import Static"),
        ("proxy.schemes.jwt", "from proxy.schemes.registry import SCHEMES"),
        ("proxy.schemes.jwt", "def later():\n    import aiohttp.web"),
        ("proxy.schemes.static", "from proxy.gateway import guard"),
        ("proxy.tokens.cache", "from aiohttp import ClientSession"),
        ("proxy.tokens.cache", "from proxy import config"),
        ("proxy.tokens.cache", "from proxy.schemes import base"),
        ("proxy.upstream.pool", "from proxy.secret import Secret"),
        ("proxy.gateway.forward", "from proxy.schemes.hmac_signature import HmacSignature"),
        ("proxy.gateway.forward", "from proxy.schemes.registry import scheme_name"),
        ("proxy.gateway.forward", "from proxy.config.models import Settings"),
        ("proxy.gateway.forward", "from proxy.app import App"),
        ("proxy.admin.server", "from proxy.gateway.guard import Guard"),
        ("proxy.sandbox.wire", "from proxy.template import Template"),
        ("proxy.sandbox.wire", "from proxy import __version__"),
        ("proxy.app", "import yaml"),
        ("proxy.assembly", "from proxy.app import App"),
    ],
)
def test_a_trespass_is_noticed(module: str, source: str) -> None:
    """The rules above are worth something only if breaking one fails."""
    assert trespasses(source, module) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("proxy.schemes.jwt", "from proxy.schemes.base import AuthScheme\nfrom proxy.tokens.token import Token"),
        ("proxy.schemes.jwt", "from .base import AuthScheme"),
        ("proxy.gateway.forward", "from proxy.schemes.base import Injection\nfrom proxy.gateway import guard"),
        ("proxy.sandbox.wire", "from proxy.sandbox import emulator\nimport aiohttp"),
        ("proxy.cli", "from proxy import __version__"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert trespasses(source, module) == []


def test_nobody_imports_by_name_at_run_time() -> None:
    """An import that no reader and no table can see."""
    for path in house_files():
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "attr", getattr(node, "id", ""))
            assert name not in ("import_module", "__import__"), path


def environment_readings(source: str) -> list[int]:
    """The lines that touch os.environ or one of its relatives."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
    ]


def test_only_config_and_the_commands_read_the_environment() -> None:
    assert environment_readings("import os\nx = os.environ['A']") == [2]
    assert environment_readings("from os import getenv") == [1]
    for path in house_files():
        if not within(module_of(path), READS_THE_ENVIRONMENT):
            assert environment_readings(path.read_text()) == [], path


def test_no_vendor_is_named_outside_presets_and_sandbox() -> None:
    """Neither in code nor in a docstring: what is true of one vendor belongs into its preset."""
    assert VENDORS.search("if vendor == 'Wyre'")
    assert not VENDORS.search("the original request")
    for path in sorted(HOUSE.rglob("*")):
        if path.suffix in (".py", ".html", ".css", ".js") and not within(module_of(path), NAMES_VENDORS):
            lines = path.read_text().splitlines()
            assert [line for line in lines if VENDORS.search(line)] == [], path


def test_presets_are_data_and_nothing_else() -> None:
    code = [path.name for path in (HOUSE / "presets").iterdir() if path.suffix == ".py" and path.read_text().strip()]
    assert code == []


def test_a_file_fits_in_the_head() -> None:
    """Longer than 200 lines only with a reason, and a reason only for what is long."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in house_files()}
    too_long = {name for name, lines in lengths.items() if lines > MAX_LINES}
    assert too_long - LONG_FILES.keys() == set()
    assert [name for name in LONG_FILES if lengths.get(name, 0) <= 150] == []


def test_every_module_says_what_it_is() -> None:
    for path in house_files():
        source = path.read_text()
        assert not source.strip() or ast.get_docstring(ast.parse(source)), path


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "process", "data", "info", "misc"])
def test_no_module_is_named_by_a_word_that_says_nothing(word: str) -> None:
    assert [path for path in house_files() if word in path.stem.split("_")] == []
