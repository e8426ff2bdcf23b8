"""TLS to vendors: whom the proxy trusts, and that an untrusted one never sees a byte of a request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosedError

from tests.canaries import leaks
from tests.proxied import proxied
from tests.raw_upstream import OK

SECRET = "CANARY-tls-9c44-secret"


@asynccontextmanager
async def tls_vendor(context: ssl.SSLContext, received: list[bytes]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def acme(port: int, **more: object) -> dict[str, object]:
    auth = {"scheme": "static", "headers": {"Authorization": {"value": SECRET}}}
    return {"acme": {"base_url": f"https://localhost:{port}", "auth": auth, **more}}


def ca_file(authority: trustme.CA, folder: Path) -> str:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def test_a_vendor_whose_authority_is_named_is_trusted_and_gets_the_credential(tmp_path: Path) -> None:
    authority, received = trustme.CA(), list[bytes]()
    context = server_context(authority.issue_cert("localhost"))
    async with (
        tls_vendor(context, received) as port,
        proxied(acme(port, ca_file=ca_file(authority, tmp_path)), {"/acme": "acme"}, secrets=(SECRET,)) as proxy,
    ):
        assert (await proxy.client.get("/acme/x")).status_code == 200
    assert f"Host: localhost:{port}".encode() in received[0]
    assert SECRET.encode() in received[0]


@pytest.mark.parametrize("fault", ["unknown authority", "wrong name", "expired"])
async def test_an_untrusted_vendor_is_a_502_and_sees_nothing(fault: str, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    authority, received = trustme.CA(), list[bytes]()
    name = "elsewhere.test" if fault == "wrong name" else "localhost"
    expiry = datetime.now(UTC) - timedelta(days=1) if fault == "expired" else None
    context = server_context(authority.issue_cert(name, not_after=expiry))
    known = trustme.CA() if fault == "unknown authority" else authority
    async with (
        tls_vendor(context, received) as port,
        proxied(acme(port, ca_file=ca_file(known, tmp_path)), {"/acme": "acme"}, secrets=(SECRET,)) as proxy,
    ):
        answer = await proxy.client.get("/acme/x")
        assert (answer.status_code, answer.headers["X-AuthProxy-Error"]) == (502, "upstream_tls")
        assert await proxy.metric("authproxy_upstream_errors_total", provider="acme", reason="upstream_tls") == 1
    assert received == []


async def test_a_vendor_that_speaks_only_old_tls_is_refused(tmp_path: Path) -> None:
    authority, received = trustme.CA(), list[bytes]()
    context = server_context(authority.issue_cert("localhost"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with (
        tls_vendor(context, received) as port,
        proxied(acme(port, ca_file=ca_file(authority, tmp_path)), {"/acme": "acme"}) as proxy,
    ):
        assert (await proxy.client.get("/acme/x")).headers["X-AuthProxy-Error"] == "upstream_tls"
    assert received == []


async def test_a_vendor_that_asks_for_a_client_certificate_gets_the_configured_one(tmp_path: Path) -> None:
    authority, received = trustme.CA(), list[bytes]()
    context = server_context(authority.issue_cert("localhost"))
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    client = authority.issue_cert("client.test")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    client.cert_chain_pems[0].write_to_path(str(certificate))
    client.private_key_pem.write_to_path(str(key))
    keys = {"ca_file": ca_file(authority, tmp_path), "client_cert": str(certificate), "client_key_file": str(key)}
    async with tls_vendor(context, received) as port, proxied(acme(port, **keys), {"/acme": "acme"}) as proxy:
        assert (await proxy.client.get("/acme/x")).status_code == 200


async def test_a_login_endpoint_that_is_not_trusted_never_sees_the_secret(tmp_path: Path) -> None:
    authority, received = trustme.CA(), list[bytes]()
    context = server_context(authority.issue_cert("localhost"))
    async with tls_vendor(context, received) as port:
        auth = {
            "scheme": "token_exchange",
            "variables": {"p": {"value": SECRET}},
            "login": {"path": "/l", "json": {"p": "{{p}}"}},
        }
        providers = {"acme": {"base_url": f"https://localhost:{port}", "auth": auth}}
        async with proxied(providers, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
            answer = await proxy.client.get("/acme/x")
            assert (answer.status_code, answer.headers["X-AuthProxy-Error"]) == (503, "credential_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
    assert not leaks([SECRET], b"".join(received))


async def test_a_websocket_goes_over_tls_too_and_ends_there_when_its_caller_leaves(tmp_path: Path) -> None:
    authority, ended = trustme.CA(), asyncio.Event()
    context = server_context(authority.issue_cert("localhost"))

    async def answer(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["Authorization"])
        with suppress(ConnectionClosedError):
            async for message in connection:
                await connection.send(message)
        ended.set()

    async with serve_websocket(answer, "127.0.0.1", 0, ssl=context, max_size=None) as server:
        (port,) = {sock.getsockname()[1] for sock in server.sockets}
        trusted = acme(port, ca_file=ca_file(authority, tmp_path))
        async with proxied(trusted, {"/acme": "acme"}, secrets=(SECRET,)) as proxy:
            async with connect(f"ws://{proxy.app.address}/acme/x", max_size=None, proxy=None) as client:
                assert await client.recv() == SECRET
                for message in ("text", bytes(1_000_000)):
                    await client.send(message)
                    assert await client.recv() == message
                client.transport.abort()
                async with asyncio.timeout(10):
                    await ended.wait()


async def test_an_untrusted_vendor_sees_nothing_of_a_handshake(tmp_path: Path) -> None:
    received = list[bytes]()
    context = server_context(trustme.CA().issue_cert("localhost"))
    wish = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    async with tls_vendor(context, received) as port, proxied(acme(port), {"/acme": "acme"}) as proxy:
        answer = await proxy.client.get("/acme/x", headers=wish)
    assert (answer.status_code, answer.headers["X-AuthProxy-Error"]) == (502, "upstream_tls")
    assert received == []
