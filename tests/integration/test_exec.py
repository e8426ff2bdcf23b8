"""`authproxy exec`: the command finds the proxy and no secret, gets its signals, and its exit code comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.child import base_urls, child_environment, variable_of
from tests.process import COMMAND, run
from tests.raw_upstream import RawUpstream

SECRET = "CANARY-exec-88a1-secret"
LOCAL = "CANARY-exec-local-token"
ENVIRON = {"ACME_KEY": SECRET, "HTTP_PROXY": "", "http_proxy": "", "ALL_PROXY": "", "all_proxy": ""}


def write(folder: Path, base_url: str = "http://127.0.0.1:1", server: str = "{}") -> str:
    path = folder / "authproxy.yaml"
    path.write_text(
        f"server: {server}\n"
        f"providers: {{acme: {{base_url: '{base_url}', auth: {{scheme: static, headers: {{X-Key: '${{ACME_KEY}}'}}}}}}}}\n"
        "routes: {/acme/as-child: acme, /acme: acme}\n"
    )
    return str(path)


def exec_python(path: str, code: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run("exec", "-c", path, *options, "--", sys.executable, "-c", code, environ={**ENVIRON, **environ})


async def test_the_command_reaches_the_vendor_through_the_proxy_and_holds_no_secret(tmp_path: Path) -> None:
    code = (
        "import json, os, urllib.request as u;"
        "u.urlopen(os.environ['ACME_AS_CHILD_BASE_URL'] + '/x?a=1').read(); print(json.dumps(dict(os.environ)))"
    )
    async with RawUpstream() as vendor:
        path = write(tmp_path, vendor.url)
        done = await asyncio.to_thread(exec_python, path, code, KEPT="yes")
    assert (done.returncode, done.stderr) == (0, "")
    environ = json.loads(done.stdout)
    assert SECRET not in done.stdout
    assert environ["ACME_BASE_URL"] == environ["AUTHPROXY_URL"] + "/acme"
    assert (environ["KEPT"], "ACME_KEY" in environ, "AUTHPROXY_TOKEN" in environ) == ("yes", False, False)
    assert (vendor.requests[0].target, vendor.requests[0].values("x-key")) == ("/x?a=1", [SECRET])


def test_the_local_token_is_handed_over_where_one_is_needed(tmp_path: Path) -> None:
    code = "import os; print(os.environ['AUTHPROXY_TOKEN'])"
    path = write(tmp_path, server="{token: {env: LOCAL}}")
    assert exec_python(path, code, LOCAL=LOCAL).stdout == f"{LOCAL}\n"
    clients = "{clients: {one: {token: {env: LOCAL}, routes: [/acme]}, two: {token: {env: OTHER}, routes: [/acme]}}}"
    path = write(tmp_path, server=clients)
    assert exec_python(path, code, LOCAL=LOCAL, OTHER="x" * 30).returncode == 2
    assert exec_python(path, code, "--client", "one", LOCAL=LOCAL, OTHER="x" * 30).stdout == f"{LOCAL}\n"


def test_the_commands_exit_code_and_streams_are_its_own(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('err'); print(sys.stdin.read()); sys.exit(42)"
    arguments = [*COMMAND, "exec", "-c", write(tmp_path), sys.executable, "-c", code]
    done = subprocess.run(
        arguments, input="in", capture_output=True, text=True, env={**os.environ, **ENVIRON}, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (42, "in\n", "err")


def test_a_command_that_a_signal_ended_is_128_and_the_signal(tmp_path: Path) -> None:
    done = exec_python(write(tmp_path), "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 128 + signal.SIGKILL


def test_what_cannot_be_run_is_127_or_126(tmp_path: Path) -> None:
    path = write(tmp_path)
    done = run("exec", "-c", path, "--", "no-such-command-here", environ=ENVIRON)
    assert (done.returncode, done.stderr) == (127, "authproxy exec: no-such-command-here: no such command\n")
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    assert run("exec", "-c", path, "--", str(plain), environ=ENVIRON).returncode == 126
    assert run("exec", "-c", path, environ=ENVIRON).returncode == 2


def test_a_configuration_that_is_wrong_runs_nothing(tmp_path: Path) -> None:
    done = exec_python(write(tmp_path, server="nonsense"), "print('ran')")
    assert (done.returncode, done.stdout) == (78, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\ntime.sleep(30)"
    )
    arguments = [*COMMAND, "exec", "-c", write(tmp_path), "--", sys.executable, "-c", code]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env={**os.environ, **ENVIRON}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(20) == 7


async def test_requests_are_logged_only_on_request_and_to_standard_error(tmp_path: Path) -> None:
    code = "import os, urllib.request as u; u.urlopen(os.environ['ACME_BASE_URL'] + '/x?q=CANARY-q').read()"
    async with RawUpstream() as vendor:
        path = write(tmp_path, vendor.url)
        quiet = await asyncio.to_thread(exec_python, path, code)
        loud = await asyncio.to_thread(exec_python, path, code, "-v")
    assert (quiet.stdout, quiet.stderr, loud.stdout) == ("", "", "")
    assert '"route":"/acme"' in loud.stderr.replace(" ", "")
    assert "CANARY-q" not in loud.stderr


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("/wyre", "WYRE_BASE_URL"),
        ("/wyre/as-child", "WYRE_AS_CHILD_BASE_URL"),
        ("/", "BASE_URL"),
        ("/3scale", "_3SCALE_BASE_URL"),
        ("/a.b~c/d_e", "A_B_C_D_E_BASE_URL"),
        ("/caf%C3%A9", "CAF_C3_A9_BASE_URL"),
    ],
)
def test_a_routes_variable_is_its_path_in_capitals(prefix: str, name: str) -> None:
    assert variable_of(prefix) == name


def test_a_variable_that_could_be_two_routes_is_neither() -> None:
    urls, ambiguous = base_urls(["/a-b", "/a/b", "/", "/c"], "http://127.0.0.1:1")
    assert urls == {"BASE_URL": "http://127.0.0.1:1", "C_BASE_URL": "http://127.0.0.1:1/c"}
    assert ambiguous == {"A_B_BASE_URL": ["/a-b", "/a/b"]}


def test_calls_to_this_machine_do_not_go_through_the_machines_proxy() -> None:
    environ = child_environment(
        {"HTTP_PROXY": "http://p", "no_proxy": "corp"}, frozenset(), {}, "http://127.0.0.1:1", None
    )
    assert (environ["NO_PROXY"], environ["no_proxy"]) == ("127.0.0.1,localhost", "corp,127.0.0.1,localhost")
    assert "NO_PROXY" not in child_environment({}, frozenset(), {}, "http://127.0.0.1:1", None)
