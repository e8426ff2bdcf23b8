"""Everything that can go wrong with one request, by whose fault it is.

A class says which answer the caller gets (`status`), under which stable name (`code`) and in which fixed
words (`title`). Nothing of the request, of a vendor's answer or of another exception is ever put into one:
these texts reach callers and logs. Only `proxy.gateway` turns an error into an answer.
"""

from __future__ import annotations


class CannotStart(Exception):
    """What is installed cannot do the work safely; the text says what to do about it."""


class ProxyError(Exception):
    """Base of all: an answer that the proxy makes itself.

    `proxy_status` is the RFC 9209 error type, where the register has one that fits.
    `retry_after` is in whole seconds, for the statuses that carry Retry-After.
    """

    status = 500
    code = "internal_error"
    title = "The proxy failed on its own account."
    proxy_status = "proxy_internal_error"

    def __init__(self, *, retry_after: int | None = None, allow: tuple[str, ...] = ()) -> None:
        super().__init__(self.title)
        self.retry_after = retry_after
        self.allow = allow


# --- The caller's doing -------------------------------------------------------------------------------


class CallerError(ProxyError):
    """The request cannot be passed on as it is. Nothing was sent to the vendor."""

    status = 400
    proxy_status = "http_request_error"


class MalformedRequest(CallerError):
    code = "malformed_request"
    title = "The request is not well-formed HTTP/1.1."


class BadTarget(CallerError):
    code = "bad_target"
    title = "The request target is malformed or ambiguous."


class BadHeader(CallerError):
    code = "bad_header"
    title = "A header field of the request is malformed or ambiguous."


class HostNotAllowed(CallerError):
    status = 421
    code = "host_not_allowed"
    title = "This Host is not served here. Call the proxy by a loopback name, or list it under server.allowed_hosts."
    proxy_status = "http_request_denied"


class BrowserRefused(CallerError):
    status = 403
    code = "browser_refused"
    title = (
        "Requests from web pages are refused. To allow one, list its exact origin under the route's allowed_origins."
    )
    proxy_status = "http_request_denied"


class CallerNotAuthorized(CallerError):
    status = 403
    code = "caller_not_authorized"
    title = "A valid X-AuthProxy-Token header is required."
    proxy_status = "http_request_denied"


class ClientNotAllowed(CallerError):
    status = 403
    code = "client_not_allowed"
    title = "The client that this X-AuthProxy-Token belongs to may not use this path."
    proxy_status = "http_request_denied"


class DeniedByRoute(CallerError):
    status = 403
    code = "denied_by_route"
    title = "The route does not let callers set this header or query parameter."
    proxy_status = "http_request_denied"


class NoRoute(CallerError):
    status = 404
    code = "no_route"
    title = "No route has this path prefix. `authproxy routes` lists them."
    proxy_status = "destination_not_found"


class MethodNotAllowed(CallerError):
    status = 405
    code = "method_not_allowed"
    title = "The route does not allow this method."
    proxy_status = "http_request_denied"


class CallerTooSlow(CallerError):
    status = 408
    code = "request_timeout"
    title = "The request body did not arrive in time."
    proxy_status = "http_request_error"


class BodyTooLarge(CallerError):
    status = 413
    code = "body_too_large"
    title = "The request body is larger than the route's max_body."
    proxy_status = "http_request_error"


class TargetTooLong(CallerError):
    status = 414
    code = "target_too_long"
    title = "The request target is too long."


class UnknownExpectation(CallerError):
    status = 417
    code = "unknown_expectation"
    title = "The only expectation that can be met is 100-continue."


class HeadersTooLarge(CallerError):
    status = 431
    code = "headers_too_large"
    title = "The request's header section is too large."


class Overloaded(ProxyError):
    """More callers are connected than server.max_connections; this one is served when others have left."""

    status = 503
    code = "overloaded"
    title = "Too many connections are open. Come again in a moment, or raise server.max_connections."
    proxy_status = "connection_limit_reached"


class NoRoomForBody(ProxyError):
    """Very many bodies are held in memory; this one is when others have been sent."""

    status = 503
    code = "no_room_for_body"
    title = "Too many bodies are held in memory. Come again in a moment."
    proxy_status = "connection_limit_reached"


class Stopping(ProxyError):
    """A WebSocket would be cut off in a moment, so it is not begun; whoever comes again finds who serves next."""

    status = 503
    code = "stopping"
    title = "The proxy is stopping and begins no WebSocket any more."
    proxy_status = "destination_unavailable"


# --- The credential's ---------------------------------------------------------------------------------


class CredentialError(ProxyError):
    """No credential to send the request with, so it was not sent."""


class CredentialUnavailable(CredentialError):
    """It may come back by itself: the login endpoint is down, slow, or answers nonsense."""

    status = 503
    code = "credential_unavailable"
    title = "No credential can be obtained at the moment. The login endpoint gave none; `authproxy test` says why."
    proxy_status = "destination_unavailable"


class CredentialRejected(CredentialError):
    """It will not: the vendor refuses the configured secret."""

    status = 502
    code = "credential_rejected"
    title = "The provider's login endpoint refused the configured secret; `authproxy test` says more."
    proxy_status = "http_upstream_error"


# --- The vendor's, or the network's -------------------------------------------------------------------


class UpstreamError(ProxyError):
    """The request may have reached the vendor."""

    status = 502
    proxy_status = "destination_unavailable"


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"
    title = "No connection to the provider could be made; `authproxy test` says why."


class UpstreamNotFound(UpstreamError):
    code = "upstream_dns"
    title = "The provider's host name could not be resolved; `authproxy test` says more."
    proxy_status = "dns_error"


class UpstreamUntrusted(UpstreamError):
    code = "upstream_tls"
    title = (
        "The TLS connection to the provider failed: its certificate is not trusted, or no common protocol was found."
    )
    proxy_status = "tls_certificate_error"


class UpstreamDisconnected(UpstreamError):
    code = "upstream_disconnected"
    title = "The provider closed the connection before answering."
    proxy_status = "connection_terminated"


class UpstreamProtocolError(UpstreamError):
    code = "upstream_protocol_error"
    title = "The provider's answer is not valid HTTP/1.1."
    proxy_status = "http_protocol_error"


class UpstreamBusy(UpstreamError):
    status = 503
    code = "upstream_busy"
    title = "All connections to the provider are in use, and too many requests wait for one."
    proxy_status = "connection_limit_reached"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"
    title = "The provider did not answer in time."
    proxy_status = "http_response_timeout"


class UpstreamConnectTimeout(UpstreamTimeout):
    code = "upstream_connect_timeout"
    title = "The connection to the provider was not made in time."
    proxy_status = "connection_timeout"
