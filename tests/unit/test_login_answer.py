"""What a login endpoint's answer means: a grant, the credential's fault, or trouble that may pass."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from math import inf
from typing import Any

import pytest

from proxy.errors import CredentialError, UpstreamConnectTimeout, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from proxy.schemes.base import OutboundRequest
from proxy.schemes.token_exchange import TokenExchange
from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.grant import TokenFields, read_grant
from proxy.tokens.login import LoginAnswer, LoginCall, grant_from, log_in, retry_after_seconds
from proxy.tokens.login_request import LoginRequest
from proxy.tokens.token import Grant, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import Answer, login_endpoint, provider_context

WALL = 1_700_000_000.0
FIELDS = TokenFields(token="access_token", lifetime="expires_in", refresh_token="refresh_token", success="success")


def read(body: bytes | Any, fields: TokenFields = FIELDS, **policy: Any) -> Grant:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_grant(raw, fields, TokenPolicy(**policy), FakeClock(wall=WALL))


def jwt(**claims: Any) -> str:
    payload = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln"


# --- Finding the token --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "document"),
    [
        ("access_token", {"access_token": "T"}),
        ("result.session.key", {"result": {"session": {"key": "T"}}}),
        ("a.*.b", {"a": {"x": {"c": 1}, "y": {"b": "T"}}}),
        ("*.b", [{"c": 1}, {"b": "T"}]),
        ("a.0.b", {"a": [{"b": "T"}]}),
        ("a.b", {"a": '{"b":"T"}'}),
        ("a.*.b", {"a": {"x": '{"b":"T"}'}}),
        (["a", "b"], {"a": None, "b": "T"}),
        (["a.b", "c"], {"a": "not json", "c": "T"}),
    ],
)
def test_a_token_is_found_along_its_path(paths: Any, document: Any) -> None:
    assert read(document, TokenFields(token=paths)).token.reveal() == "T"


MALFORMED: list[bytes] = [
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"5",
    b'"text"',
    b"<html>login</html>",
    b'{"access_token":"t"',
    b'{"access_token":"t"}}',
    b'{"access_token":}',
    b'{"access_token":null}',
    b'{"access_token":5}',
    b'{"access_token":true}',
    b'{"access_token":""}',
    b'{"access_token":{}}',
    b'{"access_token":["t"]}',
    b'{"access_token":"undefined"}',
    b'{"access_token":"null"}',
    b'{"access_token":"None"}',
    b'{"access_token":"NaN"}',
    b'{"access_token":"[object Object]"}',
    b'{"access_token":"a b"}',
    b'{"access_token":"a\\r\\nX-Evil: 1"}',
    b'{"access_token":"a\\u0000b"}',
    b'{"access_token":"t\\u00e4"}',
    b'{"access_token":"' + b"x" * 16_385 + b'"}',
    b'{"access_token":"' + b"x" * 70_000 + b'"}',
    b'{"access_token":"t","expires_in":NaN}',
    b'{"access_token":"t","expires_in":Infinity}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"access_token":"t","a":' + b"[" * 1000 + b"]" * 1000 + b"}",
    '{"access_token":"t"}'.encode("utf-16"),
    '{"access_token":"t"}'.encode("utf-16-le"),
    b'{"access_token":"\xff"}',
    b"access_token=t&expires_in=60",
    b'{"Access_Token":"t"}',
    b'{"data":{"access_token":"t"}}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=[repr(body[:40]) for body in MALFORMED])
def test_a_malformed_answer_is_trouble_that_may_pass(body: bytes) -> None:
    with pytest.raises(LoginMalformed):
        read(body)


async def test_forty_malformed_answers_never_become_a_credential_nor_a_crash() -> None:
    answers = [Answer(body=body) for body in MALFORMED]
    async with login_endpoint(*answers, Answer(body=b'{"access_token":"good"}')) as endpoint:
        clock = FakeClock()
        scheme = TokenExchange(login=LoginRequest(path="/t"))
        scheme.bind(provider_context(endpoint.url, clock=clock))
        request = OutboundRequest("GET", "https://a.example", "/")
        for _ in MALFORMED:
            with pytest.raises(CredentialError) as failure:
                await scheme.authorize(request)
            assert failure.value.status == 503
            clock.advance(30)
        assert (await scheme.authorize(request)).headers == (("Authorization", "Bearer good"),)
    assert len(endpoint.received) == len(MALFORMED) + 1


@pytest.mark.parametrize(
    "body",
    [b'\xef\xbb\xbf{"access_token":"t"}', b'{"access_token":"x","access_token":"t"}', b' {"access_token":"t"}\n'],
)
def test_what_is_odd_and_yet_clear_is_read(body: bytes) -> None:
    assert read(body).token.reveal() == "t"


@pytest.mark.parametrize(
    "document",
    [
        {"access_token": "t", "success": False},
        {"access_token": "t", "success": "false"},
        {"access_token": "t", "success": 0},
        {"errors": [{"message": "no", "extensions": {"code": "validation-failed"}}]},
        {"errors": [{"message": "no"}], "data": {"v1Login": None}},
        {"error": "invalid_client"},
    ],
)
def test_an_answer_that_says_no_is_the_credentials_fault(document: Any) -> None:
    with pytest.raises(LoginRefused):
        read(document)


def test_a_graphql_server_at_fault_is_trouble_that_may_pass() -> None:
    with pytest.raises(LoginUnavailable):
        read({"errors": [{"extensions": {"code": "unexpected"}, "message": "internal error"}]})


@pytest.mark.parametrize("success", [True, 1, "true", "ok", None])
def test_success_in_its_usual_spellings(success: Any) -> None:
    assert read({"access_token": "t", "success": success}).token.reveal() == "t"


def test_a_refresh_token_that_cannot_be_one_counts_as_none() -> None:
    assert read({"access_token": "t", "refresh_token": "r"}).refresh_token is not None
    odds: list[Any] = [None, "", 5, "a b", "null", {}]
    for odd in odds:
        assert read({"access_token": "t", "refresh_token": odd}).refresh_token is None


@pytest.mark.parametrize("word", ["undefined", "null", "none", "nan", "true", "false"])
def test_a_word_for_nothing_is_no_token_in_any_case(word: str) -> None:
    for spelling in (word, word.upper(), word.title()):
        with pytest.raises(LoginMalformed):
            read({"access_token": spelling})
        assert read({"access_token": "t", "refresh_token": spelling}).refresh_token is None
    assert read({"access_token": word + "x"}).token.reveal() == word + "x"


def test_a_token_has_up_to_16_kib_of_visible_ascii() -> None:
    longest = "!" + "~" * 16_383
    assert read({"access_token": longest, "refresh_token": longest}).refresh_token is not None
    for odd in (longest + "x", " t", "t\x7f", "t\x1f"):
        with pytest.raises(LoginMalformed):
            read({"access_token": odd})


def test_secrets_of_an_answer_say_where_they_come_from() -> None:
    grant = read({"access_token": "t", "refresh_token": "r"})
    assert (repr(grant.token), repr(grant.refresh_token)) == ("<secret login>", "<secret login>")


@pytest.mark.parametrize(
    "error",
    [
        "access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client",
        "unsupported_grant_type",
    ],
)  # fmt: skip
def test_an_oauth_error_in_a_200_is_a_refusal_and_final_if_the_grant_is_dead(error: str) -> None:
    """RFC 6749 section 5.2."""
    with pytest.raises(LoginRefused) as failure:
        read({"error": error})
    assert failure.value.is_final is (error == "invalid_grant")
    refused = judged(400, json.dumps({"error": error}).encode())
    assert isinstance(refused, LoginRefused) and refused.is_final is (error == "invalid_grant")


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "Invalid_Client", "", 5, {"a": 1}])
def test_another_error_in_a_200_is_trouble_that_may_pass(error: object) -> None:
    with pytest.raises(LoginMalformed):
        read({"error": error})


@pytest.mark.parametrize(
    "body", [b"", b"invalid_grant", b"[]", b'{"error":"x"}', b'"invalid_grant"', b'{"a":"invalid_grant"}']
)
def test_a_refusal_without_a_word_of_the_grant_is_not_final(body: bytes) -> None:
    refused = judged(400, body)
    assert isinstance(refused, LoginRefused) and refused.is_final is False


@pytest.mark.parametrize("code", ["unexpected", "internal-error", "INTERNAL_SERVER_ERROR", "service_unavailable"])
def test_a_graphql_servers_own_fault_may_have_spent_what_was_sent(code: str) -> None:
    with pytest.raises(LoginUnavailable) as failure:
        read({"errors": [{"extensions": {"code": code}}]})
    assert failure.value.is_lost and type(failure.value) is LoginUnavailable


@pytest.mark.parametrize("success", [True, 1, 1.0, "true", "TRUE", "ok", "Success"])
def test_words_for_success(success: object) -> None:
    assert read({"access_token": "t", "success": success})


@pytest.mark.parametrize("success", [False, 0, 2, "", "no", "false", "error", [], {}])
def test_all_other_words_are_none(success: object) -> None:
    with pytest.raises(LoginRefused):
        read({"access_token": "t", "success": success})


def test_where_the_token_is_has_to_be_said_and_every_path_be_one() -> None:
    for nothing in ("", []):
        with pytest.raises(ValueError, match="token"):
            TokenFields(token=nothing)
    for name in ("token", "refresh_token", "lifetime", "success"):
        with pytest.raises(ValueError, match=f"{name}: a path"):
            TokenFields(**{name: "a..b"})


# --- Lifetimes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 3600 ", 3600),
        (3600.5, 3600.5),
        ("3600.5", 3600.5),
        (0.5, 0.5),
        (WALL + 60, 60),
        ((WALL + 60) * 1000, 60),
        ("2023-11-14T22:14:20Z", 60),
        ("2023-11-14T23:14:20+01:00", 60),
        ("2023-11-14T22:14:20", 60),
        (10**18, 366 * 86_400),
        (10**30, 366 * 86_400),
        (1e300, 366 * 86_400),
        (5e8, 366 * 86_400),
        # Not a figure: the next source is asked, which here is the configuration.
        (0, 77),
        (-1, 77),
        ("-5", 77),
        (True, 77),
        (False, 77),
        (None, 77),
        ("", 77),
        ("soon", 77),
        ("nan", 77),
        ("inf", 77),
        ("1e3", 77),
        ("1_000", 77),
        ([], 77),
        ({}, 77),
        (WALL - 60, 77),
        ("9" * 20, 366 * 86_400),
        ("9" * 21, 77),
        ("1." + "9" * 21, 77),
        ("5.", 77),
        (".5", 77),
        (999_999_999, 366 * 86_400),
        # A moment in 2001 is over, be it in seconds or in milliseconds.
        (1_000_000_000, 77),
        (99_999_999_999, 366 * 86_400),
        (100_000_000_000, 77),
        (WALL, 77),
    ],
)
def test_a_stated_lifetime(stated: Any, seconds: float) -> None:
    body = {"access_token": "t", "expires_in": stated}
    assert read(body, lifetime=77.0).lifetime == pytest.approx(seconds)


@pytest.mark.parametrize("figure", [b"9" * 5000, b"1e400", b"-" + b"9" * 5000])
def test_figures_beyond_all_measure(figure: bytes) -> None:
    assert read(b'{"access_token":"t","expires_in":' + figure + b"}", lifetime=77.0).lifetime == 77


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [
        ({"exp": WALL + 60}, 60),
        ({"exp": WALL + 60, "iat": WALL}, 60),
        ({"exp": WALL + 1060, "iat": WALL + 1000}, 60),
        ({"exp": WALL - 940, "iat": WALL - 1000}, 60),
        ({"exp": WALL + 30, "iat": WALL - 30}, 30),
        ({"exp": str(int(WALL) + 60)}, 60),
        ({"exp": 1e300}, 366 * 86_400),
        ({"exp": WALL - 60}, 77),
        ({"exp": True}, 77),
        ({"exp": None}, 77),
        ({}, 77),
        ({"exp": WALL + 60, "iat": WALL + 60}, 60),
        ({"exp": WALL + 60, "iat": "soon"}, 60),
        ({"exp": WALL, "iat": WALL}, 77),
        ({"iat": WALL - 5}, 77),
        ({"exp": WALL + 10**9}, 366 * 86_400),
        ({"exp": WALL + 60, "a": "\u00ff>>>???"}, 60),
    ],
)
def test_a_jwt_tells_its_own_lifetime(claims: dict[str, Any], seconds: float) -> None:
    assert read({"access_token": jwt(**claims)}, lifetime=77.0).lifetime == pytest.approx(seconds)


@pytest.mark.parametrize("token", ["a.b", "a.b.c", "a.e30.c", "a..c", "a.W10.c", "...", "a.b.c.d", "a.!!!.c"])
def test_what_looks_like_a_jwt_and_is_none(token: str) -> None:
    assert read({"access_token": token}, lifetime=77.0).lifetime == 77


def test_the_order_of_the_sources() -> None:
    token = jwt(exp=WALL + 60)
    assert read({"access_token": token, "expires_in": 30}, lifetime=77.0).lifetime == 30
    assert read({"access_token": token}, lifetime=77.0).lifetime == 60
    assert read({"access_token": "t"}, lifetime=77.0).lifetime == 77
    assert read({"access_token": "t"}, lifetime=inf).lifetime == inf
    assert read({"access_token": "t"}).lifetime == 300


# --- Statuses -----------------------------------------------------------------------------------------------------------


def judged(status: int, body: bytes = b"{}", *fields: tuple[bytes, bytes]) -> LoginFailure:
    with pytest.raises(LoginFailure) as failure:
        grant_from(LoginAnswer(status, fields, body), FIELDS, TokenPolicy(), FakeClock(wall=WALL))
    return failure.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, LoginRefused), (401, LoginRefused), (403, LoginRefused), (404, LoginRefused), (422, LoginRefused),
        (408, LoginUnavailable), (425, LoginUnavailable), (429, LoginUnavailable),
        (500, LoginUnavailable), (502, LoginUnavailable), (503, LoginUnavailable), (599, LoginUnavailable),
        (499, LoginRefused), (199, LoginUnavailable), (299, LoginMalformed), (300, LoginMalformed), (399, LoginMalformed),
        (301, LoginMalformed), (307, LoginMalformed), (200, LoginMalformed), (204, LoginMalformed),
    ],
)  # fmt: skip
def test_whose_fault_a_status_is(status: int, kind: type[LoginFailure]) -> None:
    failure = judged(status)
    assert type(failure) is kind
    assert failure.status == status


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (401, b"{}", "401 from its login endpoint"),
        (404, b"{}", "404 from its login endpoint"),
        (503, b"{}", "503 from its login endpoint"),
        (302, b"{}", "302 from its login endpoint, and redirects are not followed"),
        (200, b"{}", "its login endpoint's answer holds no token where `response` says"),
        (200, b"CANARY", "its login endpoint's answer is not JSON"),
    ],
)
def test_the_cause_says_where_it_failed_and_of_what(status: int, body: bytes, cause: str) -> None:
    assert judged(status, body).cause == cause


def test_a_token_in_an_error_answer_is_not_taken() -> None:
    assert isinstance(judged(401, b'{"access_token":"t"}'), LoginRefused)


@pytest.mark.parametrize(
    ("media_type", "is_read"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"application/vnd.acme.v1+json", True),
        (b"text/plain", True),
        (b"text/javascript", True),
        (b"application/octet-stream", True),
        (b"application/x-javascript", True),
        (b"application/javascript", True),
        (b" text/json ;charset=utf-8", True),
        (b"application/json-seq", False),
        (b"xapplication/json", False),
        (b"application/vnd acme+json", False),
        (b"multipart/json", False),
        (b"", True),
        (b"text/html; charset=utf-8", False),
        (b"application/xml", False),
        (b"image/png", False),
    ],
)
def test_an_answer_of_another_type_is_malformed(media_type: bytes, is_read: bool) -> None:
    answer = LoginAnswer(200, ((b"Content-Type", media_type),), b'{"access_token":"t"}')
    try:
        grant_from(answer, FIELDS, TokenPolicy(), FakeClock())
    except LoginMalformed:
        assert not is_read
    else:
        assert is_read


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        (" 120 ", 120),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2023 22:12:20 GMT", -60),
        ("9" * 50, 1e50),
        ("9" * 300, 1e300),
        ("9" * 301, None),
        ("0", 0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60),
        ("Tue, 14 Nov 2023 23:14:20 +0100", 60),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        (None, None),
    ],
)
def test_retry_after_as_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(text, WALL) == seconds


def test_retry_after_counts_for_429_only() -> None:
    assert judged(429, b"", (b"Retry-After", b"7")).retry_after == 7
    assert judged(429).retry_after is None
    assert judged(503, b"", (b"Retry-After", b"7")).retry_after is None


# --- No answer ----------------------------------------------------------------------------------------------------------


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send(self, call: LoginCall) -> LoginAnswer:
        raise self.error


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (UpstreamUnreachable(), False),
        (UpstreamTimeout(), True),
        (UpstreamConnectTimeout(), False),
        (TimeoutError(), True),
    ],
)
async def test_whether_the_request_may_have_been_carried_out(error: Exception, is_lost: bool) -> None:
    call = LoginCall("POST", "https://a.example/?secret=CANARY", (("K", "CANARY"),), b"CANARY")
    with pytest.raises(LoginUnavailable) as failure:
        await log_in(Failing(error), call, FIELDS, TokenPolicy(), FakeClock())
    assert failure.value.is_lost is is_lost
    assert failure.value.__cause__ is None
    assert "CANARY" not in repr(failure.value) + repr(call) + str(call)


async def test_an_answer_that_never_ends_is_given_up() -> None:
    class Silent:
        async def send(self, call: LoginCall) -> LoginAnswer:
            await asyncio.Event().wait()
            raise AssertionError

    call = LoginCall("POST", "https://a.example/", (), b"")
    with pytest.raises(LoginUnavailable) as failure:
        await log_in(Silent(), call, FIELDS, TokenPolicy(), FakeClock(), seconds=0.001)
    assert (failure.value.cause, failure.value.is_lost) == ("no answer from its login endpoint (timeout)", True)


def test_what_a_failure_says_of_itself() -> None:
    """An answer that cannot be read may have spent what was sent; a refusal and an absence have not."""
    for kind, outcome, is_lost in (
        (LoginFailure, "unavailable", False),
        (LoginUnavailable, "unavailable", False),
        (LoginRefused, "refused", False),
        (LoginMalformed, "malformed", True),
    ):
        failure = kind("in our words", status=418)
        assert (failure.outcome, failure.is_lost, failure.status, failure.retry_after) == (outcome, is_lost, 418, None)
        assert str(failure) == failure.cause == "in our words"
    assert LoginRefused("x").is_final is False


def test_every_upstream_error_is_either_lost_or_never_sent() -> None:
    """A new kind of upstream error counts as lost: the careful side."""
    unsent = {"upstream_unreachable", "upstream_dns", "upstream_tls", "upstream_connect_timeout"}

    def kinds(base: type[UpstreamError]) -> set[type[UpstreamError]]:
        return {base}.union(*(kinds(kind) for kind in base.__subclasses__()))

    async def lost(kind: type[UpstreamError]) -> bool:
        call = LoginCall("POST", "https://a.example/", (), b"")
        with pytest.raises(LoginUnavailable) as failure:
            await log_in(Failing(kind()), call, FIELDS, TokenPolicy(), FakeClock())
        return failure.value.is_lost

    for kind in kinds(UpstreamError) - {UpstreamError}:
        assert asyncio.run(lost(kind)) is (kind.code not in unsent), kind


def test_the_first_field_of_a_name_counts_in_any_case() -> None:
    answer = LoginAnswer(200, ((b"X-Other", b"0"), (b"rEtry-After", b"\xe9"), (b"Retry-After", b"2")))
    assert answer.header("RETRY-after") == "\u00e9"
    assert answer.header("retry") is None


def test_a_calls_repr_shows_where_it_goes_and_no_more() -> None:
    call = LoginCall("POST", "https://a.test/t?k=CANARY", (("K", "CANARY"),), b"CANARY")
    assert repr(call) == "LoginCall(POST https://a.test/t)"


def test_an_answers_repr_shows_nothing_of_it() -> None:
    assert "CANARY" not in repr(LoginAnswer(200, ((b"Set-Cookie", b"CANARY"),), b"CANARY"))
