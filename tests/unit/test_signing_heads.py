"""A head that was signed before is signed as if it were new, and no head is taken for another one."""

from __future__ import annotations

import hmac
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadTarget, CredentialRejected
from proxy.gateway.outbound import begun_head, request_head
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.signing_heads import LONGEST_KEPT, MOST_KEPT, SigningHeads
from proxy.secret import FileSecret, Secret
from proxy.template import Template
from tests.clock import FakeClock
from tests.login_endpoint import provider_context, templates
from tests.served import provider

ROUTE = Route.to(provider("https://a.test"), "/r")

# One of each kind of place, in each place where it may be.
MESSAGE = (
    "{{method}} {{origin}}{{path}}?{{query}} {{url}} {{target}} {{target_decoded}} {{query_decoded}} {{host}} {{fixed}}"
    " {{header.X}} {{timestamp}} {{timestamp_ms}} {{timestamp_iso}} {{expires}} {{hmac.fixed}} {{body_sha256}} {{body}}"
)
QUERY = {
    "p%": "{{path}}",
    "t": "{{timestamp_iso}}",
    "f": "{{fixed}}",
    "b": "{{body_sha256_base64}}",
    "s": "{{signature}}",
}
HEADERS = {"S": "{{signature}}", "U": "{{url}}", "X": "{{header.X}} {{body_sha512}}%s"}

METHODS = st.sampled_from(["GET", "POST"])
ORIGINS = st.sampled_from(["https://a.test", "https://a.test:81"])
TARGETS = st.sampled_from(["/", "/?", "/p?a=%2F", "/p?a=%C3%A9&b", "/%25(body)b", "/p%", "/%(body)b?%s"])
FIELDS = st.sampled_from([(), ((b"X", b"1"),), ((b"x", b"%(body)b"),), ((b"X", b"\xe4%"),)])
BODIES = st.sampled_from([b"", b"{}", b"%(url)b", b"\xff" * 300])
REQUESTS = st.builds(OutboundRequest, METHODS, ORIGINS, TARGETS, FIELDS, BODIES)


def scheme(clock: FakeClock, **rest: Any) -> HmacSignature:
    keys = {
        "key": Secret("k"),
        "encoding": "base64",
        "message": Template.parse(MESSAGE),
        "variables": {"fixed": Template(("%(url)b é",))},
        "query": templates(**QUERY),
        "headers": templates(**HEADERS),
    }
    made = HmacSignature(**{**keys, **rest})
    made.bind(provider_context(clock=clock))
    return made


def signed(made: HmacSignature, request: OutboundRequest) -> Injection:
    injection = made.prepare(request)(request.body)
    assert injection is not None
    return injection


@given(st.lists(REQUESTS, min_size=2, max_size=12))
def test_a_head_that_was_signed_before_is_signed_as_if_it_were_new(requests: list[OutboundRequest]) -> None:
    clock = FakeClock(wall=1_700_000_000.0)
    old = scheme(clock)
    for request in requests:
        clock.advance(2.0)
        assert signed(old, request) == signed(scheme(clock), request)


@given(REQUESTS, REQUESTS)
def test_two_heads_never_share_what_is_prepared(one: OutboundRequest, other: OutboundRequest) -> None:
    heads = SigningHeads(Template.parse("{{url}}{{header.X}}"), {}, {}, {})
    is_same = (one.method, one.origin, one.target, one.headers) == (
        other.method,
        other.origin,
        other.target,
        other.headers,
    )
    assert (heads.of(one) is heads.of(other)) == is_same


def test_fields_that_are_not_signed_do_not_matter() -> None:
    heads = SigningHeads(Template.parse("{{url}}{{body}}"), {}, {}, {})
    requests = [OutboundRequest("GET", "https://a.test", "/", ((b"X-Request-Id", b"%d" % id_),)) for id_ in range(2)]
    assert heads.of(requests[0]) is heads.of(requests[1])


def test_of_callers_whose_every_head_is_another_one_few_are_kept() -> None:
    heads = SigningHeads(Template.parse("{{url}}"), {}, {}, {})
    requests = [OutboundRequest("GET", "https://a.test", f"/{number}") for number in range(MOST_KEPT + 1)]
    made = [heads.of(request) for request in requests]
    assert heads.of(requests[-1]) is made[-1]
    assert heads.of(requests[0]) is not made[0]


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_long_heads_are_not_kept(more: int, is_kept: bool) -> None:
    heads = SigningHeads(Template.parse("{{url}}{{header.X}}"), {}, {}, {})
    request = OutboundRequest("GET", "https://a.test", "/", ((b"X", b"x" * (LONGEST_KEPT - 2 + more)),))
    assert (heads.of(request) is heads.of(request)) == is_kept


@pytest.mark.parametrize("place", ["message", "hmac", "query", "headers"])
def test_a_secret_file_that_changes_is_taken_for_the_next_signature(place: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    messages = {"message": "{{v}}", "hmac": "{{hmac.v}}"}
    changing = {"message": Template.parse(messages[place])} if place in messages else {place: templates(V="{{v}}")}
    clock = FakeClock(wall=1_700_000_000.0)
    request = OutboundRequest("GET", "https://a.test", "/")

    def keys(text: Template) -> dict[str, Any]:
        return {"variables": {"fixed": Template(("f",)), "v": text}, **changing}

    old = scheme(clock, **keys(Template(("a ", FileSecret(path)))))
    for text in ("one", "another/"):
        path.write_text(text)
        clock.advance(2.0)
        assert signed(old, request) == signed(scheme(clock, **keys(Template((f"a {text}",)))), request)


def test_a_signature_in_the_query_is_percent_encoded() -> None:
    message = "m"
    while not {"+", "/"} <= set(signature := b64encode(hmac.new(b"k", message.encode(), "sha256").digest()).decode()):
        message += "m"
    made = scheme(FakeClock(), message=Template.parse(message), headers={}, query=templates(s="{{signature}}"))
    injection = signed(made, OutboundRequest("GET", "https://a.test", "/"))
    assert injection.added.decode() == f"s={quote(signature, safe='')}"


@pytest.mark.parametrize("is_changing", [False, True])
def test_a_header_that_would_hold_a_control_character_is_refused_each_time(is_changing: bool, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a\x01b")
    value = FileSecret(path) if is_changing else Secret("a\x01b")
    made = scheme(FakeClock(), headers={"H": Template((value,))})
    for _ in range(2):
        with pytest.raises(CredentialRejected):
            signed(made, OutboundRequest("GET", "https://a.test", "/"))


@pytest.mark.parametrize("place", ["target_decoded", "query_decoded"])
def test_a_caller_writes_no_header_of_his_own_by_a_place_without_escapes(place: str) -> None:
    """What is decoded may be signed whatever it is; a header is not ended by it."""
    made = scheme(FakeClock(), query={}, headers=templates(H=f"{{{{{place}}}}}"))
    for octet in ("%0D", "%0a", "%00", "%0d%0aX-Other:%20mine"):
        for _ in range(2):
            with pytest.raises(BadTarget):
                signed(made, OutboundRequest("GET", "https://a.test", f"/?a=b{octet}c"))
    assert signed(made, OutboundRequest("GET", "https://a.test", "/?a=%20%C3%A9")).headers[0][1].endswith("a= é")
    signed(scheme(FakeClock()), OutboundRequest("GET", "https://a.test", "/?a=b%0D%0Ac"))


@given(REQUESTS)
def test_the_url_that_is_signed_is_the_one_that_is_sent(request: OutboundRequest) -> None:
    """Here a header shows what `{{url}}` stood for; the signature's own parameter comes behind it."""
    injection = signed(scheme(FakeClock(), encoding="hex"), request)
    url, signature = dict(injection.headers)["U"], dict(injection.headers)["S"]
    line = f"{request.method} {url.removeprefix(request.origin)}&s={signature} HTTP/1.1\r\n"
    assert request_head(begun_head(ROUTE, request), injection, b"").decode("latin-1").startswith(line)
