"""Whatever a caller asks a GraphQL endpoint: what goes without a token is a query to every other reader too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from proxy.sandbox.graphql import NotGraphql, read_operations
from proxy.schemes.base import OutboundRequest
from proxy.schemes.guest import is_guest_query

_TYPE = ((b"Content-Type", b"application/json"),)


def judge(octets: bytes) -> None:
    """The first octet chooses the method; the rest is the query of a GET, or URL's query, line end and body."""
    choice, octets = octets[:1] or b"\0", octets[1:]
    if choice[0] & 1:
        query, _, body = octets.partition(b"\n")
        request = OutboundRequest("POST", "https://vendor.test", "/g?" + query.decode("latin-1"), _TYPE, body)
        if is_guest_query(request, "/g"):
            assert not any(name.lower() == "query" for name, _ in parse_qsl(query.decode("latin-1"))), "two documents"
            for reader in (dict, _first):
                _judge(json.loads(body, object_pairs_hook=reader))
    else:
        query = octets.partition(b"\n")[0]
        request = OutboundRequest("GET", "https://vendor.test", "/g?" + query.decode("latin-1"), (), b"")
        if is_guest_query(request, "/g"):
            pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
            for reader in (dict, _first):
                _judge(reader(pairs))


def _first(pairs: Any) -> dict[str, Any]:
    """As readers have it to whom the first of several counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _judge(content: Any) -> None:
    for item in content if isinstance(content, list) else [content]:
        kinds = list(_kinds(item["query"], item.get("operationName")))
        assert set(kinds) <= {"query"}, f"{kinds} would be run without a token"


def _kinds(document: str, name: str | None) -> Iterator[str]:
    """Of the operations that a server may run; none if it would run none."""
    try:
        operations = read_operations(document)
    except NotGraphql:
        return
    yield from (operation.kind for operation in operations if not name or operation.name == name)
