"""`authproxy status` and `authproxy reload`: asking the proxy that runs."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.process import COMMAND, Running, run, running

SECRET = "CANARY-operating-5e1d"


def config(*, name: str = "acme", more: str = "") -> str:
    return f"""
server: {{listen: "127.0.0.1:0", admin: "127.0.0.1:0"{more}}}
providers:
  acme: {{base_url: "http://127.0.0.1:1", auth: {{scheme: static, headers: {{Authorization: "Bearer ${{ACME}}"}}}}}}
routes:
  /{name}: acme
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A runtime folder of its own, so that no other test's proxy is found."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "TMPDIR": str(tmp_path / "run")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "authproxy.yaml"
    path.write_text(config(more=", watch: false"))
    return path


def serving(path: Path, environ: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    return ["run", "-c", str(path)], {**environ, "ACME": SECRET}


def test_status_shows_the_proxy_and_its_providers(path: Path, environ: dict[str, str]) -> None:
    """Without its configuration's secrets, its address, or an option."""
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ=secrets, secrets=(SECRET,)) as proxy:
        assert proxy.address
        done = run("status", environ=environ)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0].endswith(": ready")
        assert lines[1] == f"listening on {proxy.address}, admin {proxy.listening['admin']}"
        assert lines[2].startswith(f"configuration {path}, loaded ")
        assert [line.split() for line in lines[4:]] == [
            ["PROVIDER", "STATE", "TOKEN", "LOGINS", "LAST", "ERROR"], ["acme", "static", "-", "-", "-"],
        ]  # fmt: skip
        document = json.loads(run("status", "--format", "json", environ=environ).stdout)
        assert document["providers"][0]["name"] == "acme"
        assert SECRET not in done.stdout


def test_reload_says_what_came_of_it_with_checks_words_and_codes(path: Path, environ: dict[str, str]) -> None:
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ=secrets, secrets=(SECRET,)) as proxy:
        assert proxy.address
        path.write_text(config(name="renamed"))
        done = run("reload", environ=environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded: 1 routes to 1 providers\n", "")
        path.write_text(config().replace("static", "statc").replace("ACME", "UNSET_NAME"))
        done = run("reload", environ=environ)
        checked = run("check", "-c", str(path), environ=environ)
        assert (done.returncode, done.stdout) == (78, "")
        *problems, verdict = done.stderr.splitlines()
        assert verdict == "not reloaded; the old configuration stays"
        assert len(problems) == 2
        assert set(problems) <= set(checked.stderr.splitlines())
        assert "did you mean `static`?" in done.stderr
        document = json.loads(run("reload", "--format", "json", environ=environ).stdout)
        assert not document["reloaded"]
        assert "not taken since" in run("status", environ=environ).stdout


def test_nobody_to_ask_is_1_with_one_line(path: Path, environ: dict[str, str]) -> None:
    for command in ("status", "reload"):
        done = run(command, environ=environ)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("authproxy: no such proxy of this user is running")
        assert len(done.stderr.splitlines()) == 1
        done = run(command, environ={**environ, "AUTHPROXY_ADMIN_TOKEN": "t"} | {"AUTHPROXY_ADMIN": "127.0.0.1:1"})
        assert (done.returncode, done.stderr) == (1, "authproxy: the proxy at 127.0.0.1:1 does not answer\n")
    assert run("reload", "--nonsense", environ=environ).returncode == 2


def test_several_proxies_are_told_apart_by_configuration_or_address(path: Path, environ: dict[str, str]) -> None:
    other = path.with_name("other.yaml")
    other.write_text(config(name="other"))
    (one, secrets), (two, _) = serving(path, environ), serving(other, environ)
    with running(*one, environ=secrets) as first, running(*two, environ=secrets) as second:
        assert first.address != second.address
        done = run("status", environ=environ)
        assert done.returncode == 1
        assert f"--admin {first.listening['admin']}  ({path}, process " in done.stderr
        assert second.address in run("status", "-c", "other.yaml", environ=environ, cwd=path.parent).stdout
        assert first.address in run("status", "--admin", first.listening["admin"], environ=environ).stdout
        assert first.address in run("status", environ={**environ, "AUTHPROXY_CONFIG": str(path)}).stdout


def test_a_configured_token_that_changes_leaves_the_commands_theirs(path: Path, environ: dict[str, str]) -> None:
    (path.parent / "token").write_text("CANARY-admin-token-1")
    path.write_text(config(more=", watch: false, admin_token: {file: token}"))
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ=secrets, secrets=(SECRET, "CANARY-admin-token")) as proxy:
        assert proxy.address
        (path.parent / "token").write_text("CANARY-admin-token-2")
        assert run("reload", environ=environ).returncode == 0
        assert run("status", environ=environ).returncode == 0
        assert ask_with_a_token(proxy, environ, "CANARY-admin-token-1") == 1
        assert ask_with_a_token(proxy, environ, "CANARY-admin-token-2") == 0


def test_an_address_that_is_none_is_told(environ: dict[str, str]) -> None:
    done = run("status", environ={**environ, "AUTHPROXY_ADMIN": "off", "AUTHPROXY_ADMIN_TOKEN": "t"})
    assert (done.returncode, done.stderr) == (1, "authproxy: the admin listener's address is host:port or unix:/path\n")


def ask_with_a_token(proxy: Running, environ: dict[str, str], token: str) -> int:
    admin = {"AUTHPROXY_ADMIN": proxy.listening["admin"], "AUTHPROXY_ADMIN_TOKEN": token}
    return run("reload", environ={**environ, **admin}).returncode


def test_a_configured_token_serves_where_no_file_can_be_left(path: Path, environ: dict[str, str]) -> None:
    """A container with a read-only root has no runtime folder; its environment has the token."""
    (path.parent / "run").chmod(0o777)
    token = "CANARY-admin-token-77c1"
    path.write_text(config(more=", admin_token: {env: AUTHPROXY_ADMIN_TOKEN}"))
    environ["XDG_RUNTIME_DIR"] = environ["TMPDIR"] = str(path.parent / "none")
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ={**secrets, "AUTHPROXY_ADMIN_TOKEN": token}, secrets=(SECRET, token)) as proxy:
        assert proxy.address
        assert ask_with_a_token(proxy, environ, token) == 0
        assert ask_with_a_token(proxy, environ, token + "x") == 1


def test_a_wrong_token_is_told_from_no_proxy(path: Path, environ: dict[str, str]) -> None:
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ=secrets) as proxy:
        admin = proxy.listening["admin"]
        wrong = {**environ, "AUTHPROXY_ADMIN": admin, "AUTHPROXY_ADMIN_TOKEN": "wrong"}
        done = run("status", environ=wrong)
        assert done.returncode == 1
        assert done.stderr.startswith(f"authproxy: the proxy at {admin} refuses: This wants the admin token")


def test_the_link_of_the_status_page_is_shown_to_whoever_asks_for_it_and_is_in_no_log(
    path: Path, environ: dict[str, str]
) -> None:
    arguments, secrets = serving(path, environ)
    with running(*arguments, environ=secrets) as proxy:
        admin = proxy.listening["admin"]
        done = run("status", "--link", environ=environ)
        assert done.returncode == 0
        link = done.stdout.strip()
        assert link.startswith(f"http://{admin}/#token=")
        token = link.partition("=")[2]
        assert (
            run("reload", environ={**environ, "AUTHPROXY_ADMIN": admin, "AUTHPROXY_ADMIN_TOKEN": token}).returncode == 0
        )
        assert run("status", environ=environ).stdout.find(token) < 0
    assert token not in proxy.written.decode()


def test_on_a_terminal_the_link_is_printed_at_start(path: Path, environ: dict[str, str]) -> None:
    arguments, secrets = serving(path, environ)
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHPROXY_")}
    with subprocess.Popen([*COMMAND, *arguments], stderr=theirs, env={**inherited, **secrets}) as process:
        os.close(theirs)
        written = b""
        while not re.search(rb"status page: http://127\.0\.0\.1:\d+/#token=[\w-]{43}\r\n", written):
            written += os.read(ours, 4096)
        process.kill()
    os.close(ours)
