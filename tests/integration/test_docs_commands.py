"""Every block of the pages on commands and on signatures, run as it is written."""

from __future__ import annotations

import asyncio
import re
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from proxy.cli import NAMES
from proxy.sandbox import Sandbox
from tests.integration.test_docs import ROOT, blocks
from tests.process import Running, invoked, run, running

COMMANDS_PAGE = (ROOT / "docs" / "COMMANDS.md").read_text()
SIGNATURES_PAGE = (ROOT / "docs" / "DEBUGGING_SIGNATURES.md").read_text()
KEYS = {"WYRE_API_KEY": "AK-TEST", "WYRE_SECRET_KEY": "SK-TEST0001-TEST0002-TEST0003-TEST0004"}


def lines(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


def compared(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("compared")]


def test_each_comparison_says_what_the_page_says(tmp_path: Path) -> None:
    [config] = blocks(SIGNATURES_PAGE, "yaml")
    (tmp_path / "authproxy.yaml").write_text(config)
    told = []
    for line in lines(SIGNATURES_PAGE):
        done = invoked(*shlex.split(line)[1:], cwd=tmp_path, environ=KEYS)
        assert done.returncode == 0, done.stderr
        told += compared(done.stdout)
    assert told == [line for block in blocks(SIGNATURES_PAGE, "text") for line in compared(block)]
    assert len(told) == 6


async def test_every_command_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        secrets = {
            "WYRE_API_KEY": sandbox.wyre.credentials["api_key"],
            "WYRE_SECRET_KEY": sandbox.wyre.credentials["secret_key"],
            "IO_CLIENT_ID": sandbox.iofinnet.credentials["client_id"],
            "IO_CLIENT_SECRET": sandbox.iofinnet.credentials["client_secret"],
            "HTTP_PROXY": "",
            "http_proxy": "",
        }
        path = tmp_path / "authproxy.yaml"
        with ExitStack() as stack:
            for line in lines(COMMANDS_PAGE):
                done = await asyncio.to_thread(follow, line, tmp_path, secrets, stack)
                assert done == 0, line
                if line.startswith("authproxy init --preset wyre --preset"):
                    text = path.read_text()
                    for url, emulator in (("api.sendwyre.com", sandbox.wyre), ("api.iofinnet.com", sandbox.iofinnet)):
                        text = text.replace(f"# base_url: https://{url}", f"base_url: {emulator.url}")
                    path.write_text(
                        text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9180", "127.0.0.1:0")
                    )
        assert [received.status for received in sandbox.wyre.api_requests if received.method == "GET"] == [200]
        assert sandbox.iofinnet.logins == 2


def follow(line: str, folder: Path, environ: dict[str, str], stack: ExitStack) -> int:
    """Run one line of the page; what serves goes on until the end of the test."""
    line = line.replace("https://api.iofinnet.com/v1", "/io/v1")
    variables = dict(re.findall(r"^(_AUTHPROXY_COMPLETE)=(\S+) ", line))
    words = shlex.split(line)[1 + len(variables) :]
    if words[:1] == ["run"]:
        proxy: Running = stack.enter_context(running(*words, "-c", str(folder / "authproxy.yaml"), environ=environ))
        environ["AUTHPROXY_ADMIN"] = proxy.listening["admin"]
        return 0
    needs_process = variables or words[0] in ("exec", "status", "reload", "healthcheck")
    done = (run if needs_process else invoked)(*words, environ={**environ, **variables}, cwd=folder)
    assert "Traceback" not in done.stderr
    return done.returncode


@pytest.mark.parametrize("command", NAMES)
def test_every_command_is_on_the_page(command: str) -> None:
    assert re.search(rf"`?authproxy {command}\b|^#+ .*\b{command}\b", COMMANDS_PAGE, re.MULTILINE)


def test_every_reason_of_a_failed_test_is_on_the_page() -> None:
    source = (ROOT / "proxy" / "trial" / "diagnosis.py").read_text()
    reasons = set(re.findall(r'Diagnosis\(\s*"(\w+)"', source))
    assert len(reasons) >= 14
    assert {reason for reason in reasons if f"`{reason}`" not in COMMANDS_PAGE} == set()


def test_the_example_of_the_signatures_page_is_yaml() -> None:
    assert yaml.safe_load(blocks(SIGNATURES_PAGE, "yaml")[0])["routes"] == {"/wyre": "wyre"}
