"""Answers of login endpoints that hold no token, though each says 200 or nearly so."""

from __future__ import annotations

import gzip
import json

from proxy.sandbox.wire import Answer

_JSON = {"Content-Type": "application/json"}
# Under whatever name it may be looked for, and with all else right.
_NAMES = ("accessToken", "access_token", "token", "apiKey")


def _body(body: bytes, status: int = 200, **fields: str) -> Answer:
    return Answer(status, body, {**_JSON, **{name.replace("_", "-"): value for name, value in fields.items()}})


def _token(value: object) -> Answer:
    return _body(json.dumps({**dict.fromkeys(_NAMES, value), "expiresIn": 3600, "type": "Bearer"}).encode())


MALFORMED: dict[str, Answer] = {
    "nothing": _body(b""),
    "nothing, 204": _body(b"", 204),
    "white space": _body(b" \r\n\t "),
    "an object": _body(b"{}"),
    "a list": _body(b"[]"),
    "null": _body(b"null"),
    "a string": _body(b'"accessToken"'),
    "a number": _body(b"7"),
    "NaN": _body(b'{"accessToken": NaN}'),
    "HTML": Answer(200, b"<html><body>Sign in</body></html>", {"Content-Type": "text/html"}),
    "HTML as JSON": _body(b"<!doctype html>"),
    "a form": Answer(200, b"accessToken=abc", {"Content-Type": "application/x-www-form-urlencoded"}),
    "cut short": _body(b'{"accessToken":"abc'),
    "two documents": _body(b'{"a":1}{"b":2}'),
    "deep nesting": _body(b"[" * 30_000 + b"]" * 30_000),
    "UTF-16": _body('{"accessToken":"abc"}'.encode("utf-16")),
    "no text": _body(bytes(range(128, 256))),
    "compressed": _body(gzip.compress(b'{"accessToken":"abc"}'), Content_Encoding="gzip"),
    "ten megabytes": _body(b'{"accessToken":"' + b"a" * 10_000_000 + b'"}'),
    "a redirect": _body(b"", 302, Location="/elsewhere"),
    "not modified": _body(b"", 304),
    "token null": _token(None),
    "token true": _token(True),
    "token a number": _token(123456),
    "token a list": _token(["a"]),
    "token an object": _token({"value": "abc"}),
    "token empty": _token(""),
    "token None": _token("None"),
    "token undefined": _token("undefined"),
    "token with a line break": _token("abc\r\nX-Evil: 1"),
    "token with a space": _token("abc def"),
    "token with NUL": _token("abc\0def"),
    "token beyond ASCII": _token("abc\u00e9\u4e2d"),
    "token without end": _token("a" * 50_000),
}
