"""The sign-in text is EIP-4361 byte for byte, and its signature EIP-191; nothing of it comes from a server."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from proxy.schemes.siwe import SiweSettings, sign_in, sign_in_message
from proxy.secret import FileSecret, Secret
from tests.clock import FakeClock

KEY = "0x" + "11" * 32
KEYS_ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"

# The example on the vendor's page, with the line breaks that its own signature proves.
VENDOR_ADDRESS = "0xa8983Fe59b2F08F9F1B3E833c5D47B256F7FE0d5"
VENDOR_MESSAGE = (
    "https://localhost:3000 wants you to sign in with your Ethereum account:\n"
    "0xa8983Fe59b2F08F9F1B3E833c5D47B256F7FE0d5\n"
    "\n"
    "Sign in with Ethereum to the app.\n"
    "\n"
    "URI: https://localhost:3000\n"
    "Version: 1\n"
    "Chain ID: 1\n"
    "Nonce: V4953jdM8Y5ljtOvZ\n"
    "Issued At: 2024-09-14T20:44:31.764Z\n"
    "Expiration Time: 2024-09-14T20:49:31.761Z"
)
VENDOR_SIGNATURE = (
    "0x81596c2af98457f7621455ca947db35cad201cb96ced9b34a4b2403fea35c014"
    "31f7bca6db5fc5ffdb92b42c3cd0ae0c5b21cc24099ce6e630f0966e3fa544701c"
)
S1_SIGNATURE = (
    "0x4318014a1ad1d5f883e96e3f241846a8a60c19a134d43ae41a5537fc95b95f93"
    "0e5db9ad5bb264502aacca3fd4962b483a5899ab631ed3d2a70c80f34e9f7f0b1b"
)
ISSUED_AT = 1_726_346_671.764
# The vendor's library took the time for the expiry 3 ms before the other.
VENDOR_LIFETIME = 299.997


def settings(**rest: Any) -> SiweSettings:
    usual: dict[str, Any] = {
        "private_key": Secret(KEY),
        "domain": "https://localhost:3000",
        "uri": "https://localhost:3000",
        "statement": "Sign in with Ethereum to the app.",
    }
    return SiweSettings(**{**usual, **rest})


def test_the_vendors_example_is_reproduced_exactly() -> None:
    text = sign_in_message(settings(lifetime=VENDOR_LIFETIME), VENDOR_ADDRESS, "V4953jdM8Y5ljtOvZ", ISSUED_AT)
    assert text == VENDOR_MESSAGE
    assert len(text.encode()) == 304
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "c1c6f35f94a1aba461e20d298cda36248274b8ec486c5f7f1d1ec740196e1e7f"


def test_the_vendors_published_signature_recovers_its_published_address() -> None:
    text = sign_in_message(settings(lifetime=VENDOR_LIFETIME), VENDOR_ADDRESS, "V4953jdM8Y5ljtOvZ", ISSUED_AT)
    assert Account.recover_message(encode_defunct(text=text), signature=VENDOR_SIGNATURE) == VENDOR_ADDRESS


def test_the_signature_of_the_same_text_with_a_known_key() -> None:
    text = sign_in_message(settings(lifetime=VENDOR_LIFETIME), KEYS_ADDRESS, "V4953jdM8Y5ljtOvZ", ISSUED_AT)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "e0102ecf037ed380a4a8f4eeb1b418f53a33987ecf568b104b229ab9bd81fc0b"
    signature = Account.from_key(KEY).sign_message(encode_defunct(text=text)).signature
    assert "0x" + bytes(signature).hex() == S1_SIGNATURE


def test_a_sign_in_is_signed_by_the_key_over_its_own_text() -> None:
    signed = sign_in(settings(), FakeClock(wall=ISSUED_AT))
    assert signed.address == KEYS_ADDRESS
    assert re.fullmatch(r"0x[0-9a-f]{128}(1b|1c)", signed.signature)
    recovered = Account.recover_message(encode_defunct(text=signed.message), signature=signed.signature)
    assert recovered == KEYS_ADDRESS
    # Low s, as EIP-2 wants it: high ones are refused by some verifiers.
    assert int(signed.signature[66:130], 16) <= 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def test_times_have_milliseconds_and_z_and_the_sign_in_holds_for_five_minutes() -> None:
    message = sign_in(settings(), FakeClock(wall=ISSUED_AT)).message
    assert message.endswith("Issued At: 2024-09-14T20:44:31.764Z\nExpiration Time: 2024-09-14T20:49:31.764Z")
    whole = sign_in(settings(), FakeClock(wall=1_726_346_671.0)).message
    assert "Issued At: 2024-09-14T20:44:31.000Z\n" in whole


def test_nonces_are_seventeen_alphanumerics_and_never_repeat() -> None:
    messages = [sign_in(settings(), FakeClock()).message for _ in range(5)]
    nonces = {re.search(r"^Nonce: (.*)$", message, re.MULTILINE)[1] for message in messages}  # type: ignore[index]
    assert len(nonces) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9]{17}", nonce) for nonce in nonces)


@pytest.mark.parametrize("statement", [None, ""])
def test_without_a_statement_two_empty_lines_follow_the_address(statement: str | None) -> None:
    text = sign_in_message(settings(statement=statement), KEYS_ADDRESS, "n" * 17, ISSUED_AT)
    assert f"account:\n{KEYS_ADDRESS}\n\n\nURI: " in text


def test_the_domain_stands_in_line_1_as_it_is_configured() -> None:
    text = sign_in_message(settings(domain="app.example.com:8443"), KEYS_ADDRESS, "n" * 17, ISSUED_AT)
    assert text.startswith("app.example.com:8443 wants you to sign in")


def test_the_chain_is_the_configured_one() -> None:
    assert "\nChain ID: 137\n" in sign_in_message(settings(chain_id=137), KEYS_ADDRESS, "n" * 17, ISSUED_AT)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("statement", "two\nlines"),
        ("statement", "two\rlines"),
        ("statement", "Ümlaut"),
        ("statement", 'a "quote"'),
        ("statement", "100%"),
        ("statement", "end\n"),
        ("domain", "a b"),
        ("domain", "a\nb"),
        ("domain", "https://a.example/path"),
        ("domain", "user@a.example"),
        ("domain", ""),
        ("uri", "no-scheme"),
        ("uri", "https://a.example/\nVersion: 2"),
        ("uri", "https://a.example/ b"),
        ("chain_id", -1),
        ("address", "0x12"),
        ("private_key", Secret("0x12")),
        ("private_key", Secret("0x" + "00" * 32)),
        ("private_key", Secret("ff" * 32)),
        ("private_key", Secret("0x" + "zz" * 32)),
    ],
)
def test_what_could_break_the_text_is_refused_at_construction(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{key}: ") as refusal:
        settings(**{key: value})
    if isinstance(value, Secret):
        assert value.reveal() not in str(refusal.value)


def test_an_address_that_is_not_the_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="address: it is not the private key's"):
        settings(address=VENDOR_ADDRESS)


@pytest.mark.parametrize("address", [KEYS_ADDRESS, KEYS_ADDRESS.lower()])
def test_the_keys_own_address_is_written_with_its_checksum(address: str) -> None:
    assert f"\n{KEYS_ADDRESS}\n" in sign_in(settings(address=address), FakeClock()).message


def test_a_key_without_0x_and_a_key_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("11" * 32)
    configured = settings(private_key=FileSecret(path))
    assert sign_in(configured, FakeClock()).address == KEYS_ADDRESS
    path.write_text("0x" + "22" * 32 + "\n")
    assert sign_in(configured, FakeClock()).address == Account.from_key("0x" + "22" * 32).address


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eth_keys.datatypes", None)
    with pytest.raises(ValueError, match=r"install authproxy\[ethereum\]"):
        settings()


def test_signing_leaves_the_recursion_limit_alone() -> None:
    """A package below eth-account raises it so far that deep JSON would overflow the C stack; so it is not imported."""
    script = f"""
import sys
from proxy.schemes.siwe import SiweSettings
from proxy.secret import Secret
before = sys.getrecursionlimit()
SiweSettings(private_key=Secret("{KEY}"), domain="a.example", uri="https://a.example")
print("eth_account" not in sys.modules, sys.getrecursionlimit() == before)
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "True"]
