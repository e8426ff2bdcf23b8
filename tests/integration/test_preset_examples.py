"""The examples in the presets' files, sent through the whole proxy to a vendor that keeps what it receives."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt as pyjwt
import pytest

from proxy.config import ProviderSettings, load, presets
from proxy.config.presets import Example, Preset
from proxy.schemes.base import OutboundRequest
from proxy.schemes.hmac_signature import HmacSignature
from proxy.target import canonical
from tests.canaries import leaks
from tests.clock import FakeClock
from tests.login_endpoint import provider_context
from tests.preset_examples import private_key, provider_keys, secrets
from tests.proxied import Proxied, proxied
from tests.raw_upstream import OK, RawUpstream, Received, read_body

EXAMPLES = [(preset, number) for preset in presets().values() for number in range(len(preset.examples))]
EACH = pytest.mark.parametrize(("preset", "number"), EXAMPLES, ids=[f"{p.name}-{n}" for p, n in EXAMPLES])
SIGNED = [each for each in EXAMPLES if each[0].provider["auth"]["scheme"] == "hmac_signature"]
FOREIGN = "the-callers-own"


@cache
def at_the_vendor(name: str, number: int) -> ProviderSettings:
    """The provider as a user would have it, with the vendor's own addresses."""
    preset = presets()[name]
    example = preset.examples[number]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_text(json.dumps({"providers": {"p": provider_keys(preset, example)}, "routes": {"/p": "p"}}))
        return load(path, secrets(preset, example)).providers["p"]


def login_url(settings: ProviderSettings) -> str | None:
    scheme: Any = settings.scheme
    if hasattr(scheme, "token_url"):
        return str(scheme.token_url)
    login = getattr(scheme, "login", None)
    return None if login is None else str(login.url or settings.base_url + login.path)


def here(url: str, vendor: RawUpstream) -> str:
    """The same address at the vendor of the test."""
    parts = urlsplit(url)
    return vendor.url + parts.path


@dataclass
class Vendor:
    """Answers the login of an example, and everything else with ok."""

    example: Example

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        writer.write(self.answer() if is_login(received, self.example) else OK)

    def answer(self) -> bytes:
        assert self.example.login is not None
        body = json.dumps(self.example.login.answer).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def is_login(received: Received, example: Example) -> bool:
    if example.login is None:
        return False
    method, _, url = example.login.request.partition(" ")
    return received.line == f"{method} {urlsplit(url).path} HTTP/1.1"


def foreign_names(settings: ProviderSettings) -> tuple[list[str], list[str]]:
    """Header fields and parameters that a caller might try, in two spellings each."""
    fields = [*settings.scheme.injected_headers, *(name.replace("*", "role") for name in settings.drop_headers)]
    parameters = [*settings.scheme.injected_query, *settings.drop_query]
    return (
        [spelling for name in fields for spelling in (name.title(), name.replace("-", "_"))],
        [spelling for name in parameters for spelling in (name, name.upper())],
    )


async def send(proxy: Proxied, example: Example, fields: list[str], parameters: list[str]) -> None:
    """The example's request, byte for byte, with a caller's own fields and parameters."""
    method, _, target = example.request.partition(" ")
    for name in parameters:
        target += f"{'&' if '?' in target else '?'}{name}={FOREIGN}"
    headers = {**example.headers, **dict.fromkeys(fields, FOREIGN)}
    lines = [f"{method} /p{target} HTTP/1.1", f"Host: {proxy.app.address}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if example.body:
        lines.append(f"Content-Length: {len(example.body)}")
    host, _, port = str(proxy.app.address).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*lines, "", example.body]).encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    proxy.seen.append(answer)
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def assert_fits(text: str, expected: str, example: Example) -> None:
    """Equal, where `<JWT>` is one with the header and claims that the example says, signed with its key."""
    before, placeholder, after = expected.partition("<JWT>")
    if not placeholder:
        assert text == expected
        return
    match = re.fullmatch(f"{re.escape(before)}([\\w.-]+){re.escape(after)}", text)
    assert match, text
    assert example.jwt is not None
    header = pyjwt.get_unverified_header(match[1])
    assert header == example.jwt["header"]
    assert list(header) == ["alg", *(["kid"] if "kid" in header else []), "typ"]
    claims = pyjwt.decode(
        match[1],
        verification_key(example, header["alg"]),
        algorithms=[header["alg"]],
        options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
    )
    assert claims == example.jwt["claims"]


def verification_key(example: Example, algorithm: str) -> Any:
    if algorithm == "HS256":
        return example.given.get("api_secret") or bytes.fromhex(example.given["secret"])
    [kind] = [value for value in example.given.values() if isinstance(value, str) and value.startswith("<")]
    return private_key(kind).public_key()


def without_signature(preset: Preset, settings: ProviderSettings, sends: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What the vendor receives whatever its address is: a signature over the host is another one here."""
    scheme = settings.scheme
    names_host = isinstance(scheme, HmacSignature) and scheme.message.names & {"url", "origin", "host"}
    for name, value in sends.items():
        if not (names_host and "signature" in scheme.headers[name].names):
            yield name, value


def words_of_the_request(environ: Mapping[str, str], settings: ProviderSettings, example: Example) -> tuple[str, ...]:
    """Secrets of which eight characters stand in what operators see anyway, as the vendors' documentation has them.

    `messages-key` for `/v1/messages`: the status page shows the path, and with it one of the secret's windows.
    """
    public = f"{example.request} {login_url(settings)} {settings.preset} {settings!r}".encode()
    given = [] if example.login is None else [text for text in example.login.answer.values() if isinstance(text, str)]
    return tuple(secret for secret in [*environ.values(), *given] if leaks([secret], public))


@EACH
@pytest.mark.parametrize("caller", ["plain", "meddling"])
async def test_the_vendor_receives_what_the_example_says(preset: Preset, number: int, caller: str) -> None:
    """Target and header fields to the letter, whatever of their names a caller sends; and no secret shows."""
    example, settings = preset.examples[number], at_the_vendor(preset.name, number)
    fields, parameters = foreign_names(settings) if caller == "meddling" else ([], [])
    environ = secrets(preset, example)
    async with RawUpstream(respond=Vendor(example).respond) as vendor:
        keys = provider_keys(preset, example) | {"base_url": here(settings.base_url, vendor)}
        scheme: Any = settings.scheme
        if hasattr(scheme, "token_url"):
            keys["auth"] = {"token_url": here(scheme.token_url, vendor)}
        elif getattr(getattr(scheme, "login", None), "url", None):
            keys["auth"] = {"login": {"url": here(scheme.login.url, vendor)}}
        clock = FakeClock(wall=float(example.at))
        hidden = tuple(value for value in environ.values() if len(value) > 8)
        shown = words_of_the_request(environ, settings, example)
        async with proxied(
            {"p": keys}, {"/p": "p"}, secrets=hidden, shown=shown, environ=environ, clock=clock
        ) as proxy:
            await send(proxy, example, fields, parameters)
        *logins, request = vendor.requests
    assert len(logins) == (example.login is not None)
    assert request.target == example.url.partition("://")[2].partition("/")[1] + example.url.split("/", 3)[3]
    assert request.body.decode() == example.body
    assert FOREIGN not in request.head.decode("latin-1")
    for name, value in without_signature(preset, settings, example.sends):
        [received] = request.values(name)
        assert_fits(received, value, example)
    for name, value in example.headers.items():
        assert request.values(name) == [value]


@EACH
async def test_the_token_is_asked_for_as_the_example_says(preset: Preset, number: int) -> None:
    """At the vendor's address, with exactly this form or JSON."""
    example, settings = preset.examples[number], at_the_vendor(preset.name, number)
    assert (login_url(settings) is None) == (example.login is None)
    if example.login is None:
        return
    method, _, url = example.login.request.partition(" ")
    assert (method, url) == ("POST", login_url(settings))
    async with RawUpstream(respond=Vendor(example).respond) as vendor:
        overrides: dict[str, Any] = {"base_url": here(settings.base_url, vendor)}
        if hasattr(settings.scheme, "token_url"):
            overrides["auth"] = {"token_url": here(url, vendor)}
        elif settings.scheme.login.url:  # type: ignore[attr-defined]
            overrides["auth"] = {"login": {"url": here(url, vendor)}}
        keys = provider_keys(preset, example) | overrides
        environ = secrets(preset, example)
        clock = FakeClock(wall=float(example.at))
        shown = words_of_the_request(environ, settings, example)
        async with proxied({"p": keys}, {"/p": "p"}, shown=shown, environ=environ, clock=clock) as proxy:
            await send(proxy, example, [], [])
        login = vendor.requests[0]
    for name, value in example.login.headers.items():
        [received] = login.values(name)
        assert_fits(received, value, example)
    if example.login.form is not None:
        form = {name: values[0] for name, values in parse_qs(login.body.decode(), strict_parsing=True).items()}
        assert form.keys() == example.login.form.keys()
        for name, value in example.login.form.items():
            assert_fits(form[name], value, example)
    if example.login.json is not None:
        assert json.loads(login.body) == example.login.json


@EACH
def test_an_example_is_complete(preset: Preset, number: int) -> None:
    """It names every header field that the preset adds, and the URL is below the base URL."""
    example, settings = preset.examples[number], at_the_vendor(preset.name, number)
    assert {canonical(name) for name in example.sends} == settings.scheme.injected_headers
    target = example.request.partition(" ")[2]
    assert example.url.startswith(settings.base_url + target)
    added = example.url.removeprefix(settings.base_url + target)
    assert set(parse_qs(added.lstrip("?&"))) == settings.scheme.injected_query


@pytest.mark.parametrize(("preset", "number"), SIGNED, ids=[f"{p.name}-{n}" for p, n in SIGNED])
async def test_a_signature_is_the_examples_at_the_vendors_own_address(preset: Preset, number: int) -> None:
    """Where a vendor or its client libraries publish one, the example has it."""
    example, settings = preset.examples[number], at_the_vendor(preset.name, number)
    method, _, target = example.request.partition(" ")
    origin = "/".join(settings.base_url.split("/")[:3])
    path = settings.base_url.removeprefix(origin) + target
    fields = tuple((name.encode(), value.encode()) for name, value in example.headers.items())
    settings.scheme.bind(provider_context(settings.base_url, clock=FakeClock(wall=float(example.at))))
    injection = await settings.scheme.authorize(OutboundRequest(method, origin, path, fields, example.body.encode()))
    assert dict(injection.headers) == example.sends


def test_every_preset_has_an_example() -> None:
    """And an embedded parameter has a value in all cases."""
    for preset in presets().values():
        assert preset.examples, preset.name
        texts = json.dumps(preset.provider)
        for name in re.findall(r"\$(\w+)[^\"\w]|[^\"]\$(\w+)", texts):
            parameter = preset.parameters.get(name[0] or name[1])
            if parameter is not None:
                assert parameter.required or parameter.default is not None
