"""What the places of a signed request stand for that differ from request to request: body, moment, signature.

What the configuration and the request's head say is filled in already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
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

# What the open places of one request stand for, in the signer's order; of some it is a number.
Row = list[Any]
# What formats want of a row.
Take = Callable[[Row], Any]
Make = Callable[[Row, SigningHead], bytes | int]
See = Callable[[Row], None]

# A row begins with these, whether or not there is a place for them, and ends with the signature, as it is or quoted.
_FIRST = (b"body", b"timestamp_ms", b"token")
_BODY, _MOMENT, _ = range(len(_FIRST))
_SIGNATURE = b"signature"


class Sign(Protocol):
    """Signs a request with this body, and a token of this generation in it, where there is one.

    `see` is shown what the places stood for. Raises CredentialRejected for a header with a control character, BadTarget
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
        self._heads = heads = SigningHeads(message, headers, query, known)
        names = heads.names
        of_moment = {name: OF_MOMENT[name.decode()] for name in names if name.decode() in OF_MOMENT}
        self._has_moment = bool(of_moment)
        # A number used once is no date.
        self._is_dated = bool(of_moment.keys() - {b"nonce"})
        self._quotes_signature = QUOTED + _SIGNATURE in names
        at = {name: position for position, name in enumerate(_FIRST)}
        others: list[Make] = []

        def put(name: bytes, make: Make) -> None:
            if name not in at:
                at[name] = len(at)
                others.append(make)

        for name, of in of_moment.items():
            put(name, _of_moment(of, valid_for))
        for name in names:
            if name.decode() in OF_BODY:
                put(name, _of_body(OF_BODY[name.decode()]))
        for name, secret in heads.secrets.items():
            put(name, _of_secret(secret))
        for variable, template in signed_alone.items():
            # As good as the secret that the vendor wants it for.
            put(f"hmac.{variable}".encode(), _signed(template, digest))
        for name in names:
            if name.startswith(QUOTED) and name != QUOTED + _SIGNATURE:
                put(name, _quoted(at[name.removeprefix(QUOTED)]))
        of_target = _taken(heads.in_target, at)
        for name in names:
            if name.decode() in DECODED:
                put(name, _decoded(DECODED[name.decode()], of_target))
        self._others = tuple(others)
        at[_SIGNATURE] = len(at)
        if self._quotes_signature:
            at[QUOTED + _SIGNATURE] = len(at)
        self._of_message = _taken(heads.in_message, at)
        self._of_lines = _taken(heads.in_lines, at)
        self._of_added = _taken(heads.in_added, at)
        self._unchecked = tuple((at[name], fault) for name, fault in heads.unchecked)
        self._places = tuple(at)
        self._moments = Moments()
        self._digest = digest

    def prepare(self, request: OutboundRequest, clock: VendorClock) -> Sign:
        """What signs requests with this head. Raises CredentialRejected as that does."""
        head = self._heads.of(request)
        # All of it in one function's own variables, which runs for every request.
        number, message, lines, added = head.number, head.message, head.lines, head.added
        of_message, of_lines, of_added = self._of_message, self._of_lines, self._of_added
        has_moment, is_dated, quotes_signature = self._has_moment, self._is_dated, self._quotes_signature
        others, unchecked = self._others, self._unchecked
        moment_of, digest, own_wall, written = self._moments.of, self._digest, clock.own_wall, Injection.written

        def sign(
            body: bytes, token: str | None = None, generation: int | None = None, see: See | None = None
        ) -> Injection:
            moment = moment_of(number, body, own_wall() + clock.skew) if has_moment else 0
            row: Row = [body, moment, None if token is None else token.encode("utf-8", "surrogateescape")]
            if others:
                for make in others:
                    row.append(make(row, head))
            signature = digest(message % of_message(row))
            row.append(signature)
            if quotes_signature:
                row.append(quoted(signature))
            if unchecked:
                for position, fault in unchecked:
                    require_clean_value(row[position], fault)
            if see is not None:
                see(row)
            clock_version = clock.version if is_dated else None
            return written(lines % of_lines(row), added % of_added(row), generation, "signed", clock_version)

        return sign

    def shown(self, request: OutboundRequest, clock: VendorClock, token: str) -> dict[str, bytes]:
        """What the templates' open places stand for, as it would be signed. `hmac.NAME` is not to be seen."""
        seen: Row = []
        self.prepare(request, clock)(request.body or b"", token, see=seen.extend)
        places = zip(self._places, seen, strict=True)
        return {name.decode(): text_of(value) for name, value in places if b" " not in name}


def _taken(names: Sequence[bytes], at: Mapping[bytes, int]) -> Take:
    """What takes the values of these places, in this order, as a format wants them."""
    return itemgetter(*[at[name] for name in names]) if names else lambda row: ()


def _of_moment(make: Callable[[int, float], bytes | int], valid_for: float) -> Make:
    return lambda row, head: make(row[_MOMENT], valid_for)


def _of_body(make: Callable[[bytes], bytes]) -> Make:
    return lambda row, head: make(row[_BODY])


def _of_secret(secret: Secret) -> Make:
    return lambda row, head: secret.reveal().encode()


def _signed(template: Template, digest: Callable[[bytes], bytes]) -> Make:
    return lambda row, head: digest(template.render_bytes({}))


def _quoted(position: int) -> Make:
    return lambda row, head: quoted(row[position])


def _decoded(make: Callable[[str], str], of_target: Take) -> Make:
    return lambda row, head: make((head.target % of_target(row)).decode()).encode()
