"""The TLS contexts of all providers: what they trust, and what they show of themselves.

The system's store takes some 20 ms to read, so providers that go by the same files share a context, and a reload
makes one anew only when its files have changed.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config.models import ProviderSettings
from proxy.stamps import stamp
from proxy.upstream.tls import tls_context


@dataclass(frozen=True, slots=True)
class Trust:
    """`made_from` tells apart what a context was made from: paths, and the state of what is there."""

    made_from: tuple[object, ...]
    context: ssl.SSLContext = field(repr=False)


def trusts(providers: Iterable[ProviderSettings], earlier: Mapping[str, Trust] | None = None) -> dict[str, Trust]:
    """What each provider trusts, by its name. Reads files, and is fit for any thread.

    Raises OSError (ssl.SSLError is one) for files that cannot be read or used.
    """
    known = {trust.made_from: trust for trust in (earlier or {}).values()}
    found = {}
    for provider in providers:
        made_from = _sources(provider)
        if made_from not in known:
            context = tls_context(provider.ca_file, provider.client_cert, provider.client_key_file)
            known[made_from] = Trust(made_from, context)
        found[provider.name] = known[made_from]
    return found


def _sources(provider: ProviderSettings) -> tuple[object, ...]:
    return (
        _files(provider.ca_file) if provider.ca_file is not None else _system_store(),
        _files(provider.client_cert, provider.client_key_file),
    )


def _system_store() -> tuple[object, ...]:
    paths = ssl.get_default_verify_paths()
    return _files(*(Path(path) for path in (paths.cafile, paths.capath) if path is not None))


def _files(*paths: Path | None) -> tuple[object, ...]:
    return tuple((path, stamp(path)) for path in paths if path is not None)
