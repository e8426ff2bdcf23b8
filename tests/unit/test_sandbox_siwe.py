"""The judge of sign-in messages: the vendor's own example passes, and nothing that is nearly right does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.datatypes import PrivateKey

from proxy.sandbox.siwe import Expected, judge
from proxy.sandbox.wire import Refused

ORIGIN = "https://localhost:3000"
EXPECTED = Expected(ORIGIN, ORIGIN, 1, "Sign in with Ethereum to the app.")
NOW = datetime.fromisoformat("2024-09-14T20:45:00Z").timestamp()
KEY = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
VENDOR_ADDRESS = "0xa8983Fe59b2F08F9F1B3E833c5D47B256F7FE0d5"
VENDOR_SIGNATURE = (
    "0x81596c2af98457f7621455ca947db35cad201cb96ced9b34a4b2403fea35c014"
    "31f7bca6db5fc5ffdb92b42c3cd0ae0c5b21cc24099ce6e630f0966e3fa544701c"
)
S1_SIGNATURE = (
    "0x4318014a1ad1d5f883e96e3f241846a8a60c19a134d43ae41a5537fc95b95f93"
    "0e5db9ad5bb264502aacca3fd4962b483a5899ab631ed3d2a70c80f34e9f7f0b1b"
)


def text(address: str = ADDRESS) -> str:
    return (
        f"{ORIGIN} wants you to sign in with your Ethereum account:\n{address}\n\nSign in with Ethereum to the app.\n\n"
        f"URI: {ORIGIN}\nVersion: 1\nChain ID: 1\nNonce: V4953jdM8Y5ljtOvZ\n"
        "Issued At: 2024-09-14T20:44:31.764Z\nExpiration Time: 2024-09-14T20:49:31.761Z"
    )


def signed(message: str) -> str:
    return str("0x" + Account.sign_message(encode_defunct(text=message), KEY).signature.hex().removeprefix("0x"))


def test_accepts_the_vendors_published_example() -> None:
    """The message and signature of the vendor's page recover the address of the vendor's page."""
    sign_in = judge(text(VENDOR_ADDRESS), VENDOR_SIGNATURE, EXPECTED, NOW)
    assert (sign_in.address, sign_in.nonce) == (VENDOR_ADDRESS, "V4953jdM8Y5ljtOvZ")


def test_accepts_the_measured_vector() -> None:
    assert judge(text(), S1_SIGNATURE, EXPECTED, NOW).address == ADDRESS


def test_without_a_statement_there_are_two_blank_lines() -> None:
    expected = Expected(ORIGIN, ORIGIN, 1, None)
    message = text().replace("Sign in with Ethereum to the app.\n", "")
    assert judge(message, signed(message), expected, NOW).address == ADDRESS
    one_blank_line = message.replace("\n\n\n", "\n\n")
    with pytest.raises(Refused, match="EIP-4361"):
        judge(one_blank_line, signed(one_blank_line), expected, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m + "\n", "EIP-4361"),
        (lambda m: m.replace("\n", "\r\n"), "EIP-4361"),
        (lambda m: m.replace("\n", " "), "EIP-4361"),
        (lambda m: " " + m, "EIP-4361"),
        (lambda m: m.replace("Version: 1", "Version: 2"), "EIP-4361"),
        (lambda m: m.replace("V4953jdM8Y5ljtOvZ", "V4953jd"), "EIP-4361"),
        (lambda m: m.replace("V4953jdM8Y5ljtOvZ", "V4953jdM-8Y5"), "EIP-4361"),
        (lambda m: m.replace("Nonce", "nonce"), "EIP-4361"),
        (lambda m: m.replace("20:44:31.764Z", "20:44:31.764"), "EIP-4361"),
        (lambda m: m.replace("to the app.", "to the\tapp."), "EIP-4361"),
        (lambda m: m.replace("https://localhost:3000 wants", "localhost:3000 wants"), "another domain"),
        (lambda m: m.replace("URI: https://localhost:3000", "URI: https://localhost:3000/"), "another uri"),
        (lambda m: m.replace("Chain ID: 1", "Chain ID: 137"), "chain ID"),
        (lambda m: m.replace("Chain ID: 1", "Chain ID: 01"), "chain ID"),
        (lambda m: m.replace("to the app.", "to the app"), "another statement"),
        (lambda m: m.replace("20:49:31.761Z", "20:44:59.000Z"), "has expired"),
        (lambda m: m.replace("\nExpiration Time: 2024-09-14T20:49:31.761Z", ""), "no Expiration Time"),
        (lambda m: m.replace("T20:44:31", "T20:47:31"), "Issued At"),
        (lambda m: m.replace("T20:44:31", "T19:44:31"), "Issued At"),
        (lambda m: m.replace("2024-09-14T20:44", "2024-13-14T20:44"), "a time that is none"),
        (lambda m: m + "\nNot Before: 2024-09-14T20:46:00Z", "Not Before"),
        (lambda m: m.replace(ADDRESS, ADDRESS.lower()), "EIP-55"),
        (lambda m: m.replace(ADDRESS, VENDOR_ADDRESS), "another key"),
    ],
)
def test_refuses_what_is_nearly_right(change: Callable[[str], str], reason: str) -> None:
    """Each of these is signed correctly: only the text is wrong."""
    message = change(text())
    with pytest.raises(Refused, match=reason):
        judge(message, signed(message), EXPECTED, NOW)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (S1_SIGNATURE.removeprefix("0x"), "not 0x"),
        (S1_SIGNATURE[:-2] + "00", "not 0x"),
        (S1_SIGNATURE[:-2], "not 0x"),
        (S1_SIGNATURE[:-2] + "1c", "another key|recovers no key"),
        (VENDOR_SIGNATURE, "another key"),
        ("0x" + "ff" * 64 + "1b", "recovers no key"),
    ],
)
def test_refuses_a_wrong_signature(signature: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        judge(text(), signature, EXPECTED, NOW)


def test_refuses_a_signature_over_the_bare_hash() -> None:
    """EIP-191's prefix is part of what is signed: a signature over the bare text's hash is another key's."""
    bare = "0x" + PrivateKey(b"\x11" * 32).sign_msg(text().encode()).to_bytes().hex()
    bare = bare[:-2] + ("1b" if bare.endswith("00") else "1c")
    with pytest.raises(Refused, match="another key"):
        judge(text(), bare, EXPECTED, NOW)
