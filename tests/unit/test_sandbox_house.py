"""The sandbox shares no line with what it judges."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import proxy.sandbox

ALLOWED = {"aiohttp", "jwt", "eth_account", "eth_keys", "cryptography", "proxy.sandbox"}


def test_imports_only_the_standard_library_and_what_verifies() -> None:
    """A room that must catch the mistakes of the schemes may not import one of them."""
    for path in Path(proxy.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module or ""]
            for name in names:
                top = ".".join(name.split(".")[:2]) if name.startswith("proxy") else name.split(".")[0]
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"
