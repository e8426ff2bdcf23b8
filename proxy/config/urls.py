"""URLs of providers, checked so strictly that every reader agrees on where they lead.

A credential goes to the host written here and nowhere else; so nothing is accepted that two parsers could
read in two ways. Errors are ValueErrors without the URL: it may hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

_URL = re.compile(r"(https?)://([^/?#\\@\s]*)(/[^?#\\\s]*)?", re.IGNORECASE)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")
_NUMERIC_END = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)")
# RFC 3986, section 3.3: what a path is made of, percent-encoding included.
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Url:
    """`host` is in lower case, IPv6 in brackets; `port` is None for the scheme's own; `path` has no trailing slash."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def is_private(self) -> bool:
        """Whether what is sent there can be read on the way by nobody else: HTTPS, or this machine."""
        return self.scheme == "https" or is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{'' if self.port is None else f':{self.port}'}{self.path}"


def parse_url(text: str) -> Url:
    """An absolute URL in normal form. Raises ValueError saying what is wrong, in general words."""
    if not text.isascii():
        raise ValueError("expected ASCII; write an international host name in its `xn--` form")
    if not text.isprintable() or " " in text:
        raise ValueError("a URL holds no spaces or control characters")
    if "?" in text or "#" in text:
        raise ValueError("a query or fragment does not belong here")
    if "@" in text:
        raise ValueError("a user name or password does not belong here; use `auth`")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("expected a URL such as https://api.example.com/v1")
    scheme = match[1].lower()
    host, port = host_and_port(match[2].lower())
    return Url(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port, url_path(match[3] or "").rstrip("/"))


def base_url(text: str) -> str:
    """A provider's base URL in normal form."""
    return str(parse_url(text))


def host_and_port(authority: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port` or `[IPv6]:port`, in lower case."""
    if authority.startswith("["):
        host, closing, rest = authority[1:].partition("]")
        try:
            parsed = ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("the IPv6 address in brackets is not valid") from None
        if not closing or parsed.scope_id is not None:
            raise ValueError("an IPv6 address stands in brackets and has no zone")
        host = f"[{parsed.compressed}]"
    else:
        host, colon, port = authority.partition(":")
        rest = colon + port
        _check_name(host)
    if not rest:
        return host, None
    if not re.fullmatch(r":[1-9]\d{0,4}", rest) or int(rest[1:]) > 65535:
        raise ValueError("the port must be a number from 1 to 65535")
    return host, int(rest[1:])


def _check_name(host: str) -> None:
    if _NUMERIC_END.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError("an IPv4 address is four decimal numbers") from None
    elif not _NAME.fullmatch(host):
        raise ValueError("the host name is not valid")


def url_path(path: str) -> str:
    """The path itself, if no server could read it as another one."""
    if not _PATH.fullmatch(path):
        raise ValueError("the path holds a character that must be percent-encoded")
    decoded = unquote(path)
    if "%" in decoded and re.search(r"%(25|2e|2f|5c)", decoded, re.IGNORECASE):
        raise ValueError("the path is encoded twice")
    if re.search(r"%2f|%5c", path, re.IGNORECASE):
        raise ValueError("the path holds an encoded slash")
    if not decoded.isprintable():
        raise ValueError("the path holds an encoded control character")
    if "//" in path:
        raise ValueError("the path holds an empty segment (`//`)")
    if any(segment.partition(";")[0] in (".", "..") for segment in decoded.split("/")):
        raise ValueError("the path holds a dot segment (`.` or `..`)")
    return path


def is_loopback(host: str) -> bool:
    """Whether the host, as `host_and_port` gives it, is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
