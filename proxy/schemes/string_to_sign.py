"""What is signed, as `explain` prints it: byte by byte, with every secret masked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from proxy.secret import MASK
from proxy.template import Scope, Template

LONGEST_SHOWN = 4096


def string_to_sign(message: Template, query: Mapping[str, Template], scope: Scope) -> tuple[tuple[str, str], ...]:
    """Named lines about the message. `query` are the parameters that are signed with the URL; `scope` may be shown."""
    shown = message.masked(scope).encode("utf-8", "surrogateescape")
    cut = f", of which the first {LONGEST_SHOWN} are shown" if len(shown) > LONGEST_SHOWN else ""
    lines = (
        # Byte by byte, so that a line break, a tab or a letter beyond ASCII cannot be overlooked.
        ("string to sign", shown[:LONGEST_SHOWN].decode("latin-1").encode("unicode_escape").decode()),
        ("length of it", f"{len(shown)} bytes{cut}"),
        ("sha256 of it", hashlib.sha256(shown).hexdigest()),
    )
    if not message.hides(scope) and not any(template.hides(scope) for template in query.values()):
        return lines
    return (*lines, ("masked in it", f"{MASK} stands for a secret; length and SHA-256 are of the text as shown"))
