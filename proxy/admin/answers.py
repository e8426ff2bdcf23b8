"""Answers of the admin listener. Refusals are problem+json in fixed words; nothing that was asked is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.wire.aiohttp_parts import Response, StreamResponse

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Or aiohttp names itself and Python, with their versions.
    "Server": "authproxy",
}


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    title: str
    proxy_status: str = "http_request_denied"


MALFORMED = Problem(400, "malformed_request", "The request is not well-formed HTTP/1.1.", "http_request_error")
BROWSER_REFUSED = Problem(
    403, "browser_refused", "Requests from other sites' pages are refused. Open the page directly."
)
TOKEN_REQUIRED = Problem(
    403, "admin_token_required", "This wants the admin token, as Authorization: Bearer. `authproxy status` knows it."
)
NOT_FOUND = Problem(404, "not_found", "Here are /, /livez, /readyz, /metrics, /status and /reload.")
NO_TOKEN_HERE = Problem(404, "no_token", "No provider of this name has a token.")
NO_PROVIDER = Problem(404, "no_provider", "No provider has this name.")
METHOD_NOT_ALLOWED = Problem(405, "method_not_allowed", "This path is not for this method; Allow names the others.")
HOST_NOT_ALLOWED = Problem(
    421, "host_not_allowed", "This Host is not served here. Use a loopback name, or list it under server.allowed_hosts."
)
TOO_MANY_PAGES = Problem(503, "too_many_pages", "So many status pages are open that this one is not served.")
DRAINING = Problem(503, "draining", "The proxy is stopping.")
INTERNAL_ERROR = Problem(500, "internal_error", "The proxy failed on its own account.", "proxy_internal_error")


def answer(text: str | bytes, content_type: str, *, status: int = 200, policy: str = "default-src 'none'") -> Response:
    """An answer with everything that keeps a browser from doing more with it than to show it."""
    body = text.encode() if isinstance(text, str) else text
    headers = {**_HEADERS, "Content-Type": content_type, "Content-Security-Policy": policy}
    return Response(status=status, body=body, headers=headers)


def stream(content_type: str) -> StreamResponse:
    """An answer with the same, whose body is still to come; it ends with its connection."""
    begun = StreamResponse(
        headers={**_HEADERS, "Content-Type": content_type, "Content-Security-Policy": "default-src 'none'"}
    )
    begun.force_close()
    return begun


def refusal(problem: Problem, allow: Iterable[str] = ()) -> Response:
    """A problem, as RFC 9457 has it; the connection ends with it, so that no unread body can follow."""
    # All values are our own constants, none of which needs escaping.
    text = f'{{"type":"about:blank","title":"{problem.title}","status":{problem.status},"code":"{problem.code}"}}'
    refused = answer(text, "application/problem+json", status=problem.status)
    refused.headers["X-AuthProxy-Error"] = problem.code
    refused.headers["Proxy-Status"] = f"authproxy; error={problem.proxy_status}"
    if problem is METHOD_NOT_ALLOWED:
        refused.headers["Allow"] = ", ".join(allow)
    refused.force_close()
    return refused
