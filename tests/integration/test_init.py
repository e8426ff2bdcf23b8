"""`authproxy init`: what it writes passes `check` once its blanks are filled in, for every preset; it overwrites nothing."""

from __future__ import annotations

import re
import shlex
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.cli import cli
from proxy.config.presets import preset_named, preset_names
from tests.process import invoked


def pem(key: Any) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(key.private_bytes(*form).decode())


# What a secret may have to look like: a password, an Ethereum key, a key pair, something in base64.
SECRETS = (
    "CANARY-init-0123456789-0123456789-01",
    "0x" + "11" * 32,
    pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    pem(ec.generate_private_key(ec.SECP256R1())),
    pem(ed25519.Ed25519PrivateKey.generate()),
    b64encode(b"k" * 32).decode(),
    "ab" * 32,
)


def fill_in(preset: str, variable: str, secret: str) -> str:
    """A value that the variable may have; only secrets have forms of their own."""
    keys = preset_named(preset).parameters
    [key] = [key for key in (*keys, "base_url") if variable == f"{preset}_{key}".replace("-", "_").upper()]
    if key in keys and keys[key].kind == "secret":
        return secret
    return f"https://{preset}.example" if key in ("base_url", "uri") else f"{preset}.example"


def exports(output: str) -> list[str]:
    return re.findall(r"^  export (\w+)=", output, re.MULTILINE)


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("source", ["env", "file"])
def test_every_presets_file_passes_check_once_its_secrets_are_there(
    preset: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    done = runner.invoke(cli, ["init", "--preset", preset, "--secrets", source])
    assert done.exit_code == 0, done.output
    assert "authproxy check" in done.output
    empty = runner.invoke(cli, ["check"])
    assert empty.exit_code == 78
    variables = exports(done.output)
    files = re.findall(r"cat > (\S+)\)", done.output)
    in_file = re.findall(r"^    (\w+):    # ", Path("authproxy.yaml").read_text(), re.MULTILINE)
    told = [empty.stderr.count(words) for words in ("is not set", "cannot be read", "is empty; expected")]
    assert told == [len(variables), len(files), len(in_file)]
    assert any(told)
    Path("authproxy.yaml").write_text(
        re.sub(r"(?m)^(    \w+:)(    # )", r"\1 4711\2", Path("authproxy.yaml").read_text())
    )
    found = []
    for secret in SECRETS:
        for name in files:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(secret)
            Path(name).chmod(0o600)
        done = runner.invoke(cli, ["check"], env={name: fill_in(preset, name, secret) for name in variables})
        found.append((done.exit_code, done.stderr))
    assert (0, "") in found, found


def test_the_file_is_for_its_owner_only_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert invoked("init", "--preset", "iofinnet", "-o", str(path)).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    done = invoked("init", "--preset", "wyre", "-o", str(path))
    assert (done.returncode, path.read_text()) == (1, before)
    assert "exists and is left alone; give another name with -o" in done.stderr
    link = tmp_path / "link.yaml"
    link.symlink_to(tmp_path / "target")
    assert invoked("init", "--preset", "wyre", "-o", str(link)).returncode == 1
    assert not (tmp_path / "target").exists()


def test_several_presets_each_have_a_name_a_route_and_variables_of_their_own(tmp_path: Path) -> None:
    names = ["wyre", "wyre", "pay=wyre-token", "io=iofinnet"]
    done = invoked("init", *(word for name in names for word in ("--preset", name)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert exports(done.stdout) == [
        "WYRE_API_KEY", "WYRE_SECRET_KEY", "WYRE_2_API_KEY", "WYRE_2_SECRET_KEY", "PAY_SECRET_KEY", "IO_CLIENT_ID",
        "IO_CLIENT_SECRET",
    ]  # fmt: skip
    routes = invoked("routes", cwd=tmp_path, environ=dict.fromkeys(exports(done.stdout), SECRETS[0]))
    assert [line.split()[:2] for line in routes.stdout.splitlines()] == [
        ["/wyre", "wyre"], ["/wyre-2", "wyre-2"], ["/pay", "pay"], ["/io", "io"],
    ]  # fmt: skip


def test_the_commands_that_it_names_are_right_for_another_file(tmp_path: Path) -> None:
    done = invoked("init", "--preset", "iofinnet", "-o", "a b.yaml", "--secrets", "file", cwd=tmp_path)
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    for command in commands[:3]:
        subprocess.run(["sh", "-c", command], input="secret-secret\n", text=True, cwd=tmp_path, check=True)
    check = next(shlex.split(command) for command in commands if command.startswith("authproxy check"))
    assert invoked(*check[1:], cwd=tmp_path).returncode == 0
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["wrye"], "did you mean `wyre`?"),
        (["a=wyre", "a=iofinnet"], "a name of its own"),
        (["a b=wyre"], "a name of its own"),
        ([], "Missing option '--preset'"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(names: list[str], words: str, tmp_path: Path) -> None:
    done = invoked("init", *(word for name in names for word in ("--preset", name)), cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert words in done.stderr


def test_what_is_no_secret_has_an_example_and_the_last_line_is_a_request_of_the_presets_own(tmp_path: Path) -> None:
    done = invoked("init", "--preset", "defactor", "--preset", "gh=github-app", cwd=tmp_path)
    assert re.search(
        r"^  export DEFACTOR_BASE_URL= .*; such as https://engage\.example\.com$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^  gh\.installation_id  # .*; such as 4711$", done.stdout, re.MULTILINE)
    assert "such as" not in "".join(line for line in done.stdout.splitlines() if "PRIVATE_KEY" in line)
    assert done.stdout.splitlines()[-1] == "  curl -i http://127.0.0.1:8080/gh/installation/repositories"
    assert "; such as https://engage.example.com" in (tmp_path / "authproxy.yaml").read_text()
    done = invoked("init", "--preset", "defactor", "-o", "b.yaml", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "  curl -i http://127.0.0.1:8080/defactor/..."


def test_to_standard_output_goes_the_file_and_nothing_else(tmp_path: Path) -> None:
    done = invoked("init", "--preset", "iofinnet", "-o", "-", cwd=tmp_path)
    (tmp_path / "authproxy.yaml").write_text(done.stdout)
    environ = dict.fromkeys(("IOFINNET_CLIENT_ID", "IOFINNET_CLIENT_SECRET"), SECRETS[0])
    assert invoked("check", cwd=tmp_path, environ=environ).returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("authproxy ex", "plain,exec"),
        ("authproxy init --preset io", "plain,iofinnet"),
        ("authproxy presets wy", "plain,wyre-token"),
        ("authproxy test ", "plain,acme"),
        ("authproxy explain GET /ac", "plain,/acme"),
        ("authproxy explain g", "plain,GET"),
        ("authproxy check --format g", "plain,github"),
    ],
)
def test_the_shell_completes_commands_presets_providers_and_routes(
    words: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with the file, and without its secrets."""
    (tmp_path / "authproxy.yaml").write_text("providers: {acme: nonsense}\nroutes: {/acme: 5}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert expected in BashComplete(cli, {}, "authproxy", "_AUTHPROXY_COMPLETE").complete().splitlines()
