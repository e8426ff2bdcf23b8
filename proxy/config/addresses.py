"""Addresses to listen on, hosts and origins that callers may name."""

from __future__ import annotations

import re
from typing import Any

from proxy.config.urls import host_and_port, is_loopback, parse_url
from proxy.listening import PASSED

_HOW = "expected an address such as 127.0.0.1:8080, [::1]:8080 or unix:/run/authproxy.sock"


def socket_path(text: str) -> str:
    """The path of a socket file, as the kernel takes it (unix(7))."""
    if not re.fullmatch(r"/[^\x00]+", text) or len(text.encode("utf-8", "surrogateescape")) > 107:
        raise ValueError("expected an absolute path of at most 107 bytes")
    return text


def listen_address(text: str) -> str:
    """`host:port` in normal form (port 0 picks a free one), `unix:/path` or `systemd`."""
    if text == PASSED:
        return text
    if text.startswith("unix:"):
        try:
            return f"unix:{socket_path(text.removeprefix('unix:'))}"
        except ValueError:
            raise ValueError("expected unix: and an absolute path of at most 107 bytes") from None
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port):
        raise ValueError(_HOW)
    if host in ("", "*"):
        raise ValueError(f"{_HOW}; 0.0.0.0 is every IPv4 address of this machine, [::] every address")
    if int(port) == 0:
        return f"{host_and_port(host.lower())[0]}:0"
    host, number = host_and_port(f"{host.lower()}:{port}")
    return f"{host}:{number}"


def admin_address(value: Any) -> str | None:
    """As `listen_address`; `off` is None."""
    if not isinstance(value, str):
        raise ValueError(f"{_HOW}, or off")  # noqa: TRY004 - pydantic takes only a ValueError
    return None if value == "off" else listen_address(value)


def reaches_beyond_loopback(address: str) -> bool:
    """Whether other machines can connect to this listen address; of `systemd` that is known only when it is there."""
    return address != PASSED and not address.startswith("unix:") and not is_loopback(address.rpartition(":")[0])


def allowed_host(text: str) -> str:
    """A `Host` that callers may send: `name` or `name:port`, in lower case."""
    host, port = host_and_port(text.lower())
    return host if port is None else f"{host}:{port}"


def origin(text: str) -> str:
    """An exact web origin (RFC 6454), as browsers send it."""
    if text == "null" or "*" in text:
        raise ValueError("expected one exact origin; `null` and wildcards would let any page in")
    url = parse_url(text)
    if url.path or text.endswith("/"):
        raise ValueError("an origin ends behind the host and port")
    return str(url)
