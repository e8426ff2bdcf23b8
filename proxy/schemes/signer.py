"""Makes a signature for one request after the other: what `{{signature}}` stands for, and the fields around it.

What the configuration and the request's head say is filled in already; here are the places that differ from request to
request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.rendering import QUOTED, quoted
from proxy.schemes.base import OutboundRequest
from proxy.schemes.fields import require_clean_value
from proxy.schemes.moments import Moments
from proxy.schemes.signing_heads import SigningHead, SigningHeads
from proxy.schemes.signing_scope import DECODED, OF_BODY, OF_MOMENT
from proxy.secret import Secret
from proxy.template import Scope, Template

# What the open places of one request stand for, by their names.
Values = dict[bytes, bytes]
Make = Callable[[Values, SigningHead], bytes]

_SIGNATURE = b"signature"


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
        self._of_moment = [(name, OF_MOMENT[name.decode()]) for name in names if name.decode() in OF_MOMENT]
        self._valid_for = valid_for
        self._others = [
            *((name, _of_body(name.decode())) for name in names if name.decode() in OF_BODY and name != b"body"),
            *((name, _of_secret(secret)) for name, secret in self._heads.secrets.items()),
            # As good as the secret that the vendor wants it for.
            *((f"hmac.{name}".encode(), _signed(template, digest)) for name, template in signed_alone.items()),
            *((name, _quoted(name)) for name in names if name.startswith(QUOTED) and name != QUOTED + _SIGNATURE),
            *((name, _decoded(name.decode())) for name in names if name.decode() in DECODED),
        ]
        self._quotes_signature = QUOTED + _SIGNATURE in names
        self._unchecked = self._heads.unchecked
        self._moments = Moments()
        self._digest = digest

    def sign(self, request: OutboundRequest, wall: float, token: str | None = None) -> tuple[bytes, str]:
        """The header lines and the query parameters to add, as they are written.

        `wall` is the vendor's time, in seconds since the epoch. Raises CredentialRejected for a header that would hold
        a control character.
        """
        head = self._heads.of(request)
        values = self._values(head, request, wall, token)
        for name in self._unchecked:
            require_clean_value(values[name])
        return head.lines % values, (head.added % values).decode("ascii")

    def shown(self, request: OutboundRequest, wall: float, token: str) -> dict[str, bytes]:
        """What the templates' open places stand for, as it would be signed. `hmac.NAME` is not to be seen."""
        values = self._values(self._heads.of(request), request, wall, token)
        return {name.decode(): value for name, value in values.items() if b" " not in name}

    def _values(self, head: SigningHead, request: OutboundRequest, wall: float, token: str | None) -> Values:
        values: Values = {b"body": request.body or b""}
        if self._of_moment:
            moment = self._moments.of(request, wall)
            for name, make in self._of_moment:
                values[name] = make(moment, self._valid_for)
        if token is not None:
            values[b"token"] = token.encode("utf-8", "surrogateescape")
        for name, make_other in self._others:
            values[name] = make_other(values, head)
        values[_SIGNATURE] = signature = self._digest(head.message % values)
        if self._quotes_signature:
            values[QUOTED + _SIGNATURE] = quoted(signature)
        return values


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
