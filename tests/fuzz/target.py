"""Whatever target is accepted: where it leads, by other readers than ours."""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from yarl import URL

from proxy.errors import BadTarget
from proxy.gateway.outbound import begun_head, outbound_request, request_head
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.target import check_target
from tests.fuzz.routes import EVERY_PATH, HOST, INJECTION, KEY, ROUTES

# UTF-8 of more octets than are needed, which lenient decoders read all the same: of characters that mean something.
_OVERLONG = {
    prefix + last: character
    for character in "./\\;%\0\r\n"
    for high, last in [(ord(character) >> 6, bytes([0x80 | ord(character) & 0x3F]))]
    for prefix in (bytes([0xC0 | high]), bytes([0xE0, 0x80 | high]), bytes([0xF0, 0x80, 0x80 | high]))
}
_SEPARATORS = re.compile(rb"[/\\;]")


def judge(octets: bytes) -> None:
    target = octets.decode("latin-1")
    for routes in (ROUTES, EVERY_PATH):
        _judge(target, routes)


def _judge(target: str, routes: RouteTable) -> None:
    route = routes.find(target)
    try:
        check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
    except BadTarget:
        return
    if route is None:
        return
    request = outbound_request(route, "GET", target, (), b"")
    sent = request.target
    check_target(sent, encoded_slashes=route.encoded_slashes)
    _stays(route, target, sent)
    _means_the_same_to_others(route, sent)
    head = request_head(begun_head(route, request), INJECTION, b"")
    assert re.fullmatch(rb"GET /[!-~]* HTTP/1\.1", head.partition(b"\r\n")[0]), "the request line is not one"
    assert head.count(KEY.encode()) == 3, "the credential is not there as often as it should be"


def _stays(route: Route, target: str, sent: str) -> None:
    base, path = route.provider.base_path, sent.partition("?")[0]
    assert path == base or path.startswith(base + "/"), "it left the base path"
    own = target.partition("?")[0]
    assert path == base + own.removeprefix(route.prefix if route.prefix != "/" else "") or path == "/"
    rounds = _decodings(path)
    for octets in rounds:
        assert not {b".", b".."} & set(_SEPARATORS.split(octets)), "a dot segment survives"
        folded = normalize("NFKC", octets.decode(errors="replace")).encode()
        assert not {b".", b".."} & set(_SEPARATORS.split(folded)), "a dot segment survives to readers of full width"
        assert not re.search(rb"[\0\r\n\\]", octets), "an octet that no path may hold survives"
    # Where a route allows `%2F`, one round of decoding brings slashes, and no other.
    last = rounds[min(1, len(rounds) - 1)] if route.encoded_slashes else rounds[0]
    assert all(octets.count(b"/") == last.count(b"/") for octets in rounds[1:]), "a slash survives in disguise"


def _decodings(path: str) -> list[bytes]:
    """What the path is after each round of decoding, until nothing changes any more."""
    rounds, octets = [], path.encode("latin-1")
    while not rounds or octets != rounds[-1]:
        rounds.append(octets)
        octets = unquote_to_bytes(octets)
        for overlong, character in _OVERLONG.items():
            octets = octets.replace(overlong, character.encode())
    return rounds


def _means_the_same_to_others(route: Route, sent: str) -> None:
    base = f"https://{HOST}"
    path, _, query = sent.partition("?")
    parts = urlsplit(base + sent)
    assert (parts.netloc, parts.path, parts.query, parts.fragment) == (HOST, path, query, "")
    kept = URL(base + sent, encoded=True)
    assert (kept.host, kept.raw_path, kept.raw_query_string, kept.raw_fragment) == (HOST, path, query, "")
    # As they would go on from the vendor's own page, and with what they think is quoted too much.
    for url in (URL(base + sent), URL(base + "/x/y").join(URL(sent)), URL(urljoin(base + "/x/y", sent))):
        assert url.host == HOST and url.user is None and url.port == 443, "it left the origin"
        stays = url.raw_path == route.provider.base_path or url.raw_path.startswith(route.provider.base_path + "/")
        assert stays, "it left the base path when it was normalised"
