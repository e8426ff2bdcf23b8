"""What a vendor said before he hung up, where a write was the first to find that out: over TLS.

An event loop whose write fails reads no more, and tells the protocol. What had come by then is still with the kernel.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

MUCH = 256 * 1024


class LastWords(asyncio.BufferedProtocol):
    """Stands between a transport and the TLS that it carries, until `end`: what is left is read before TLS ends.

    `are_of_use` says whether what the vendor said can be an answer.
    """

    def __init__(self, raw: asyncio.Transport, are_of_use: Callable[[], bool]) -> None:
        self._raw = raw
        self._are_of_use = are_of_use
        self._tls = cast(asyncio.BufferedProtocol, raw.get_protocol())
        raw.set_protocol(self)

    def end(self) -> None:
        if not self._raw.is_closing():
            self._raw.set_protocol(self._tls)

    def get_buffer(self, sizehint: int) -> memoryview:
        return cast(memoryview, self._tls.get_buffer(sizehint))

    def buffer_updated(self, nbytes: int) -> None:
        self._tls.buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        return self._tls.eof_received()

    def pause_writing(self) -> None:
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        self._tls.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ConnectionError) and self._are_of_use():
            self._read()
        self._tls.connection_lost(exc)

    def _read(self) -> None:
        sock: socket.socket | None = self._raw.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                while count := os.readv(sock.fileno(), [self._tls.get_buffer(MUCH)]):
                    self._tls.buffer_updated(count)
