"""What a scheme's keys must fulfil, whichever scheme it is. The messages name keys, never values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from proxy.target import canonical

_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# These frame or route the message; the gateway alone decides them.
_NOT_FOR_SCHEMES = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)


def require_known_places(where: str, used: Iterable[str], known: Collection[str]) -> None:
    """Raise ValueError if a template uses a place that nothing fills in.

    `header.<name>` among the known ones stands for every name behind the dot; so does `hmac.<variable>`.
    """
    families = tuple(place.partition("<")[0] for place in known if place.endswith(">"))
    for name in sorted(used):
        if name in known or name.startswith(families):
            continue
        listing = ", ".join(sorted(known)) or "none"
        raise ValueError(f"{where}: nothing is called {{{{{name}}}}} here; known places: {listing}")


def require_field_names(where: str, names: Iterable[str]) -> None:
    """Raise ValueError for what is no header field name, is not a scheme's to set, or comes twice."""
    seen = set()
    for name in names:
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{where}: not the name of a header field: {name!r}")
        if canonical(name) in _NOT_FOR_SCHEMES:
            raise ValueError(f"{where}.{name}: this field belongs to the proxy")
        if canonical(name) in seen:
            raise ValueError(f"{where}.{name}: given twice, in another spelling")
        seen.add(canonical(name))
