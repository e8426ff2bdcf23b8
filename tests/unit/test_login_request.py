"""A login request as the configuration describes it: what it may be, and what goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy import __version__
from proxy.secret import Secret
from proxy.template import JsonTemplate, Template
from proxy.tokens.failure import LoginRefused
from proxy.tokens.login_request import LoginRequest, form_body, login_headers, login_scope, require_login_url
from tests.clock import FakeClock

BASE = "https://vendor.test/api"
SCOPE = {"id": "me", "secret": Secret("CANARY s&c=r%t")}


def texts(**fields: str) -> dict[str, Template]:
    return {name: Template.parse(value) for name, value in fields.items()}


def document(value: Any) -> JsonTemplate:
    def leaf(value: Any) -> Any:
        match value:
            case dict():
                return {name: leaf(inner) for name, inner in value.items()}
            case list():
                return [leaf(inner) for inner in value]
        return Template.parse(value) if isinstance(value, str) else value

    return JsonTemplate(leaf(value))


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({}, "either path or url"), ({"path": "/t", "url": "https://a.test"}, "either path or url"),
        ({"path": "/t", "json": {}, "form": {}}, "either json or form"),
        ({"path": "/t", "method": "post"}, "method"), ({"path": "/t", "method": ""}, "method"),
        ({"path": "/t", "method": "GET POST"}, "method"), ({"path": "/t", "method": "POST\n"}, "method"),
        *[({"path": path}, "path:") for path in ("t", "", "/a b", "/a\n", "/\xe9", "/a#b", "/a\\b", "https://a.test/")],
        *[({"url": url}, "url:") for url in ("/t", "http://a.test/t", "ftp://a.test/", "https://", "https://a.test/#x")],
    ],
)  # fmt: skip
def test_a_description_that_says_too_much_or_too_little_is_refused(description: dict[str, Any], words: str) -> None:
    if "json" in description:
        description = {**description, "json": document({})}
    with pytest.raises(ValueError, match=words):
        LoginRequest(**description)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.test", "https://a.test:8443/t?x=1", "HTTPS://a.test/", "https://[2001:db8::1]/", "http://localhost/t",
        "http://127.0.0.1:8080/", "http://127.9.9.9", "http://[::1]:80/", "https://localhost.evil.test/",
    ],
)  # fmt: skip
def test_a_secret_travels_by_https_or_to_this_machine(url: str) -> None:
    require_login_url("url", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.test", "http://localhost.evil.test/", "http://127.0.0.1.evil.test/", "http://x127.0.0.1/", "http://127.0.0/",
        "http://128.0.0.1/", "http://[::2]/", "ws://localhost/", "ftp://a.test/", "//a.test/", "a.test", "", "https://",
        "https:///t", "https://me@a.test/", "https://me:pw@a.test/", "https://a.test/ t", "https://a.test/\xe9",
        "https://a.test/#x", "https://a.test\\b", "https://a.test:x/", "https://a.test:99999/", "https://[::1/", "http://@localhost/",
    ],
)  # fmt: skip
def test_and_by_nothing_else(url: str) -> None:
    with pytest.raises(ValueError, match="there: "):
        require_login_url("there", url)


def test_places_of_every_part_are_named() -> None:
    request = LoginRequest(
        path="/t", headers=texts(H="{{a}}"), query=texts(q="{{b}}x{{c}}"), json=document({"j": ["{{d}}"]})
    )
    assert request.names == {"a", "b", "c", "d"}
    assert LoginRequest(path="/t", form=texts(f="{{e}}")).names == {"e"}
    assert LoginRequest(path="/t").names == frozenset()


def sent(request: LoginRequest) -> dict[str, str]:
    return dict(request.call(BASE, SCOPE).headers)


def test_a_path_goes_behind_the_base_url_and_a_url_is_taken_as_it_is() -> None:
    assert LoginRequest(path="/t?x=1", query=texts(k="{{secret}}")).call(BASE, SCOPE).url == (
        BASE + "/t?x=1&k=CANARY%20s%26c%3Dr%25t"
    )
    assert LoginRequest(url="https://id.test/t").call(BASE, SCOPE).url == "https://id.test/t"
    assert LoginRequest(path="/t").call(BASE, SCOPE).method == "POST"


def test_a_json_body_is_compact_and_typed() -> None:
    call = LoginRequest(path="/t", json=document({"a": "{{secret}}", "n": [1, None]})).call(BASE, SCOPE)
    assert call.body == b'{"a":"CANARY s&c=r%t","n":[1,null]}'
    assert dict(call.headers)["Content-Type"] == "application/json"
    assert dict(call.headers)["Content-Length"] == str(len(call.body))


def test_a_form_body_is_encoded_and_typed() -> None:
    call = LoginRequest(path="/t", form=texts(a="{{secret}}", b="x")).call(BASE, SCOPE)
    assert call.body == b"a=CANARY+s%26c%3Dr%25t&b=x"
    assert dict(call.headers)["Content-Type"] == "application/x-www-form-urlencoded"
    assert form_body([("a", "1")]) == (b"a=1", "application/x-www-form-urlencoded")


def test_without_a_body_the_length_is_said_where_one_could_be() -> None:
    assert sent(LoginRequest(path="/t")) == {
        "Accept": "application/json", "User-Agent": f"authproxy/{__version__}", "Content-Length": "0",
    }  # fmt: skip
    for method in ("GET", "HEAD"):
        assert "Content-Length" not in sent(LoginRequest(path="/t", method=method))
        assert sent(LoginRequest(path="/t", method=method, form=texts(a="1")))["Content-Length"] == "3"


def test_a_configured_field_replaces_the_usual_one_of_its_name_in_any_spelling() -> None:
    own = [("user_agent", "app/1"), ("ACCEPT", "x/y"), ("X-Own", "1")]
    assert login_headers(own, b"ab", "a/b") == (("Content-Type", "a/b"), *own, ("Content-Length", "2"))
    assert login_headers([], b"", None, sends_length=False) == (
        ("Accept", "application/json"),
        ("User-Agent", f"authproxy/{__version__}"),
    )


@pytest.mark.parametrize("octet", [*range(9), *range(0x0A, 0x20), 0x7F])
def test_a_value_with_a_control_character_is_never_sent(octet: int) -> None:
    with pytest.raises(LoginRefused) as failure:
        login_headers([("A", "fine"), ("K", f"CANARY{chr(octet)}x")], b"", None)
    assert "CANARY" not in failure.value.cause


@pytest.mark.parametrize("text", ["\t", " ", "~", "\x80", "\xe9"])
def test_what_is_no_control_character_is_sent(text: str) -> None:
    assert ("K", f"a{text}b") in login_headers([("K", f"a{text}b")], b"", None)


def test_the_moment_of_a_login() -> None:
    first, second = (login_scope(FakeClock(wall=1_700_000_000.9996)) for _ in range(2))
    assert (first["timestamp"], first["timestamp_ms"]) == ("1700000000", "1700000001000")
    assert len({str(first["nonce"]), str(first["uuid"]), str(second["nonce"]), str(second["uuid"])}) == 4


def test_two_logins_are_told_apart_by_anything_that_is_sent_and_alike_in_what_changes_each_time() -> None:
    def identity(base: str = BASE, secret: str = "s", **other: Any) -> str:
        description = {
            "path": "/t",
            "headers": texts(H="{{secret}}"),
            "query": texts(q="{{nonce}}"),
            "form": texts(f="1"),
            **other,
        }
        return LoginRequest(**description).identity(base, {"secret": Secret(secret)})

    others = [
        identity(base="https://other.test"), identity(secret="z"), identity(method="PUT"), identity(path="/u"),
        identity(path=None, url="https://id.test/"), identity(headers=texts(G="{{secret}}")), identity(query=texts(q="{{uuid}}")),
        identity(query=texts(r="{{nonce}}")), identity(form=texts(f="2")), identity(form=None), identity(form=texts(g="1")),
        identity(form=None, json=document({"f": "1"})), identity(form=None, json=document({"f": "{{secret}}"})),
        identity(headers={}, query=texts(H="{{secret}}", q="{{nonce}}")),
    ]  # fmt: skip
    assert len({identity(), *others}) == 1 + len(others)
    assert identity() == identity()
    assert json.loads(identity())
