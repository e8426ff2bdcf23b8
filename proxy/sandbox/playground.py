"""The part of every emulator's API that is not the vendor's: echo, sizes, statuses, slow and broken-up answers.

It is reached only after the credential was accepted, under the vendor's API prefix, and never echoes a credential:
of the fields it tells nothing, of the query only what the caller would know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from proxy.sandbox.wire import Answer, Received, json_answer

Envelope = Callable[[object], object]
MOST_BYTES = 64 * 1024 * 1024
LONGEST_WAIT = 60.0


def play(received: Received, rest: bytes, envelope: Envelope) -> Answer:
    """The answer to an authenticated request; `rest` is the path after the API prefix, as it came.

    stream?pieces=5&size=16&pause=0.02   chunked, in pieces
    slow?seconds=0.5                     the echo, late
    bytes/N                              N bytes of a repeating pattern
    status/N                             that status; redirect?to=URL: 302 with that Location; cookie: a Set-Cookie
    anything else                        an echo
    """
    word, _, argument = rest.decode("latin-1").partition("/")
    if word == "stream" and not argument:
        return _stream(received)
    if word == "slow" and not argument:
        return replace(echo(received, envelope), delay=min(_number(received, "seconds", 0.5), LONGEST_WAIT))
    if word == "bytes" and argument.isdecimal():
        return Answer(body=_pattern(int(argument)), headers={"Content-Type": "application/octet-stream"})
    if word == "status" and argument.isdecimal() and 200 <= int(argument) <= 599:
        return json_answer({"status": int(argument)}, int(argument))
    if word == "redirect" and received.parameters("to"):
        return Answer(302, headers={"Location": unquote(received.parameters("to")[0].decode("latin-1"))})
    if word == "cookie":
        return json_answer(envelope("set"), headers={"Set-Cookie": "sandbox=1; Path=/"})
    return echo(received, envelope)


def echo(received: Received, envelope: Envelope, **more: object) -> Answer:
    """Method, target exactly as received, and the body's length and SHA-256, in the vendor's envelope."""
    told = {
        "method": received.method,
        "target": received.target.decode("latin-1"),
        "bodyLength": len(received.body),
        "bodySha256": hashlib.sha256(received.body).hexdigest(),
        **more,
    }
    return json_answer(envelope(told))


def _stream(received: Received) -> Answer:
    count, size = int(_number(received, "pieces", 5)), int(_number(received, "size", 16))
    size = min(size, MOST_BYTES // max(count, 1))
    pieces = tuple(bytes([97 + index % 26]) * size for index in range(count))
    pause = min(_number(received, "pause", 0.02), LONGEST_WAIT)
    return Answer(headers={"Content-Type": "text/plain"}, pieces=pieces, pause=pause)


def _pattern(length: int) -> bytes:
    length = min(length, MOST_BYTES)
    return (b"0123456789abcdef" * (length // 16 + 1))[:length]


def _number(received: Received, name: str, default: float) -> float:
    values = received.parameters(name)
    try:
        return max(float(values[0]), 0.0) if values else default
    except ValueError:
        return default
