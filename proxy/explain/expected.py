"""What authproxy itself would sign for a request, at the moment at which somebody else did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from proxy.explain.explanation import Prepared
from proxy.explain.presented import Presented
from proxy.explain.signing import Facts, Signing
from proxy.schemes.derived_key import decoded_key
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.signing_scope import (
    BODY_PLACES,
    DIGEST_PLACES,
    MOMENT_PLACES,
    REQUEST_PLACES,
    TARGET_PLACES,
    iso_timestamp,
    values_of_moment,
)
from proxy.schemes.string_to_sign import LONGEST_SHOWN
from proxy.secret import Secret
from proxy.target import add_parameters, canonical
from proxy.template import Template, Value, variable_scope

# Places that hold no secret, whatever they hold.
_OPEN = dict.fromkeys((*REQUEST_PLACES, *TARGET_PLACES, *BODY_PLACES, *DIGEST_PLACES, "signature"), "")
_OF_MOMENT = MOMENT_PLACES - {"nonce", "expires"}


def expected_signing(
    scheme: HmacSignature,
    way: Prepared,
    asked: str,
    bound: dict[str, str],
    said: Presented,
    local_origins: tuple[str, ...],
    wall: float,
) -> tuple[Signing, Facts]:
    """What authproxy would sign at the moment that was said, and what else is known."""
    request, provider = way.request, way.route.provider
    at = _moment(scheme, bound, said, wall)
    variables = variable_scope(scheme.variables)
    places = scheme.message.names | {name for text in scheme.query.values() for name in text.names}
    scope: dict[str, Value] = {**variables, **values_of_moment(places, at, scheme.valid_for), **bound}
    path, _, query = request.target.partition("?")
    added = [(name, text.render(scope)) for name, text in scheme.query.items() if "signature" not in text.names]
    pieces = [*query.split("&"), *(add_parameters("", [pair])[1:] for pair in added)]
    key = scheme.key.reveal()
    right = Signing(
        message=scheme.message,
        scope=scope,
        method=request.method,
        origin=request.origin,
        path=path,
        query=tuple(piece for piece in pieces if piece),
        body=request.body or b"",
        key=decoded_key(key, scheme.key_encoding),
        before_path=request.origin,
        headers=request.headers,
    )
    secrets = {name: one.reveal() for name, one in variables.items() if isinstance(one, Secret) and one.reveal() != key}
    texts = {text for name, text in scope.items() if name in _OF_MOMENT and isinstance(text, str)}
    facts = Facts(
        added=tuple(name for name, _ in added),
        moments=_other_forms(at, texts),
        local_origins=local_origins,
        local_path=asked.partition("?")[0],
        base_path=provider.base_path,
        secrets=secrets,
        key_text=key,
    )
    return right, facts


def _moment(scheme: HmacSignature, bound: dict[str, str], said: Presented, wall: float) -> float:
    """When the signature was made, in seconds since the epoch, as far as the sender's texts tell."""
    moment = next((text for name, text in bound.items() if name in _OF_MOMENT), None)
    if moment is None and "expires" in bound:
        return _seconds(bound["expires"], wall + scheme.valid_for) - scheme.valid_for
    moment = moment or said.moment
    return wall if moment is None else _seconds(moment, wall)


def bound_places(scheme: HmacSignature, said: Presented) -> Iterator[tuple[str, str]]:
    """Places of which the sender's text is known, because a header or parameter holds nothing else."""
    for templates, values in ((scheme.headers, said.headers), (scheme.query, said.parameters)):
        for name, template in templates.items():
            if len(template.parts) == 1 and template.names & MOMENT_PLACES and canonical(name) in values:
                yield next(iter(template.names)), values[canonical(name)]


def _other_forms(at: float, texts: set[str]) -> dict[str, dict[str, str]]:
    forms = {
        "the timestamp is in seconds": str(int(at)),
        "the timestamp is in milliseconds": str(round(at * 1000)),
        "the timestamp is in seconds, with three zeros for milliseconds": f"{int(at)}000",
        "the timestamp is in microseconds": str(round(at * 1_000_000)),
        "the timestamp has decimals": f"{at:.3f}",
        "the timestamp is written as a date": iso_timestamp(at),
    }
    return {words: dict.fromkeys(texts, form) for words, form in forms.items()}


def _seconds(text: str, otherwise: float) -> float:
    if text.isdecimal():
        return int(text) / (1000 if len(text) > 11 else 1)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return otherwise


def shown_text(scheme: HmacSignature, way: Prepared, right: Signing) -> str:
    """What authproxy would have signed at that moment, where no secret is in it."""
    texts = (scheme.message, *scheme.query.values())
    if way.shown is not way.request or any(text.hides({**right.scope, **_OPEN}) for text in texts):
        return "the string above, but for its moment"
    return right.text()[:LONGEST_SHOWN].decode("latin-1").encode("unicode_escape").decode()


def needs_moment(scheme: HmacSignature) -> bool:
    signed: list[Template] = [scheme.message, *scheme.query.values()]
    return any(template.names & MOMENT_PLACES for template in signed)
