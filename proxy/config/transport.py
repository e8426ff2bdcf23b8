"""What a provider's keys say together about the connection: encryption, and the files for TLS."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from proxy.config.models import ProviderKeys
from proxy.config.nodes import MapNode
from proxy.config.problems import Place, Report
from proxy.config.urls import parse_url


def check_transport(keys: ProviderKeys, provider: MapNode, report: Report) -> None:
    """Report what would send the credential in the clear, and certificates that cannot be used."""
    url = parse_url(keys.base_url)
    if keys.https_only and keys.allow_http:
        report.error(_place(provider, "allow_http"), "this provider is HTTPS-only; leave `allow_http` out")
    elif not url.is_private and keys.unix_socket is None and not keys.allow_http:
        hint = "" if keys.https_only else ", or allow it with `allow_http: true`"
        message = f"http:// would send the credential in the clear; use https://{hint}"
        report.error(_place(provider, "base_url"), message)
    if keys.unix_socket is not None and _is_another_kind_of_file(Path(keys.unix_socket)):
        report.error(_place(provider, "unix_socket"), "this file is not a socket")
    if keys.client_key_file is not None and keys.client_cert is None:
        report.error(_place(provider, "client_key_file"), "a key without `client_cert`")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if keys.ca_file is not None and not _loads_authorities(context, keys):
        report.error(_place(provider, "ca_file"), "this file holds no certificates")
    if keys.client_cert is not None and not _loads_certificate(context, keys):
        message = "the certificate and its key cannot be used; they belong together, and the key is not encrypted"
        report.error(_place(provider, "client_cert"), message)


def _is_another_kind_of_file(path: Path) -> bool:
    """False for one that is not there: what listens on it may start after us."""
    try:
        return not stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _loads_authorities(context: ssl.SSLContext, keys: ProviderKeys) -> bool:
    try:
        context.load_verify_locations(keys.ca_file)
    except OSError:
        return False
    return True


def _loads_certificate(context: ssl.SSLContext, keys: ProviderKeys) -> bool:
    assert keys.client_cert is not None
    try:
        # The empty password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(keys.client_cert, keys.client_key_file, password="")
    except OSError:
        return False
    return True


def _place(provider: MapNode, key: str) -> Place:
    return provider.entries[key].place if key in provider.entries else provider.key
