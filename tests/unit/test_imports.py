"""What a running proxy has in memory of others' code, and what it has not."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each of them megabytes, and of use to some configurations or commands only.
NOT_FOR_EVERYONE = (
    "jwt", "cryptography", "eth_account", "eth_keys", "redis", "aiohttp.client", "aiohttp.connector", "aiohttp.web_app",
    "proxy.explain.explanation", "proxy.sandbox", "proxy.trial.trial",
)  # fmt: skip


def said(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_the_proxy_holds_nothing_in_memory_that_only_some_need() -> None:
    script = f"""
import sys
import proxy.commands.run
print([name for name in {NOT_FOR_EVERYONE} if name in sys.modules])
"""
    assert said(script) == "[]"


def test_whoever_wants_more_of_aiohttp_gets_all_of_it_and_the_same_classes() -> None:
    script = """
from proxy.wire.aiohttp_parts import RequestHandler, Response
import aiohttp
before = aiohttp.hdrs.HOST
assert issubclass(aiohttp.ClientSession, object)
from aiohttp import web
assert (web.RequestHandler, web.Response, aiohttp.hdrs.HOST) == (RequestHandler, Response, before)
assert not hasattr(aiohttp, "no such name")
print(aiohttp.__version__ == __import__("importlib.metadata").metadata.version("aiohttp"))
"""
    assert said(script) == "True"


def test_it_is_the_same_where_aiohttp_was_imported_before() -> None:
    script = """
import aiohttp.web
from proxy.wire.aiohttp_parts import RequestHandler
print(aiohttp.web.RequestHandler is RequestHandler)
"""
    assert said(script) == "True"


@pytest.mark.parametrize("change", ["client_exceptions = None", "web_server = None"])
def test_a_version_whose_parts_do_not_stand_alone_is_imported_whole(change: str) -> None:
    """`None` in sys.modules is an ImportError; here until the package itself is executed."""
    name = change.partition(" ")[0]
    script = f"""
import sys
from importlib.machinery import SourceFileLoader

class Whole(SourceFileLoader):
    def exec_module(self, module):
        sys.modules.pop("aiohttp.{name}", None)
        super().exec_module(module)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            spec = next(filter(None, (other.find_spec(name, path) for other in sys.meta_path[1:])))
            spec.loader = Whole(name, spec.origin)
            return spec

sys.meta_path.insert(0, Finder())
sys.modules["aiohttp.{name}"] = None
from proxy.wire.aiohttp_parts import RequestHandler
print("aiohttp.client" in sys.modules, RequestHandler.__module__)
"""
    assert said(script) == "True aiohttp.web_protocol"
