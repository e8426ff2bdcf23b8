"""Of aiohttp only what is needed here: its C parsers, and its server's connection.

Its package imports all of its client and its web framework on the way to either, which would be a fifth of this
process's memory and a third of its start. So the package is entered without that; whoever asks it for more later, as
the emulators do, gets all of it. A version in which the parts do not stand on their own is imported as a whole.
"""

from __future__ import annotations

import re
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


def _enter() -> None:
    spec = find_spec("aiohttp")
    if "aiohttp" in sys.modules or spec is None or spec.loader is None or spec.origin is None:
        return
    stated = _VERSION.search(Path(spec.origin).read_text(encoding="utf-8"))
    if stated is None:
        return
    package = sys.modules["aiohttp"] = module_from_spec(spec)
    package.__dict__["__version__"] = stated[1]
    try:
        import aiohttp.http_parser
        import aiohttp.web_request
        import aiohttp.web_response
        import aiohttp.web_server  # noqa: F401
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "aiohttp"]:
            del sys.modules[name]
        return
    package.__dict__["__getattr__"] = _completion(spec, package)


def _completion(spec: ModuleSpec, package: ModuleType) -> Any:
    def complete(name: str) -> Any:
        """Called by Python for a name that the package does not have (PEP 562)."""
        if "__getattr__" not in package.__dict__ or name.startswith("__"):
            raise AttributeError(name)
        del package.__dict__["__getattr__"]
        assert spec.loader is not None
        spec.loader.exec_module(package)
        return getattr(package, name)

    return complete


_enter()

from aiohttp import __version__ as aiohttp_version
from aiohttp import http_parser
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import (
    HttpRequestParser,
    HttpResponseParser,
    RawRequestMessage,
    RawResponseMessage,
)
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

__all__ = [
    "BadHttpMessage",
    "BaseProtocol",
    "BaseRequest",
    "HttpProcessingError",
    "HttpRequestParser",
    "HttpResponseParser",
    "LineTooLong",
    "RawRequestMessage",
    "RawResponseMessage",
    "RequestHandler",
    "Response",
    "Server",
    "StreamResponse",
    "aiohttp_version",
    "http_parser",
]
