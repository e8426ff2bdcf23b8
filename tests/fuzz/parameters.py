"""Whatever query is accepted: which parameters are in it, by another reader than ours."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote_plus

from proxy.errors import BadTarget, DeniedByRoute
from proxy.gateway.outbound import begun_head, outbound_request, request_head
from proxy.gateway.target import check_target
from tests.fuzz.routes import INJECTION, KEY, ROUTES

_DROPPED = frozenset({"secretkey", "masqueradeas"})
_DENIED = frozenset({"userid", "user-id"})
_ROUNDS = 3


def judge(octets: bytes) -> None:
    target = "/r/x?" + octets.decode("latin-1")
    route = ROUTES.find(target)
    assert route is not None
    query = target.partition("?")[2]
    try:
        check_target(target)
        route.check("GET", target, ())
    except BadTarget:
        return
    except DeniedByRoute:
        assert _names(query) & _DENIED, "refused for a parameter that is not there"
        return
    assert not _names(query) & {"user-id"}, "a denied parameter passed"
    request = outbound_request(route, "GET", target, (), b"")
    sent = request.target.partition("?")[2]
    assert not _names(sent) & _DROPPED, "a parameter of the credential's, or one that is dropped, survives"
    assert _fair(query, sent), "another parameter was lost or changed"
    line = request_head(begun_head(route, request), INJECTION, b"").decode().split(" ")[1].partition("?")[2]
    ours = [value for name, value in parse_qsl(line, keep_blank_values=True) if name == "secretKey"]
    assert ours == [KEY], "the credential's parameter is not there exactly once"


def _names(query: str) -> set[str]:
    """The names of all parameters, as lenient servers read them."""
    names: set[str] = set()
    for piece in query.replace(";", "&").split("&"):
        name = piece.partition("=")[0]
        for _ in range(_ROUNDS):
            name = unquote_plus(name)
            plain = name.lower().replace("_", "-")
            names |= {plain, plain.partition("[")[0].partition("\0")[0].strip("+ \t\n\r\v\f")}
    return names


def _fair(query: str, sent: str) -> bool:
    """Whether just those pieces are missing that hold a name which is to be dropped."""
    dropped = [piece for piece in query.split("&") if _names(piece) & _DROPPED]
    kept = [piece for piece in query.split("&") if not _names(piece) & _DROPPED]
    return sent == "&".join(kept) if dropped else sent == query
