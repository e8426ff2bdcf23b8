"""The search that every test which starts a proxy ends with."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.sessions import Sessions
from proxy.secret import Secret
from tests.canaries import issued, leaks, secrets_of
from tests.clock import FakeClock

SECRET = "CANARY/42+long=enough"


@pytest.mark.parametrize("offset", range(3))
def test_base64_is_found_at_every_offset(offset: int) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert leaks([SECRET], encode(b"x" * offset + SECRET.encode() + b"y" * 5)) == [SECRET]


@pytest.mark.parametrize(
    "form",
    [SECRET, SECRET[::-1], SECRET.encode().hex(), SECRET.encode().hex().upper(), quote(SECRET, safe=""), SECRET[5:13]],
)
def test_other_forms_are_found(form: str) -> None:
    assert leaks([SECRET], f"before {form} behind".encode()) == [SECRET]


def test_what_is_no_secret_is_not_found() -> None:
    assert leaks([SECRET], b"CANARY/ 42+long =enough CANARY/") == []


def test_of_hexadecimal_twelve_digits_are_no_chance() -> None:
    signature = "0123456789abcdef" * 4
    assert leaks([signature], f"before {signature[10:22]} behind".encode()) == [signature]
    assert leaks([signature], f"at {signature[:9]} o'clock".encode()) == []


def test_every_secret_of_a_configuration_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of-the-file\n")
    config = {
        "server": {"token": {"value": "of-the-server"}, "clients": {"a": {"token": {"file": "file"}}}},
        "providers": {"a": {"auth": {"headers": {"X-Key": "Bearer ${NAME}"}, "list": [{"env": "OTHER"}], "n": 5}}},
    }
    environ = {"NAME": "of-a-variable", "OTHER": "of-another", "UNUSED": "not-of-this"}
    assert secrets_of(config, environ, tmp_path) == {"of-the-server", "of-the-file", "of-a-variable", "of-another"}


def test_what_was_issued_at_run_time_is_known() -> None:
    opaque, sessions = AccessTokens(FakeClock(), 60), Sessions(AccessTokens(FakeClock(), 60))
    pair = sessions.begin({"sub": "x"})
    token = Secret("a-token-of-a-login", "login")
    wanted = {opaque.issue_opaque(), *pair, token.reveal()}
    assert wanted <= set(issued())
