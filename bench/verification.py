"""Before anything is measured: does a contender do the job at all?"""

from __future__ import annotations

import socket

from bench.answers import Answer
from bench.contender import CALLERS_OWN, CREDENTIAL


class NotAuthenticated(Exception):
    """A contender that does not send the credential, or that lets the caller's own through."""


def request_head(port: int, path: str, authorization: str, method: str = "GET", length: int | None = None) -> bytes:
    body = "" if length is None else f"Content-Type: text/plain\r\nContent-Length: {length}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\n{body}\r\n"
    return head.encode()


def verify(name: str, port: int, path: str) -> None:
    """Ask through a contender for the head that its upstream received. Raises NotAuthenticated."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(request_head(port, path, CALLERS_OWN))
        received, answer = b"", Answer()
        while more := connection.recv(65536):
            received += more
            if answer.feed(more):
                break
    problem = problem_of(answer.status, received.partition(b"\r\n\r\n")[2].decode("latin-1"))
    if problem:
        raise NotAuthenticated(f"{name}: {problem}")


def problem_of(status: int, head: str) -> str | None:
    """What is wrong with the head that the upstream received, in words."""
    if status != 200:
        return f"answered {status}"
    fields = [line.partition(":")[::2] for line in head.split("\r\n")]
    credentials = [value.strip() for name, value in fields if name.strip().lower() == "authorization"]
    if CALLERS_OWN in head:
        return "the caller's Authorization reached the upstream"
    if credentials != [CREDENTIAL]:
        return f"the upstream received {len(credentials)} Authorization fields, and not the credential alone"
    return None
