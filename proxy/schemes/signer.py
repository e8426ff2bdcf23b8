"""Makes a signature for one request after the other: what `{{signature}}` stands for, and the fields around it.

Whatever does not change from request to request is filled in beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.rendering import Rendering
from proxy.schemes.base import OutboundRequest
from proxy.schemes.fields import require_clean
from proxy.schemes.signing_scope import Moments, SigningScope
from proxy.secret import Secret
from proxy.template import Scope, Template, Value

Fields = tuple[tuple[str, str], ...]
Prepared = list[tuple[str, Rendering]]


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
        digest: Callable[[bytes], str],
    ) -> None:
        early, late = early_and_late(query)
        self._message = Rendering(message, known)
        self._headers = _prepared(headers, known)
        self._early_query, self._late_query = _prepared(early, known), _prepared(late, known)
        self._signed_alone = signed_alone
        self._valid_for = valid_for
        self._digest = digest
        used = (message, *headers.values(), *query.values())
        self._places = SigningScope({name for template in used for name in template.names})
        self._moments = Moments()

    def sign(self, request: OutboundRequest, scope: dict[str, Value], wall: float) -> Fields:
        """The query to inject. Fills the scope with what the request, the moment and the signature are.

        `wall` is the vendor's time, in seconds since the epoch.
        """
        places = self._places
        places.fill(scope, request, self._moments.of(request, wall), self._valid_for)
        for name, template in self._signed_alone.items():
            # As good as the secret that the vendor wants it for.
            scope[f"hmac.{name}"] = Secret(self._digest(template.render_bytes({})), "signed")
        query = _filled(self._early_query, scope)
        places.fill_target(scope, request, query)
        scope["signature"] = self._digest(self._message.octets(scope))
        return query + _filled(self._late_query, scope) if self._late_query else query

    def headers(self, scope: Scope) -> Fields:
        """The headers to inject. Raises CredentialRejected for a value that would end its field."""
        fields = _filled(self._headers, scope)
        require_clean(fields)
        return fields


def early_and_late(query: Mapping[str, Template]) -> tuple[dict[str, Template], dict[str, Template]]:
    """The parameters that are signed with the rest of the URL, and those that hold the signature."""
    late = {name: template for name, template in query.items() if "signature" in template.names}
    return {name: template for name, template in query.items() if name not in late}, late


def _prepared(templates: Mapping[str, Template], known: Scope) -> Prepared:
    return [(name, Rendering(template, known)) for name, template in templates.items()]


def _filled(prepared: Prepared, scope: Scope) -> Fields:
    return tuple([(name, rendering.text(scope)) for name, rendering in prepared])
