"""TLS: the system's trust, TLS 1.2 or newer, no switch that turns verification off; and who ended a connection."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path


def tls_context(
    ca_file: Path | None = None, client_cert: Path | None = None, client_key: Path | None = None
) -> ssl.SSLContext:
    """A context that verifies certificate and host name.

    `ca_file` replaces the system's store (which honours SSL_CERT_FILE). Raises OSError or ssl.SSLError for
    files that cannot be read or used.
    """
    # Not ssl.create_default_context(): that one writes session keys wherever SSLKEYLOGFILE points.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=ca_file)
    if client_cert is not None:
        context.load_cert_chain(client_cert, client_key)
    return context


def said_farewell(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side ended the connection itself; to be asked behind an end of file.

    Over TLS it says so by close_notify. Without that the end may be anybody's doing (RFC 9112 §9.8), and what has no
    other end is not known to be whole. The event loops differ in whether they tell of such an end.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
