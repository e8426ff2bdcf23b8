"""Where a provider is: scheme, host and port."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """RFC 6454 origin; `host` is without the brackets of an IPv6 address."""

    scheme: str
    host: str
    port: int

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @cached_property
    def authority(self) -> str:
        """As in a Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @cached_property
    def text(self) -> str:
        """As in a URL: `https://api.example.com`."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.text


def split_url(url: str) -> tuple[Origin, str]:
    """The origin, and the rest of the URL as raw text ("/v1/x?y"; empty if there is none).

    For URLs that configuration has checked; raises ValueError for one that has no http(s) origin.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("not an absolute http or https URL")
    origin = Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
    return origin, url.split("://", 1)[1].removeprefix(parts.netloc)
