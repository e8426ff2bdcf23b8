"""What providers of one configuration have in common."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.assembly import assemble
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks
from tests.clock import FakeClock


def configured(folder: Path, **single_live_token: bool) -> Settings:
    """Providers of these names, who all log in alike."""
    one = {
        "base_url": "https://api.test",
        "auth": {
            "scheme": "oauth2_client_credentials",
            "token_url": "https://id.test/token",
            "client_id": {"env": "SECRET"},
            "client_secret": {"env": "SECRET"},
        },
    }
    path = folder / "authproxy.yaml"
    providers = {name: {**one, "single_live_token": said} for name, said in single_live_token.items()}
    path.write_text(json.dumps({"providers": providers, "routes": {f"/{name}": name for name in providers}}))
    return load(path, {"SECRET": "s"})


@pytest.mark.parametrize("says_so", [False, True])
def test_where_one_says_that_a_new_token_kills_the_old_all_who_share_it_count_their_requests(
    says_so: bool, tmp_path: Path
) -> None:
    """Whoever swaps the token waits for the requests of all, in whatever order they are written."""
    clock = FakeClock()
    assembly = assemble(configured(tmp_path, a=not says_so, b=says_so), VendorClocks(clock), TokenCache(clock))
    first, second = assembly.providers["a"], assembly.providers["b"]
    assert first.scheme.credential is second.scheme.credential is not None
    assert first.scheme.credential.policy.single_live
    assert first.counts_requests and second.counts_requests


def test_a_new_configuration_in_which_nobody_says_so_holds(tmp_path: Path) -> None:
    clock = FakeClock()
    clocks, tokens = VendorClocks(clock), TokenCache(clock)
    for says_so in (True, False):
        assembly = assemble(configured(tmp_path, a=False, b=says_so), clocks, tokens)
        assert [provider.counts_requests for provider in assembly.providers.values()] == [says_so] * 2
