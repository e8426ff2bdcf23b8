"""The usual mistakes in what is signed beside the URL: moment, method, body, layout; and in the key."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

from proxy.explain.signing import MOST_PERMUTED, Facts, Found, Signing
from proxy.template import Place, Template

_JSON_FORMS: dict[str, dict[str, Any]] = {
    "written anew, without spaces": {"separators": (",", ":"), "ensure_ascii": False},
    "written anew, with a space behind each comma and colon": {"ensure_ascii": False},
    "written anew, with its keys sorted and without spaces": {
        "separators": (",", ":"),
        "sort_keys": True,
        "ensure_ascii": False,
    },
    "written anew, with its keys sorted": {"sort_keys": True, "ensure_ascii": False},
    "written anew, without spaces and with \\u escapes": {"separators": (",", ":")},
    "written anew, with \\u escapes": {},
    "written anew, over several lines (2 spaces)": {"indent": 2, "ensure_ascii": False},
    "written anew, over several lines (4 spaces)": {"indent": 4, "ensure_ascii": False},
}


def moment(right: Signing, facts: Facts) -> Found:
    for words, texts in facts.moments.items():
        scope = {name: texts.get(text, text) if isinstance(text, str) else text for name, text in right.scope.items()}
        yield words, replace(right, query=tuple(_respelt(piece, texts) for piece in right.query), scope=scope)


def _respelt(piece: str, texts: dict[str, str]) -> str:
    name, equals, value = piece.partition("=")
    return name + equals + texts.get(value, value)


def body(right: Signing, facts: Facts) -> Found:
    if right.body:
        yield "the body is left out of what is signed", replace(right, body=b"")
        yield "the body has a line break at its end", replace(right, body=right.body + b"\n")
        yield "the body is signed without its white space at the end", replace(right, body=right.body.rstrip())
        yield "the body has Windows line breaks", replace(right, body=right.body.replace(b"\n", b"\r\n"))
        try:
            document = json.loads(right.body)
        except (ValueError, RecursionError):
            return
        for words, options in _JSON_FORMS.items():
            text = json.dumps(document, **options)
            yield f"the body is {words}", replace(right, body=text.encode("utf-8", "surrogatepass"))
    else:
        yield "an empty JSON object, {}, is signed where there is no body", replace(right, body=b"{}")
        yield "the word null is signed where there is no body", replace(right, body=b"null")


def key(right: Signing, facts: Facts) -> Found:
    text = facts.key_text
    for words, octets in (
        ("the key is taken as text, not decoded", text.encode()),
        ("the key is decoded from hex", _decoded(bytes.fromhex, text)),
        ("the key is decoded from base64", _decoded(_from_base64, text)),
        ("the key has a line break at its end, as a file or `echo` leaves one", (text + "\n").encode()),
        ("the key has a space at its end", (text + " ").encode()),
        ("the key is used without the white space around it", text.strip().encode()),
        ("the key is used with quotes around it", f'"{text}"'.encode()),
        ("the key is in lower case", text.lower().encode()),
        ("the key is in upper case", text.upper().encode()),
    ):
        if octets:
            yield words, replace(right, key=octets)
    for name, secret in facts.secrets.items():
        yield f"{name} is used as the key", replace(right, key=secret.encode())


def method(right: Signing, facts: Facts) -> Found:
    yield "the method is in lower case", replace(right, method=right.method.lower())
    for method in ("GET", "POST"):
        yield f"the method is {method}", replace(right, method=method)


def layout(right: Signing, facts: Facts) -> Found:
    yield "the message has a line break at its end", replace(right, behind=b"\n")
    parts = right.message.parts
    if any(isinstance(part, str) and not isinstance(part, Place) and "\n" in part for part in parts):
        for words, new in (
            ("the message has no line breaks", ""),
            ("a line break is signed as backslash and n", "\\n"),
            ("the message has Windows line breaks", "\r\n"),
        ):
            yield words, replace(right, message=_with_breaks(right.message, new))
    at = [number for number, part in enumerate(parts) if isinstance(part, Place)]
    if 1 < len(at) <= MOST_PERMUTED:
        for order in permutations(at):
            changed = list(parts)
            for spot, number in zip(at, order, strict=True):
                changed[spot] = parts[number]
            names = ", ".join(str(parts[number]) for number in order)
            yield f"the parts are in the order {names}", replace(right, message=Template(tuple(changed)))
    for number in at:
        if str(parts[number]) not in ("url", "body", "query"):
            rest = (*parts[:number], *parts[number + 1 :])
            yield f"{parts[number]} is left out of the message", replace(right, message=Template(rest))


def _from_base64(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), b"-_" if set(text) & {"-", "_"} else None, validate=True)


def _decoded(decode: Callable[[str], bytes], text: str) -> bytes:
    try:
        return decode(text)
    except (ValueError, Base64Error):
        return b""


def _with_breaks(message: Template, new: str) -> Template:
    return Template(
        tuple(
            part.replace("\n", new) if isinstance(part, str) and not isinstance(part, Place) else part
            for part in message.parts
        )
    )
