"""A static credential goes into headers, the query and HTTP Basic authentication, and is masked when shown."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from proxy.errors import CredentialRejected
from proxy.schemes.base import OutboundRequest
from proxy.schemes.static import BasicCredential, Static
from proxy.secret import FileSecret, Secret
from proxy.template import Place, SecretText, Template

CANARY = "CANARY-static-77aa"
REQUEST = OutboundRequest("GET", "https://api.example.com", "/x")


def text(*parts: str | Secret) -> SecretText:
    return SecretText(parts)


async def test_headers_and_query_carry_the_secret() -> None:
    scheme = Static(headers={"X-Key": text("k ", Secret(CANARY))}, query={"key": text(Secret(CANARY))})
    injection = await scheme.authorize(REQUEST)
    assert injection.headers == (("X-Key", f"k {CANARY}"),)
    assert injection.query == (("key", CANARY),)
    assert injection.use == "static"
    assert injection.generation is None


async def test_a_variable_that_holds_a_secret_will_do() -> None:
    scheme = Static(variables={"key": Template((Secret(CANARY),))}, headers={"X-Key": text("a-", Place("key"))})
    assert (await scheme.authorize(REQUEST)).headers == (("X-Key", f"a-{CANARY}"),)


async def test_basic_authentication_is_rfc_7617_in_utf8() -> None:
    scheme = Static(basic=BasicCredential(username=Template.parse("Zoë"), password=Secret("p:ä")))
    ((name, value),) = (await scheme.authorize(REQUEST)).headers
    assert name == "Authorization"
    assert b64decode(value.removeprefix("Basic ")).decode() == "Zoë:p:ä"
    assert scheme.injected_headers == {"authorization"}


async def test_a_username_may_be_the_secret_and_the_password_empty() -> None:
    key = Template((Secret(CANARY),))
    for scheme in (
        Static(basic=BasicCredential(username=key)),
        Static(basic=BasicCredential(username=Template((Place("key"),))), variables={"key": key}),
    ):
        ((_, value),) = (await scheme.authorize(REQUEST)).headers
        assert b64decode(value.removeprefix("Basic ")).decode() == f"{CANARY}:"
        assert (await scheme.preview(REQUEST)).headers == (("Authorization", "Basic ***"),)


async def test_a_secret_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    scheme = Static(headers={"X-Key": text(FileSecret(path))})
    assert (await scheme.authorize(REQUEST)).headers == (("X-Key", "first"),)
    path.write_text("the second\n")
    assert (await scheme.authorize(REQUEST)).headers == (("X-Key", "the second"),)


@pytest.mark.parametrize("place", ["username", "password", "variable"])
async def test_a_secret_file_in_basic_that_changes_is_read_again(place: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first")
    key = FileSecret(path)
    made = {
        "username": lambda: Static(basic=BasicCredential(username=text(key))),
        "password": lambda: Static(basic=BasicCredential(username=Template.parse("u"), password=key)),
        "variable": lambda: Static(basic=BasicCredential(username=Template((Place("k"),))), variables={"k": text(key)}),
    }[place]()
    for said in ("first", "the second", "a third one"):
        path.write_text(said)
        ((_, value),) = (await made.authorize(REQUEST)).headers
        assert said in b64decode(value.removeprefix("Basic ")).decode()


@pytest.mark.parametrize("evil", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb"])
async def test_a_value_that_would_end_its_header_field_is_never_sent(evil: str) -> None:
    with pytest.raises(CredentialRejected):
        await Static(headers={"X-Key": text(Secret(evil))}).authorize(REQUEST)


async def test_a_preview_masks_every_secret() -> None:
    scheme = Static(
        headers={"X-Key": text("k ", Secret(CANARY))},
        query={"key": text(Secret(CANARY))},
        basic=BasicCredential(username=Template.parse("u"), password=Secret(CANARY)),
    )
    shown = await scheme.preview(REQUEST)
    assert shown.headers == (("X-Key", "k ***"), ("Authorization", "Basic ***"))
    assert shown.query == (("key", "***"),)
