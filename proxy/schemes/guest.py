"""Whether a request is a GraphQL query that a guest may make: over HTTP, in all the forms that servers accept.

Everything that is not plainly a query needs the token: a batch with one mutation in it, a document that comes
twice, a body that is compressed, an encoding that servers may read differently.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from proxy.schemes.base import OutboundRequest
from proxy.schemes.graphql import selected_operation
from proxy.strict_json import parse_strictly
from proxy.tokens.answer_document import require_shallow

_JSON_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?', re.IGNORECASE)
# Decoded before they are compared; whoever sends one of these twice may mean either.
_PARAMETERS = frozenset({"query", "operationname", "extensions", "variables"})


def is_guest_query(request: OutboundRequest, path: str) -> bool:
    """Whether it goes to exactly this path and would run queries only."""
    own_path, _, query = request.target.partition("?")
    if own_path != path or request.body is None:
        return False
    if request.method == "GET":
        return not request.body and _is_query_in_url(query)
    return request.method == "POST" and not _names_a_document(query) and _is_query_in_body(request)


def _is_query_in_body(request: OutboundRequest) -> bool:
    fields = [name.lower() for name, _ in request.headers]
    media_type = request.header("content-type") or ""
    if fields.count(b"content-type") != 1 or not _JSON_TYPE.fullmatch(media_type.strip()):
        return False
    if b"content-encoding" in fields:
        return False
    try:
        text = (request.body or b"").decode("utf-8")
        require_shallow(text)
        content = parse_strictly(text)
    except ValueError:
        return False
    if isinstance(content, list):
        return bool(content) and all(_is_query(item) for item in content)
    return _is_query(content)


def _is_query(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    document, name = item.get("query"), item.get("operationName")
    if not isinstance(document, str) or not (name is None or isinstance(name, str)):
        return False
    return selected_operation(document, name) == "query"


def _is_query_in_url(query: str) -> bool:
    try:
        pairs = _pairs(query)
    except ValueError:
        return False
    named = [(name, value) for name, value in pairs if name.lower() in _PARAMETERS]
    if len({name.lower() for name, _ in named}) != len(named):
        return False
    parameters = dict(named)
    return _is_query({name: parameters[name] for name in ("query", "operationName") if name in parameters})


def _names_a_document(query: str) -> bool:
    """Whether the URL of a POST has anything that a server could prefer to the body."""
    try:
        return any(name.lower() in _PARAMETERS for name, _ in _pairs(query))
    except ValueError:
        return True


def _pairs(query: str) -> list[tuple[str, str]]:
    """The decoded parameters. Raises ValueError where servers may differ in reading them."""
    # Some servers take the semicolon for a separator too.
    if ";" in query:
        raise ValueError("ambiguous")
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
