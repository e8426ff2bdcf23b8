"""An upstream that takes and gives large bodies, and shows what it was sent: `python -m bench.bodies`.

Blocking sockets and a thread each: nothing costs less in Python, and the load's cores pay for it, not the proxy's.
Arguments: the certificate with its key, the port for plain text, the port for TLS.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time

from bench.contender import CREDENTIAL, LOGIN_ANSWER

MEBIBYTE = 1024 * 1024
LARGE = 100 * MEBIBYTE
_BLOCK = 256 * 1024
# A vendor across a good network: 16 KiB every 100 µs, 164 MB/s.
_PACED_BLOCK = 16 * 1024
_PACE_SECONDS = 100e-6
_LARGE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: %d\r\n\r\n" % LARGE


def serve(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=_converse, args=(accepted, context), daemon=True).start()


def _converse(accepted: socket.socket, context: ssl.SSLContext | None) -> None:
    try:
        with context.wrap_socket(accepted, server_side=True) if context else accepted as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while _exchange(connection):
                pass
    except OSError:
        accepted.close()


def _exchange(connection: socket.socket) -> bool:
    """Answer one request. Whether another may follow."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(_BLOCK)
        if not more:
            return False
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    target = line.split()[1].partition("?")[0]
    if target == "/head":
        return _answer(connection, 200, head)
    if target == "/login":
        _take(connection, fields, body)
        return _answer(connection, 200, LOGIN_ANSWER.encode())
    if f"authorization: {CREDENTIAL}".lower() not in (field.lower() for field in fields):
        _answer(connection, 401, b"")
        return False
    if target == "/large":
        return _give(connection)
    if target == "/paced":
        return _give_paced(connection)
    _take(connection, fields, body)
    return _answer(connection, 200, b"ok")


def _answer(connection: socket.socket, status: int, body: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
    connection.sendall(body)
    return True


def _give(connection: socket.socket) -> bool:
    connection.sendall(_LARGE_HEAD)
    block = bytes(_BLOCK)
    for _ in range(LARGE // _BLOCK):
        connection.sendall(block)
    return True


def _give_paced(connection: socket.socket) -> bool:
    connection.sendall(_LARGE_HEAD)
    block, due = bytes(_PACED_BLOCK), time.perf_counter()
    for _ in range(LARGE // _PACED_BLOCK):
        connection.sendall(block)
        due += _PACE_SECONDS
        time.sleep(max(due - time.perf_counter(), 0))
    return True


def _take(connection: socket.socket, fields: list[str], body: bytes) -> None:
    """Read a body to its end: by its length, or by chunks of which only the last is looked for."""
    lengths = [field.partition(":")[2] for field in fields if field.lower().startswith("content-length:")]
    buffer = bytearray(_BLOCK)
    if lengths:
        missing = int(lengths[0]) - len(body)
        while missing:
            missing -= _received(connection, buffer, min(missing, _BLOCK))
        return
    tail = body[-7:]
    # Bodies of the benchmark are zeros, so that no chunk can look like the last one.
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        count = _received(connection, buffer, _BLOCK)
        tail = (tail + bytes(buffer[max(count - 7, 0) : count]))[-7:]


def _received(connection: socket.socket, buffer: bytearray, most: int) -> int:
    count = connection.recv_into(buffer, most)
    if not count:
        raise ConnectionAbortedError
    return count


def main() -> None:
    certificate, port, tls_port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure = socket.create_server(("127.0.0.1", int(tls_port)), backlog=1024)
    plain = socket.create_server(("127.0.0.1", int(port)), backlog=1024)
    threading.Thread(target=serve, args=(secure, context), daemon=True).start()
    serve(plain, None)


if __name__ == "__main__":
    main()
