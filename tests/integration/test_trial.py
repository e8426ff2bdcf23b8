"""`authproxy test` as a command, before vendors in every condition: what it says, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme

from proxy.sandbox import Iofinnet, Sandbox
from tests.canaries import leaks
from tests.process import invoked
from tests.raw_upstream import RawUpstream, Received, read_body

SECRET = "CANARY-trial-19c4-secret"
TOKEN = "CANARY-trial-77d2-token"
GRANT = json.dumps({"access_token": TOKEN, "expires_in": 900}).encode()


def login(**auth: Any) -> dict[str, Any]:
    return {
        "scheme": "token_exchange",
        "variables": {"secret": {"env": "ACME_SECRET"}},
        "login": {"path": "/login", "json": {"secret": "{{secret}}"}},
        "response": {"token": "access_token", "lifetime": "expires_in"},
        **auth,
    }


def write(folder: Path, providers: dict[str, Any]) -> str:
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps({"providers": providers, "routes": {f"/{name}": name for name in providers}}))
    return str(path)


async def tried(path: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"ACME_SECRET": SECRET, "HTTPS_PROXY": "", "ALL_PROXY": "", **environ}
    done = await asyncio.to_thread(invoked, "test", "-c", path, *arguments, environ=environ)
    assert not leaks([SECRET, TOKEN], (done.stdout + done.stderr).encode())
    return done


class Vendor:
    """Answers HEAD like most APIs, and logins as a test says; `date` is what its clock is ahead of ours."""

    def __init__(
        self, status: str = "200 OK", body: bytes = GRANT, kind: str = "application/json", **fields: str
    ) -> None:
        self.status, self.body, self.date = status, body, float(fields.pop("ahead", "0"))
        self.fields = {"Content-Type": kind, **fields}
        self.seen: list[Received] = []

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        self.seen.append(received)
        fields = {**self.fields, "Date": formatdate(time() + self.date, usegmt=True)}
        is_head = received.line.startswith("HEAD ")
        status, body = ("404 Not Found", b"") if is_head else (self.status, self.body)
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)


async def failure(tmp_path: Path, vendor: Vendor, auth: dict[str, Any] | None = None) -> tuple[str, str, str]:
    """The problem's name, what was seen and what to do next."""
    async with RawUpstream(respond=vendor.respond) as upstream:
        path = write(tmp_path, {"acme": {"base_url": upstream.url, "auth": auth or login()}})
        done = await tried(path, "--format", "json")
    [told] = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (3, "failed")
    return told["problem"], told["what"], told["next"]


async def test_a_login_that_works_tells_the_tokens_lifetime_and_no_more(tmp_path: Path) -> None:
    vendor = Vendor()
    async with RawUpstream(respond=vendor.respond) as upstream:
        path = write(tmp_path, {"acme": {"base_url": upstream.url, "auth": login()}})
        done = await tried(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"ok       acme  a token, by POST {upstream.url}/login, good for 15m\n"
    head, post = vendor.seen
    assert head.line.startswith("HEAD / ")
    assert SECRET.encode() not in head.head
    assert json.loads(post.body) == {"secret": SECRET}


async def test_the_five_vendors_at_once_and_one_by_name(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        path = write(tmp_path, sandbox.provider_configs())
        done = await tried(path)
        verdicts = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if "note:" not in line}
        assert verdicts == {"iofinnet": "ok", "wyre": "present", "defactor": "ok", "original": "ok", "one45": "ok"}
        assert "it killed the token before it" in done.stdout
        assert done.returncode == 0
        assert [len((await tried(path, "one45")).stdout.splitlines()), len(sandbox.one45.login_requests)] == [2, 2]
        assert all(not emulator.breaches for emulator in sandbox.emulators)
    assert (await tried(path, "nobody")).returncode == 2


async def test_a_wrong_secret(tmp_path: Path) -> None:
    async with Iofinnet() as vendor:
        entry = {**vendor.provider_config(), "client_secret": {"env": "ACME_SECRET"}}
        done = await tried(write(tmp_path, {"io": entry}))
    assert done.returncode == 3
    first, second = done.stdout.splitlines()
    assert first == (
        f"failed   io  wrong_secret: 401 from POST {vendor.url}/auth/v1/accessToken: "
        "the vendor is there and does not take the secret"
    )
    assert "$ACME_SECRET" in second
    assert second.endswith(f"; then `authproxy test -c {tmp_path}/authproxy.yaml io`")


async def test_an_expired_key_is_told_from_a_wrong_one_by_what_the_answer_speaks_of(tmp_path: Path) -> None:
    body = b'{"error":"This API key has expired on 2024-01-01 CANARY-body-99"}'
    problem, what, _ = await failure(tmp_path, Vendor("401 Unauthorized", body))
    assert (problem, "CANARY-body" in what) == ("expired", False)
    assert (await failure(tmp_path, Vendor("401 Unauthorized", b'"invalid or expired key"')))[0] == "wrong_secret"
    body = b'{"error":"invalid_grant","error_description":"The key was revoked"}'
    assert (await failure(tmp_path, Vendor("400 Bad Request", body)))[0] == "expired"


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Content"])
async def test_a_request_that_the_vendor_finds_malformed_may_be_the_logins_form(status: str, tmp_path: Path) -> None:
    problem, what, _ = await failure(tmp_path, Vendor(status, b"{}"))
    assert (problem, what.endswith("does not take the secret or the login's form")) == ("wrong_secret", True)


async def test_a_wrong_clock_is_blamed_only_where_the_login_is_dated(tmp_path: Path) -> None:
    dated = login(login={"path": "/login", "json": {"secret": "{{secret}}", "at": "{{timestamp}}"}})
    problem, what, following = await failure(tmp_path, Vendor("401 Unauthorized", b"{}", ahead="600"), dated)
    assert problem == "wrong_clock"
    assert "600 s behind the vendor's" in what
    assert "timedatectl" in following
    assert (await failure(tmp_path, Vendor("401 Unauthorized", b"{}", ahead="600")))[0] == "wrong_secret"


async def test_a_wrong_clock_is_noted_where_all_goes_well(tmp_path: Path) -> None:
    vendor = Vendor(ahead="-600")
    async with RawUpstream(respond=vendor.respond) as upstream:
        done = await tried(write(tmp_path, {"acme": {"base_url": upstream.url, "auth": login()}}))
    assert done.returncode == 0
    assert "note: this machine's clock is 600 s ahead of the vendor's" in done.stdout


async def test_a_wrong_address_of_the_login(tmp_path: Path) -> None:
    for vendor in (
        Vendor("404 Not Found", b"{}"),
        Vendor("404 Not Found", b"<html>", "text/html"),
        Vendor("405 No", b""),
    ):
        problem, what, following = await failure(tmp_path, vendor)
        assert problem == "wrong_url"
        assert what.endswith("there is no login at this address")
        assert "base_url" in following
    assert (await failure(tmp_path, Vendor("301 Moved", b"", Location="/v2/login")))[0] == "wrong_url"


async def test_something_in_between(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><title>Sign in to Free WiFi</title>"
    for vendor in (
        Vendor(body=page, kind="text/html; charset=utf-8"),
        Vendor(body=page, kind="application/json"),
        Vendor("302 Found", b"", Location="https://portal.example/login?token=CANARY-portal"),
        Vendor("511 Network Authentication Required", page, "text/html"),
        Vendor("407 Proxy Authentication Required", b""),
        Vendor("403 Forbidden", page, "text/html"),
    ):
        problem, what, following = await failure(tmp_path, vendor)
        assert problem == "in_between"
        assert "CANARY-portal" not in what
        assert "`curl -sv" in following


async def test_a_vendor_with_trouble_of_its_own(tmp_path: Path) -> None:
    assert (await failure(tmp_path, Vendor("503 Busy", b"{}")))[0] == "vendor_trouble"
    assert (await failure(tmp_path, Vendor("429 Slow Down", b"{}")))[0] == "rate_limited"
    problem, what, following = await failure(tmp_path, Vendor(body=b'{"jwt":"x"}'))
    assert problem == "no_token"
    assert "`response`" in what + following


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = write(tmp_path, {"acme": {"base_url": f"http://127.0.0.1:{taken.getsockname()[1]}", "auth": login()}})
        done = await tried(path)
        behind_proxy = await tried(path, HTTPS_PROXY="http://proxy.example:3128")
    assert "unreachable: nobody listens at 127.0.0.1:" in done.stdout
    assert "HTTPS_PROXY" not in done.stdout
    assert "HTTPS_PROXY is set, but authproxy connects directly" in behind_proxy.stdout
    assert "proxy.example" not in behind_proxy.stdout
    path = write(tmp_path, {"acme": {"base_url": "https://nowhere.invalid", "auth": login()}})
    done = await tried(path)
    assert "unknown_host: the name nowhere.invalid is not known here" in done.stdout
    assert "`getent hosts nowhere.invalid`" in done.stdout


async def test_a_connection_that_is_not_http_or_not_trusted(tmp_path: Path) -> None:
    async with RawUpstream(answers=[b"SSH-2.0-OpenSSH_9.2\r\n"]) as upstream:
        done = await tried(write(tmp_path, {"acme": {"base_url": upstream.url, "auth": login()}}))
    assert "failed   acme  not_http: " in done.stdout
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    done = await tried(write(tmp_path, {"acme": {"base_url": f"https://127.0.0.1:{port}", "auth": login()}}))
    server.close()
    assert f"tls: TLS with 127.0.0.1:{port} failed" in done.stdout
    assert f"`openssl s_client -connect 127.0.0.1:{port} " in done.stdout
    assert b"".join(seen) == b""


async def test_a_refresh_token_is_not_used_up_by_a_test(tmp_path: Path) -> None:
    vendor = Vendor()
    async with RawUpstream(respond=vendor.respond) as upstream:
        auth = {
            "scheme": "oauth2_refresh_token", "token_url": f"{upstream.url}/token", "client_id": "me",
            "client_secret": {"env": "ACME_SECRET"}, "refresh_token": {"env": "ACME_SECRET"},
        }  # fmt: skip
        path = write(tmp_path, {"acme": {"base_url": upstream.url, "auth": auth}})
        done = await tried(path)
        assert (done.returncode, done.stdout.split()[0]) == (0, "untried")
        assert not [one for one in vendor.seen if one.line.startswith("POST")]
        assert (await tried(path, "--spend")).stdout.split()[0] == "ok"


async def test_a_fixed_key_is_present_and_its_vendor_reached(tmp_path: Path) -> None:
    auth = {"scheme": "static", "headers": {"X-Key": {"env": "ACME_SECRET"}}}
    async with RawUpstream() as upstream:
        path = write(tmp_path, {"acme": {"base_url": upstream.url, "auth": auth}})
        done = await tried(path)
        assert done.stdout == "present  acme  the secret is there ($ACME_SECRET), and the vendor can be reached\n"
    assert (await tried(path)).returncode == 3
    assert [one for one in upstream.requests if one.values("x-key")] == []
