"""Just enough of HTTP/1.1 to know where an answer of the benchmark's upstream ends."""

from __future__ import annotations


class Answer:
    """One answer, fed as it comes. `received` counts the bytes of its body, with framing if it is chunked."""

    def __init__(self) -> None:
        self.status = 0
        self.received = 0
        self.is_kept = True
        self._head: bytes | None = b""
        self._length: int | None = None
        self._tail = b""

    def feed(self, received: bytes | memoryview) -> bool:
        """Whether that was the end of it. Raises ValueError if it is no answer."""
        if self._head is not None:
            head, found, rest = (self._head + bytes(received)).partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return False
            self._head = None
            self._read(head)
            received = rest
        self.received += len(received)
        if self._length is not None:
            return self.received >= self._length
        self._tail = (self._tail + bytes(received))[-7:]
        return self._tail.endswith(b"\r\n0\r\n\r\n") or self._tail == b"0\r\n\r\n"

    def _read(self, head: bytes) -> None:
        first, *lines = head.lower().split(b"\r\n")
        self.status = int(first.split()[1])
        fields = dict(line.partition(b":")[::2] for line in lines)
        self.is_kept = fields.get(b"connection", b"").strip() != b"close"
        length = fields.get(b"content-length")
        if length is not None:
            self._length = int(length)
        elif b"chunked" not in fields.get(b"transfer-encoding", b""):
            raise ValueError(f"an answer without a length: {head!r}")
