"""The usual mistakes in what is signed of a URL: its address, its spelling, its query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from urllib.parse import quote, unquote, unquote_plus

from proxy.explain.signing import MOST_PERMUTED, Facts, Found, Signing

_KEPT = "!$&'()*+,/:;=?@-._~"


def query_order(right: Signing, facts: Facts) -> Found:
    pieces = right.query
    added = tuple(piece for piece in pieces if piece.partition("=")[0] in facts.added)
    own = tuple(piece for piece in pieces if piece not in added)
    if added and own:
        names = ", ".join(piece.partition("=")[0] for piece in added)
        yield f"the query has {names} first instead of last", replace(right, query=added + own)
    yield "the query parameters are sorted by name", replace(right, query=tuple(sorted(pieces)))
    yield (
        "the query parameters are sorted, but for the added ones at the end",
        replace(right, query=tuple(sorted(own)) + added),
    )
    if 1 < len(pieces) <= MOST_PERMUTED:
        for order in permutations(pieces):
            names = ", ".join(piece.partition("=")[0] for piece in order)
            yield f"the query parameters are in the order {names}", replace(right, query=order)


def query_parts(right: Signing, facts: Facts) -> Found:
    added = [piece for piece in right.query if piece.partition("=")[0] in facts.added]
    for piece in added:
        name = piece.partition("=")[0]
        rest = tuple(other for other in right.query if other is not piece)
        yield f"the query is signed without {name}, which is sent with the request", replace(right, query=rest)
    yield "the query is left out of what is signed", replace(right, query=())
    empty = tuple(piece for piece in right.query if not piece.endswith("=") and "=" in piece)
    yield "parameters without a value are left out", replace(right, query=empty)


def spelling(right: Signing, facts: Facts) -> Found:
    def respelt(words: str, change: Callable[[str], str], *, path: bool = True) -> tuple[str, Signing]:
        return words, replace(
            right,
            path=change(right.path) if path else right.path,
            query=tuple(change(piece) for piece in right.query),
        )

    yield respelt("a space in the query is written + instead of %20", lambda text: text.replace("%20", "+"), path=False)
    yield respelt("a space is written %20 instead of +", lambda text: text.replace("+", "%20"), path=False)
    yield respelt("the escapes are in lower case (%2f)", _escapes(str.lower))
    yield respelt("the escapes are in upper case (%2F)", _escapes(str.upper))
    yield respelt("path and query are decoded before they are signed", unquote)
    yield respelt("the query is decoded before it is signed", unquote_plus, path=False)
    yield respelt("everything but letters, digits and -._~ is percent-encoded in the query", _encoded, path=False)
    yield respelt("path and query are percent-encoded once more", lambda text: quote(text, safe="/=&"))
    yield respelt("~ is written %7E", lambda text: text.replace("~", "%7E"))
    yield respelt("characters that may stand as they are are percent-encoded", lambda text: quote(text, safe="/=&%"))
    yield respelt("only what has to be is percent-encoded", lambda text: quote(unquote(text), safe=_KEPT))


def address(right: Signing, facts: Facts) -> Found:
    scheme, _, host = right.origin.partition("://")
    other = "http" if scheme == "https" else "https"
    yield f"the URL begins with {other}:// instead of {scheme}://", _at(right, f"{other}://{host}", right.path)
    yield "the URL is signed without scheme and host", replace(right, before_path="")
    yield "the URL is signed without its scheme", replace(right, before_path=host)
    yield "scheme and host are signed too", replace(right, before_target=right.origin)
    yield "the host is signed too", replace(right, before_target=host)
    if ":" not in host:
        port = "443" if scheme == "https" else "80"
        yield f"the URL names the port, :{port}", _at(right, f"{right.origin}:{port}", right.path)
    for origin in facts.local_origins:
        yield "it is the proxy's URL that is signed, not the vendor's", _at(right, origin, facts.local_path)
    if facts.base_path:
        yield (
            f"the path is signed without {facts.base_path}, with which it is sent",
            replace(right, path=right.path.removeprefix(facts.base_path)),
        )
    yield "the path has a slash at its end", replace(right, path=right.path + "/")
    if right.path.endswith("/"):
        yield "the path is signed without the slash at its end", replace(right, path=right.path.removesuffix("/"))


def _at(right: Signing, origin: str, path: str) -> Signing:
    """The same at another address, wherever the message speaks of it."""
    before_target = origin if right.before_target else ""
    return replace(right, origin=origin, before_path=origin, before_target=before_target, path=path)


def _escapes(change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        head, *rest = text.split("%")
        return "%".join([head, *(change(piece[:2]) + piece[2:] for piece in rest)])

    return changed


def _encoded(piece: str) -> str:
    name, equals, value = piece.partition("=")
    return quote(unquote_plus(name), safe="") + equals + quote(unquote_plus(value), safe="")
