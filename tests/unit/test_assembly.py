"""What providers of one configuration have in common."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.assembly import assemble
from proxy.config.load import load
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks
from tests.clock import FakeClock


@pytest.mark.parametrize("says_so", [False, True])
def test_of_providers_that_share_a_credential_all_count_their_requests_or_none(says_so: bool, tmp_path: Path) -> None:
    """Whoever swaps the token waits for the requests of both; what the last one says of the token holds."""
    one = {
        "base_url": "https://api.test",
        "auth": {
            "scheme": "oauth2_client_credentials",
            "token_url": "https://id.test/token",
            "client_id": {"env": "SECRET"},
            "client_secret": {"env": "SECRET"},
        },
    }
    path = tmp_path / "authproxy.yaml"
    last = {**one, "single_live_token": says_so}
    providers = {"a": {**one, "single_live_token": not says_so}, "b": last}
    path.write_text(json.dumps({"providers": providers, "routes": {"/a": "a", "/b": "b"}}))
    clock = FakeClock()
    assembly = assemble(load(path, {"SECRET": "s"}), VendorClocks(clock), TokenCache(clock))
    first, second = assembly.providers["a"], assembly.providers["b"]
    assert first.scheme.credential is second.scheme.credential is not None
    assert [provider.counts_requests for provider in (first, second)] == [says_so] * 2
