"""Answers that the proxy makes itself: problem+json (RFC 9457), marked so that no one takes them for a vendor's.

Fixed texts only. Nothing of the request, the vendor's answer or an exception is repeated.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from proxy.errors import ProxyError

REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


def refusal(error: ProxyError, request_id: str, *, with_body: bool = True, keep_alive: bool = False) -> bytes:
    """The whole answer as bytes; `with_body` is False for HEAD. By its id the request is found in the log."""
    body = json.dumps({"type": "about:blank", "title": error.title, "status": error.status, "code": error.code})
    fields = [
        f"HTTP/1.1 {error.status} {REASONS[error.status].decode()}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"X-AuthProxy-Error: {error.code}",
        f"X-AuthProxy-Request-Id: {request_id}",
        f"Proxy-Status: authproxy; error={error.proxy_status}",
    ]
    if error.retry_after is not None:
        fields.append(f"Retry-After: {error.retry_after}")
    if error.allow:
        fields.append(f"Allow: {', '.join(error.allow)}")
    if not keep_alive:
        fields.append("Connection: close")
    return ("\r\n".join(fields) + "\r\n\r\n" + (body if with_body else "")).encode("ascii")


def unrepeatable(status: int) -> tuple[bytes, bytes]:
    """The field that says of a vendor's answer why it was not mended (RFC 9209). No `error`: the answer is theirs."""
    details = "the credential died; the body was too large to be held for a second attempt"
    return b"Proxy-Status", f'authproxy; received-status={status}; details="{details}"'.encode("ascii")
