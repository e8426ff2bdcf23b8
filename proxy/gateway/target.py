"""Which request targets are passed on, and to which target of the provider.

Decisions are made on the raw text of the request line, and that same text is sent. What two readers could
understand differently is refused: dot segments and separators in any encoding, doubled slashes, backslashes.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote

from proxy.errors import BadTarget

# Visible ASCII without `#` (a fragment is never sent, RFC 9112 §3.2) and `\` (some servers read it as a slash).
_ALLOWED = re.compile(r"/[!\"$-\[\]-~]*")
# Most targets. In these there is nothing to be found by a closer look.
_is_plain = re.compile(r"(?:/[!$&'()*+,\-0-9:;=@A-Z_a-z~]++)++/?(?:\?[!\"$&-\[\]-~]*+)?").fullmatch
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# A dot that was encoded twice, wherever it stands: slashes and backslashes show in the rounds below. And a dot or a
# slash of which some old servers see the last six bits only.
_DISGUISED_DOT = re.compile("%252e|%c0%2[ef]", re.IGNORECASE)
# NUL, LF, CR and backslash, each octet as one character; and UTF-8 of more octets than are needed for these, a dot, a
# slash, a semicolon or a percent sign: some old servers decode it all the same.
_NEVER_IN_PATH = re.compile(
    r"[\0\n\r\\]|(?:\xc0|\xe0\x80|\xf0\x80\x80)[\x80\x8a\x8d\xa5\xae\xaf\xbb]|(?:\xc1|\xe0\x81|\xf0\x80\x81)\x9c"
)
# What is still encoded after so many rounds, nobody means.
_DECODING_ROUNDS = 3
_DOTS = frozenset({".", ".."})
# Some servers cut a segment's parameters off before they resolve it: `..;x` is `..` to them.
_SEPARATORS = re.compile("[/;]")


def check_target(target: str, *, encoded_slashes: bool = False) -> None:
    """Raise BadTarget for a target that is not origin-form or that two parties could read differently.

    `encoded_slashes` lets `%2F` stand in the path, for the few APIs that need it.
    """
    if not _is_plain(target):
        _look_closely(target, encoded_slashes=encoded_slashes)


def _look_closely(target: str, *, encoded_slashes: bool) -> None:
    if not _ALLOWED.fullmatch(target) or _ESCAPE.search(target):
        raise BadTarget
    path = target.partition("?")[0]
    if "//" in path:
        raise BadTarget
    if "." in path or "%" in path:
        _check_path(path, encoded_slashes=encoded_slashes)


def provider_target(target: str, prefix: str, base_path: str) -> str:
    """The target at the provider: the route's prefix replaced by the base path, all else byte for byte.

    `target` begins with `prefix` on a segment boundary; `base_path` is "" or "/v1" without a slash at its end.
    """
    rest = target[len(prefix) :] if prefix != "/" else target
    if rest[:1] == "/":
        return base_path + rest
    if not rest or rest[0] == "?":
        rest = rest if base_path else "/" + rest
    result = base_path + rest
    # The credential is good for this base path only; whatever the lines above are changed to, this must hold.
    assert result.startswith("/") and result.startswith(base_path)
    assert result[len(base_path) : len(base_path) + 1] in ("", "/", "?")
    return result


def _check_path(path: str, *, encoded_slashes: bool) -> None:
    """Raise BadTarget for what only shows when the path is decoded, however often that is done."""
    slashes = path.count("/")
    for _ in range(_DECODING_ROUNDS + 1):
        if not _DOTS.isdisjoint(_SEPARATORS.split(_folded(path))) or _DISGUISED_DOT.search(path):
            raise BadTarget
        decoded = unquote(path, "latin-1")
        if decoded == path:
            return
        if _NEVER_IN_PATH.search(decoded):
            raise BadTarget
        if decoded.count("/") != slashes and not encoded_slashes:
            raise BadTarget
        path, slashes, encoded_slashes = decoded, decoded.count("/"), False
    raise BadTarget


def _folded(path: str) -> str:
    """As servers see it that take full-width dots and slashes for plain ones."""
    return path if path.isascii() else normalize("NFKC", path.encode("latin-1").decode(errors="replace"))
