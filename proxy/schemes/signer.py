"""What the places of a signed request stand for that differ from request to request: body, moment, signature.

What the configuration and the request's head say is filled in already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from proxy.rendering import QUOTED, quoted
from proxy.schemes.base import Injection, OutboundRequest
from proxy.schemes.fields import require_clean_value
from proxy.schemes.moments import Moments
from proxy.schemes.signing_heads import SigningHead, SigningHeads
from proxy.schemes.signing_scope import DECODED, OF_BODY, OF_MOMENT, text_of
from proxy.secret import Secret
from proxy.template import Scope, Template

if TYPE_CHECKING:
    from proxy.vendor_clock import VendorClock

# What the open places of one request stand for, by their names; of some it is a number.
Values = dict[bytes, Any]
Make = Callable[[Values, SigningHead], bytes | int]
See = Callable[[Values], None]

_SIGNATURE = b"signature"
_MOMENT = b"timestamp_ms"


class Sign(Protocol):
    """Signs a request with this body, and a token of this generation in it, where there is one.

    `see` is shown what each place stood for. Raises CredentialRejected for a header with a control character, BadTarget
    where it is the caller's.
    """

    def __call__(
        self, body: bytes, token: str | None = None, generation: int | None = None, see: See | None = None
    ) -> Injection: ...


class Signer:
    """`known` are the variables; `digest` makes the signature of a message, as text. `valid_for` is in seconds.

    `signed_alone` are the variables behind `{{hmac.NAME}}`.
    """

    def __init__(
        self,
        *,
        message: Template,
        headers: Mapping[str, Template],
        query: Mapping[str, Template],
        known: Scope,
        signed_alone: Mapping[str, Template],
        valid_for: float,
        digest: Callable[[bytes], bytes],
    ) -> None:
        self._heads = SigningHeads(message, headers, query, known)
        names = self._heads.names
        of_moment = {name: OF_MOMENT[name.decode()] for name in names if name.decode() in OF_MOMENT}
        self._has_moment = bool(of_moment)
        # A number used once is no date.
        self._is_dated = bool(of_moment.keys() - {b"nonce"})
        # This one is there as it is.
        of_moment.pop(_MOMENT, None)
        self._others: tuple[tuple[bytes, Make], ...] = (
            *((name, _of_moment(make, valid_for)) for name, make in of_moment.items()),
            *((name, _of_body(name.decode())) for name in names if name.decode() in OF_BODY and name != b"body"),
            *((name, _of_secret(secret)) for name, secret in self._heads.secrets.items()),
            # As good as the secret that the vendor wants it for.
            *((f"hmac.{name}".encode(), _signed(template, digest)) for name, template in signed_alone.items()),
            *((name, _quoted(name)) for name in names if name.startswith(QUOTED) and name != QUOTED + _SIGNATURE),
            *((name, _decoded(name.decode())) for name in names if name.decode() in DECODED),
        )
        self._quotes_signature = QUOTED + _SIGNATURE in names
        self._unchecked = self._heads.unchecked
        self._moments = Moments()
        self._digest = digest

    def prepare(self, request: OutboundRequest, clock: VendorClock) -> Sign:
        """What signs requests with this head. Raises CredentialRejected as that does."""
        head = self._heads.of(request)
        # All of it in one function's own variables, which runs for every request.
        number, message, lines, added = head.number, head.message, head.lines, head.added
        has_moment, is_dated, quotes_signature = self._has_moment, self._is_dated, self._quotes_signature
        others, unchecked = self._others, self._unchecked
        moment_of, digest, own_wall, written = self._moments.of, self._digest, clock.own_wall, Injection.written

        def sign(
            body: bytes, token: str | None = None, generation: int | None = None, see: See | None = None
        ) -> Injection:
            values: Values = {b"body": body}
            if has_moment:
                values[_MOMENT] = moment_of(number, body, own_wall() + clock.skew)
            if token is not None:
                values[b"token"] = token.encode("utf-8", "surrogateescape")
            if others:
                for name, make in others:
                    values[name] = make(values, head)
            values[_SIGNATURE] = signature = digest(message % values)
            if quotes_signature:
                values[QUOTED + _SIGNATURE] = quoted(signature)
            if unchecked:
                for name, fault in unchecked:
                    require_clean_value(values[name], fault)
            if see is not None:
                see(values)
            clock_version = clock.version if is_dated else None
            return written(lines % values, added % values, generation, "signed", clock_version)

        return sign

    def shown(self, request: OutboundRequest, clock: VendorClock, token: str) -> dict[str, bytes]:
        """What the templates' open places stand for, as it would be signed. `hmac.NAME` is not to be seen."""
        seen: Values = {}
        self.prepare(request, clock)(request.body or b"", token, see=seen.update)
        return {name.decode(): text_of(value) for name, value in seen.items() if b" " not in name}


def _of_moment(make: Callable[[int, float], bytes | int], valid_for: float) -> Make:
    return lambda values, head: make(values[_MOMENT], valid_for)


def _of_body(name: str) -> Make:
    make = OF_BODY[name]
    return lambda values, head: make(values[b"body"])


def _of_secret(secret: Secret) -> Make:
    return lambda values, head: secret.reveal().encode()


def _signed(template: Template, digest: Callable[[bytes], bytes]) -> Make:
    return lambda values, head: digest(template.render_bytes({}))


def _quoted(name: bytes) -> Make:
    plain = name.removeprefix(QUOTED)
    return lambda values, head: quoted(values[plain])


def _decoded(name: str) -> Make:
    make = DECODED[name]
    return lambda values, head: make((head.target % values).decode()).encode()
