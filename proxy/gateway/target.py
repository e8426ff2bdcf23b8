"""Which request targets are passed on, and to which target of the provider.

Decisions are made on the raw text of the request line, and that same text is sent. What two readers could
understand differently is refused: dot segments and separators in any encoding, doubled slashes, backslashes.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from proxy.errors import BadTarget

# Visible ASCII without `#` (a fragment is never sent, RFC 9112 §3.2) and `\` (some servers read it as a slash).
_ALLOWED = re.compile(r"/[!\"$-\[\]-~]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# NUL, LF, CR, and what decodes to a separator or a dot, once or twice encoded; also the overlong forms of those,
# which are no UTF-8 and which some old servers decode all the same.
_FORBIDDEN_IN_PATH = re.compile(
    r"%(?:25)*(?:00|0a|0d|5c)|%(?:25)+(?:2e|2f)"
    r"|%(?:25)*(?:c0%(?:25)*[2a][ef]|c1%(?:25)*9c|(?:e0|f0%(?:25)*80)%(?:25)*80%(?:25)*a[ef])",
    re.IGNORECASE,
)
_ENCODED_SLASH = re.compile(r"%(?:25)*2f", re.IGNORECASE)
_DECODING_ROUNDS = 3
_DOTS = frozenset({".", ".."})
_SEPARATORS = re.compile("[/;]")


def check_target(target: str, *, encoded_slashes: bool = False) -> None:
    """Raise BadTarget for a target that is not origin-form or that two parties could read differently.

    `encoded_slashes` lets `%2F` stand in the path, for the few APIs that need it.
    """
    if not _ALLOWED.fullmatch(target) or _ESCAPE.search(target):
        raise BadTarget
    path = target.partition("?")[0]
    if "//" in path:
        raise BadTarget
    if "%" in path and (_FORBIDDEN_IN_PATH.search(path) or (not encoded_slashes and _ENCODED_SLASH.search(path))):
        raise BadTarget
    if "." in path or "%" in path:
        _check_segments(path)


def provider_target(target: str, prefix: str, base_path: str) -> str:
    """The target at the provider: the route's prefix replaced by the base path, all else byte for byte.

    `target` begins with `prefix` on a segment boundary; `base_path` is "" or "/v1" without a slash at its end.
    """
    rest = target[len(prefix) :] if prefix != "/" else target
    if not rest or rest[0] == "?":
        rest = rest if base_path else "/" + rest
    result = base_path + rest
    # The credential is good for this base path only; whatever the lines above are changed to, this must hold.
    assert result.startswith("/") and result.startswith(base_path)
    assert result[len(base_path) : len(base_path) + 1] in ("", "/", "?")
    return result


def _check_segments(path: str) -> None:
    decoded = path
    for _ in range(_DECODING_ROUNDS + 1):
        # Some servers cut a segment's parameters off before they resolve it: `..;x` is `..` to them.
        if not _DOTS.isdisjoint(_SEPARATORS.split(decoded)):
            raise BadTarget
        decoded = unquote(decoded)
