"""Finding secrets where they must not be, in whatever simple form they are written."""

from __future__ import annotations

import base64
import gc
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.sessions import Sessions
from proxy.secret import Secret

WINDOW = 8
# Of a signature in hexadecimal eight digits are little: what is only digits among them may well be part of a date.
_HEXADECIMAL_WINDOW = 12
_HEXADECIMAL = re.compile(r"[0-9a-f]{32,}")
# `token-1` is a word of many a test.
_LONG_ENOUGH = 16
_MOST_ISSUED = 50
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)\}")


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it is, and in the encodings that logs and pages put around things."""
    octets = secret.encode()
    yield octets
    yield octets[::-1]
    yield octets.hex().encode()
    yield octets.hex().upper().encode()
    yield quote(secret, safe="").encode()
    yield "".join(f"%{octet:02x}" for octet in octets).encode()
    for offset in range(3):
        # What surrounds a secret shifts its base64; the characters that do not depend on the neighbours are these.
        encoded = base64.b64encode(b"\0" * offset + octets)
        inner = encoded[4 if offset else 0 : -4]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def leaks(secrets: Iterable[str], output: bytes) -> list[str]:
    """Each secret of which a form, or any eight characters in a row, stand in the output; of hexadecimal twelve."""
    found = []
    for secret in secrets:
        size = _HEXADECIMAL_WINDOW if _HEXADECIMAL.fullmatch(secret) else WINDOW
        windows = (secret[at : at + size].encode() for at in range(max(len(secret) - size + 1, 1)))
        if any(form in output for form in (*forms(secret), *windows) if len(form) >= WINDOW):
            found.append(secret)
    return found


def issued() -> list[str]:
    """Some tokens that came at run time: what logins gave a proxy in this process, and what emulators in it issued.

    Nobody has to say what is to be looked for, and no test that starts a proxy of its own can forget it.
    """
    found: set[str] = set()
    for one in gc.get_objects():
        kind = type(one)
        if kind is Secret and one.where == "login":
            found.add(one.reveal())
        elif kind is AccessTokens:
            found |= one._ends.keys()
        elif kind is Sessions:
            found |= one._families.keys()
    # Where there are thousands, what holds for some of them holds for all.
    return sorted(text for text in found if len(text) >= _LONG_ENOUGH)[:_MOST_ISSUED]


def secrets_of(config: Any, environ: Mapping[str, str], folder: Path) -> set[str]:
    """Every secret that a configuration names, so that no test has to say what is to be looked for."""
    return {secret for secret in _named(config, environ, folder) if len(secret) >= WINDOW}


def _named(config: Any, environ: Mapping[str, str], folder: Path) -> Iterator[str]:
    match config:
        case {"value": str(text)} if len(config) == 1:
            yield text
        case {"env": str(name)} if len(config) == 1:
            yield environ.get(name, "")
        case {"file": str(path)} if len(config) == 1:
            file = folder / path
            yield file.read_text(errors="replace").strip() if file.is_file() else ""
        case dict():
            for value in config.values():
                yield from _named(value, environ, folder)
        case list():
            for value in config:
                yield from _named(value, environ, folder)
        case str():
            yield from (environ.get(name, "") for name in _VARIABLE.findall(config))
