"""Two thousand random requests, each checked by a verifier that knows nothing but the raw bytes and the key."""

from __future__ import annotations

import hashlib
import re
from random import Random

from proxy.schemes.base import OutboundRequest
from proxy.schemes.hmac_signature import HmacSignature
from proxy.secret import Secret
from proxy.target import add_parameters, drop_parameters
from tests.clock import FakeClock
from tests.login_endpoint import provider_context, templates

KEY = "SK-property-CANARY-44"
ALPHABET = "abcXYZ019-._~!$'()*,:@"
ESCAPES = ["%2F", "%2f", "%7E", "%27", "%20", "%C3%A9", "%c3%a9", "%00", "%0d%0a", "%25", "%26", "%3D"]
PIECES = ["", "=", "a=", "=b", "timestamp=1", "TimeStamp=2", "time%73tamp=3", "masqueradeAs=AC-1", "a=1", "a=2", "x"]


def hmac_by_hand(key: bytes, message: bytes) -> str:
    """RFC 2104, from the definition."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block) + message).digest()
    return hashlib.sha256(bytes(octet ^ 0x5C for octet in block) + inner).hexdigest()


def verifies(origin: bytes, wire_target: bytes, fields: dict[str, str], body: bytes, now_ms: int) -> bool:
    """As a strict server: one timestamp, close to now; the signature over the URL and the body as they arrived."""
    stamps = re.findall(rb"[?&]timestamp=(\d+)", wire_target)
    if len(stamps) != 1 or abs(int(stamps[0]) - now_ms) > 1:
        return False
    return fields["X-Api-Signature"] == hmac_by_hand(KEY.encode(), origin + wire_target + body)


def text(random: Random, most: int) -> str:
    return "".join(random.choice([*ALPHABET, *ESCAPES]) for _ in range(random.randrange(most)))


def query(random: Random) -> str:
    pieces = [random.choice([*PIECES, f"{text(random, 6)}={text(random, 6)}"]) for _ in range(random.randrange(6))]
    return random.choice(["", "?", "?" + "&".join(pieces)])


def body(random: Random) -> bytes:
    return random.choice([b"", b"{}", b"\r\n", random.randbytes(random.randrange(2000)), text(random, 50).encode()])


async def test_two_thousand_random_requests_are_accepted_by_an_independent_verifier() -> None:
    random = Random(20240914)
    clock = FakeClock(wall=1_700_000_000.123)
    scheme = HmacSignature(
        key=Secret(KEY),
        message=templates(m="{{url}}{{body}}")["m"],
        query=templates(timestamp="{{timestamp_ms}}"),
        headers={"X-Api-Signature": templates(s="{{signature}}")["s"]},
    )
    scheme.bind(provider_context(clock=clock))
    for _ in range(2000):
        clock.advance(random.random())
        origin = random.choice(["https://api.example.com", "https://[::1]:8443", "http://127.0.0.1:81"])
        target = drop_parameters(f"/{text(random, 20)}{query(random)}", scheme.injected_query)
        method, content = random.choice(["GET", "POST", "PUT", "DELETE", "PATCH"]), body(random)
        injection = await scheme.authorize(OutboundRequest(method, origin, target, (), content))
        wire = add_parameters(target, injection.query).encode()
        assert wire.startswith(target.encode())
        now_ms = round(clock.wall() * 1000)
        assert verifies(origin.encode(), wire, dict(injection.headers), content, now_ms)
        assert not verifies(origin.encode(), wire, dict(injection.headers), content + b" ", now_ms)
