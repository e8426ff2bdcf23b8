"""What the README and the guides tell people to type does what they say."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proxy.schemes.base import OutboundRequest, ProviderContext
from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.token import TokenPolicy
from proxy.vendor_clock import VendorClock
from tests.clock import FakeClock
from tests.process import run, running
from tests.raw_upstream import RawUpstream, Received, read_body

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "ADDING_A_PROVIDER.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def curl_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("curl -si")]


def shell(line: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_the_five_lines_of_the_readme_are_answered_by_emulators_that_refuse_them_without_the_proxy() -> None:
    lines = [line for line in curl_lines(README) if ":8080/" in line]
    assert len(lines) == 5
    with running("demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0") as demo:
        address = demo.wait_for(r"vendors behind http://(\S+?);")[1]
        demo.wait_for("Ctrl-C")
        for line in lines:
            answer = shell(line.replace("127.0.0.1:8080", address))
            assert answer.startswith("HTTP/1.1 200 "), answer
            assert '"errors"' not in answer
        printed = curl_lines("".join(demo.out))
        assert len(printed) == 10
        assert all(shell(line).startswith("HTTP/1.1 200 ") for line in printed[:5])
        for line in printed[5:]:
            answer = shell(line)
            assert "HTTP/1.1 401" in answer or '"errors"' in answer, answer
        with_proxy, without = [line.strip() for line in demo.out if "proxy.sandbox.subscribe" in line]
        assert '"type": "complete"' in shell(with_proxy)
        assert shell(without + " || true").startswith("closed with 4403")
        assert demo.stop() == 0


class Sixth:
    """The vendor of the guide: strict, and as its documentation says."""

    def __init__(self) -> None:
        self.logins = 0

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        status, document = self.answer(received)
        body = json.dumps(document).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        )
        writer.write(body)

    def answer(self, received: Received) -> tuple[int, Any]:
        if received.line.startswith("POST /sessions "):
            if json.loads(received.body) != {"user": "me", "password": 'pass"word'}:
                return 401, {}
            self.logins += 1
            return 200, {"result": {"session": {"key": f"key-{self.logins}", "ttl": 1200}}}
        if received.values("X-Session") != [f"key-{self.logins}"]:
            return 401, {}
        return 200, {"target": received.target}


async def test_the_guides_provider_works_as_written(tmp_path: Path) -> None:
    vendor, path = Sixth(), tmp_path / "authproxy.yaml"
    async with RawUpstream(respond=vendor.respond) as upstream:
        [text] = blocks(GUIDE, "yaml")
        assert len(text.splitlines()) < 20
        path.write_text(text.replace("https://api.sixth.example", upstream.url))
        environ = {"SIXTH_USER": "me", "SIXTH_PASSWORD": 'pass"word'}
        commands = "\n".join(blocks(GUIDE, "sh"))
        for command in re.findall(r"^authproxy ((?:check|explain) .*)$", commands, re.MULTILINE):
            arguments = [word.strip("'") for word in command.split()]
            done = await asyncio.to_thread(run, *arguments, environ=environ, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        assert "X-Session: <token>" in done.stdout
        arguments = ["run", "-c", str(path), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        with running(*arguments, environ=environ, secrets=('pass"word', "key-1")) as proxy:
            address = await asyncio.to_thread(lambda: proxy.address)
            [line] = curl_lines(GUIDE)
            for _ in range(3):
                answer = await asyncio.to_thread(shell, line.replace("localhost:8080", address))
                assert answer.startswith("HTTP/1.1 200 ")
                assert '"/things?limit=2"' in answer
    assert vendor.logins == 1


async def test_the_guides_scheme_is_one(tmp_path: Path) -> None:
    [code] = blocks(GUIDE, "python")
    assert len(code.splitlines()) <= 60
    module: dict[str, Any] = {"__name__": "hourly_key"}
    exec(compile(code, "hourly_key.py", "exec", dont_inherit=True), module)
    clock = FakeClock()
    scheme = module["HourlyKey"](key=Secret("CANARY-hourly"))
    scheme.bind(
        ProviderContext("acme", "http://127.0.0.1:1", VendorClock(clock), TokenCache(clock), TokenPolicy(), None)
    )
    request = OutboundRequest("GET", "http://127.0.0.1:1", "/x")
    first = await scheme.authorize(request)
    clock.advance(3600)
    second = await scheme.authorize(request)
    assert first.headers != second.headers
    assert {name.lower() for name, _ in first.headers} == scheme.injected_headers
