"""Names that a configuration gives: headers, query parameters, methods, route prefixes; and sizes."""

from __future__ import annotations

import re
from typing import Any

from proxy.config.problems import suggestion
from proxy.config.urls import url_path
from proxy.target import canonical

# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIZE = re.compile(r"(\d{1,15})\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)?")
_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}
METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY",
    "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
)  # fmt: skip
# Set anew for each connection (RFC 9110, section 7.6.1), or derived from the URL and the body.
RESERVED_HEADERS = frozenset({
    "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


def header_name(name: str) -> str:
    """A header that can be added to a request."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("not a header's name")
    if canonical(name) in RESERVED_HEADERS:
        raise ValueError("this header belongs to the connection and cannot be set")
    return name


def header_pattern(name: str) -> str:
    """A header's name for comparing, in canonical form; a `*` at the end stands for any ending."""
    if not _TOKEN.fullmatch(name) or "*" in name[:-1] or name == "*":
        raise ValueError("expected a header's name, or the beginning of one and `*`")
    return canonical(name)


def compared_header(name: str) -> str:
    """A header's name in canonical form."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("not a header's name")
    return canonical(name)


def parameter_name(name: str) -> str:
    """A query parameter's name, decoded."""
    if not name or not name.isprintable():
        raise ValueError("not a query parameter's name")
    return name


def compared_parameter(name: str) -> str:
    """A query parameter's name in canonical form."""
    return canonical(parameter_name(name))


def method(name: str) -> str:
    """A method that a route may allow."""
    if name.upper() in ("TRACE", "CONNECT"):
        raise ValueError("TRACE and CONNECT are never passed on")
    if name not in METHODS:
        raise ValueError(f"unknown method{suggestion(name, METHODS)}")
    return name


def client_name(name: str) -> str:
    """What the log calls a client."""
    if not _CLIENT.fullmatch(name):
        raise ValueError("a client's name is up to 64 letters, digits, `.`, `_` and `-`")
    return name


def route_prefix(prefix: str) -> str:
    """A path prefix as callers write it, without a trailing slash; `/` is every path."""
    if not prefix.startswith("/"):
        raise ValueError("a route begins with `/`")
    if "?" in prefix or "#" in prefix:
        raise ValueError("a route is a path; a query does not belong here")
    url_path(prefix)
    if prefix != "/" and prefix.endswith("/"):
        raise ValueError("a route has no slash at its end")
    return prefix


def size(value: Any) -> int:
    """Bytes, from a whole number or a text such as 16MiB."""
    amount = 0
    if isinstance(value, int) and not isinstance(value, bool):
        amount = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        amount = int(match[1]) * _UNITS[match[2] or "B"]
    if amount <= 0:
        raise ValueError("expected a size such as 512KiB or 16MiB")
    return amount
