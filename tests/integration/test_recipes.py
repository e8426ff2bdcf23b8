"""The README's five recipes, as they stand there, before made-up vendors that take nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.test_docs import README, blocks
from tests.proxied import proxied
from tests.raw_upstream import RawUpstream, Received, read_body

SECRET = b64encode(b"CANARY-recipes-5d81-secret-bytes").decode()
TOKEN = "CANARY-recipes-90ab-token"
SIGNER = ec.generate_private_key(ec.SECP256R1())
PEM = SIGNER.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ENVIRON = {
    "ACME_KEY": SECRET,
    "ACME_USER": "me@acme.example",
    "ACME_PASSWORD": f'"{SECRET}\\',
    "ACME_ID": "an id",
    "ACME_SECRET": SECRET,
    "ACME_KEY_ID": "key 1",
}


def static(received: Received) -> bool:
    return received.target == "/v1/orders?x=%2F" and received.values("X-Api-Key") == [SECRET]


def login(received: Received) -> bool | dict[str, Any]:
    if received.line.startswith("POST /sessions "):
        given = {"user": ENVIRON["ACME_USER"], "password": ENVIRON["ACME_PASSWORD"]}
        return json.loads(received.body) == given and {"result": {"session": {"key": TOKEN, "ttl": 900}}}
    return received.values("X-Session") == [TOKEN]


def oauth2(received: Received) -> bool | dict[str, Any]:
    if received.line.startswith("POST /oauth/token "):
        basic = b64encode(f"an+id:{SECRET.replace('=', '%3D').replace('+', '%2B').replace('/', '%2F')}".encode())
        form = {
            "grant_type": "client_credentials",
            "scope": "orders:read orders:write",
            "audience": "https://api.acme.example",
        }
        is_right = dict(parse_qsl(received.body.decode())) == form
        is_right &= received.values("Authorization") == [f"Basic {basic.decode()}"]
        return is_right and {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 900}
    return received.values("Authorization") == [f"Bearer {TOKEN}"]


def signature(received: Received) -> bool:
    [given] = received.values("Authorization")
    scheme, _, rest = given.partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    digest = hashlib.sha256(received.body).hexdigest()
    message = f"{received.line.split()[0]}\n{received.target}\n{parts['ts']}\n{digest}"
    right = b64encode(hmac.digest(b64decode(SECRET), message.encode(), "sha512")).decode()
    is_now = abs(time() - int(parts["ts"])) < 60
    return (scheme, parts["key"], parts["sig"], is_now) == ("ACME", "key 1", right, True)


def signed_jwt(received: Received) -> bool:
    [given] = received.values("Authorization")
    token = given.removeprefix("Bearer ")
    claims = jwt.decode(
        token, SIGNER.public_key(), algorithms=["ES256"], audience="https://api.acme.example", issuer="key 1"
    )
    return jwt.get_unverified_header(token)["kid"] == "key-2026" and claims["exp"] - claims["iat"] == 900


Judge = Callable[[Received], bool | dict[str, Any]]
JUDGES: dict[str, Judge] = {
    "static": static,
    "token_exchange": login,
    "oauth2_client_credentials": oauth2,
    "hmac_signature": signature,
    "jwt": signed_jwt,
}


def recipes() -> Iterator[tuple[str, str]]:
    """Scheme and text of each block of the section."""
    section = README.partition("## Five recipes\n")[2].partition("\n## ")[0]
    for text in blocks(section, "yaml"):
        yield yaml.safe_load(text)["providers"]["acme"]["auth"]["scheme"], text


RECIPES = list(recipes())


def test_there_is_a_recipe_for_each_kind_of_vendor_and_a_vendor_for_each_recipe() -> None:
    assert [scheme for scheme, _ in RECIPES] == list(JUDGES)


@dataclass
class Vendor:
    judge: Judge

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        verdict = self.judge(received)
        body = json.dumps(verdict).encode()
        status = b"200 OK" if verdict else b"401 Unauthorized"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        writer.write(head + body)


@pytest.mark.parametrize(("scheme", "text"), RECIPES, ids=[scheme for scheme, _ in RECIPES])
async def test_a_recipe_leads_to_the_first_authenticated_request(scheme: str, text: str, tmp_path: Path) -> None:
    """With nothing put in but the vendor's address, and one request without and one with a body."""
    (tmp_path / "acme.pem").write_text(PEM)
    (tmp_path / "acme.pem").chmod(0o600)
    async with RawUpstream(respond=Vendor(JUDGES[scheme]).respond) as upstream:
        text = text.replace("base_url: https://api.acme.example", f"base_url: {upstream.url}")
        text = text.replace("https://id.acme.example", upstream.url)
        config = yaml.safe_load(text.replace("secrets/acme.pem", str(tmp_path / "acme.pem")))
        secrets = (SECRET, TOKEN, PEM.splitlines()[2])
        async with proxied(config["providers"], config["routes"], environ=ENVIRON, secrets=secrets) as proxy:
            assert (await proxy.client.get("/acme/orders?x=%2F")).status_code == 200
            assert (await proxy.client.post("/acme/orders?x=%2F", json={"n": 1})).status_code == 200


@pytest.mark.parametrize("scheme", JUDGES)
async def test_these_vendors_take_nothing_else(scheme: str) -> None:
    """The test above is worth something only if a request without a credential is refused."""
    async with RawUpstream(respond=Vendor(JUDGES[scheme]).respond) as upstream:
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(b"GET /v1/orders?x=%2F HTTP/1.1\r\nHost: a\r\nAuthorization: ACME key=a, ts=1, sig=b\r\n\r\n")
        # A JWT that is none ends the vendor's side.
        assert (await reader.read(100)).partition(b" ")[2][:3] in (b"401", b"")
        writer.close()
