"""Judges a Sign-In with Ethereum message: EIP-4361's grammar to the byte, its times, its signer (EIP-191).

Written from the EIP's grammar; the message is read, never rebuilt, so a text that is nearly right is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature

from proxy.sandbox.wire import Refused

DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
MESSAGE = re.compile(
    r"(?P<domain>(?:[a-z][a-z0-9+.-]*://)?[A-Za-z0-9.\-:\[\]]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]+)\n)?"
    r"\n"
    r"URI: (?P<uri>[a-z][a-z0-9+.-]*:[!-~]+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]+)\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued_at>{DATE_TIME})"
    rf"(?:\nExpiration Time: (?P<expires_at>{DATE_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{DATE_TIME}))?"
    r"(?:\nRequest ID: [!-~]*)?"
    r"(?:\nResources:(?:\n- [!-~]+)*)?",
    re.ASCII,
)
OLDEST = 600.0
LEEWAY = 60.0


@dataclass(frozen=True)
class SignIn:
    """What a valid message says; `address` is in its EIP-55 spelling."""

    address: str
    nonce: str


@dataclass(frozen=True)
class Expected:
    """What the deployment wants to read; statement None: a message without one."""

    domain: str
    uri: str
    chain_id: int
    statement: str | None


def judge(message: str, signature: str, expected: Expected, now: float) -> SignIn:
    """The sign-in that message and signature amount to at wall time `now`; refuses with 401 anything else."""
    match = MESSAGE.fullmatch(message)
    if match is None:
        raise Refused(401, "the message does not follow EIP-4361")
    for name in ("domain", "uri", "statement"):
        if match[name] != getattr(expected, name):
            raise Refused(401, f"the message has another {name}")
    if match["chain_id"] != str(expected.chain_id):
        raise Refused(401, "the message has another chain ID")
    _judge_times(match, now)
    return SignIn(_signer(message, signature, match["address"]), match["nonce"])


def _judge_times(match: re.Match[str], now: float) -> None:
    issued = _seconds(match["issued_at"])
    if not now - OLDEST <= issued <= now + LEEWAY:
        raise Refused(401, "Issued At is too old or in the future")
    if match["expires_at"] is None:
        raise Refused(401, "no Expiration Time")
    if _seconds(match["expires_at"]) <= now:
        raise Refused(401, "the message has expired")
    if match["not_before"] is not None and _seconds(match["not_before"]) > now:
        raise Refused(401, "Not Before is in the future")


def _signer(message: str, signature: str, address: str) -> str:
    if re.fullmatch(r"0x[0-9a-fA-F]{128}(1b|1c|1B|1C)", signature) is None:
        raise Refused(401, "the signature is not 0x and 65 bytes in hex with v of 27 or 28")
    try:
        signer = str(Account.recover_message(encode_defunct(text=message), signature=signature))
    except BadSignature as error:
        raise Refused(401, "the signature recovers no key") from error
    if signer.lower() != address.lower():
        raise Refused(401, "another key has signed")
    if signer != address:
        raise Refused(401, "the address is not in its EIP-55 spelling")
    return signer


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise Refused(401, "a time that is none") from error
