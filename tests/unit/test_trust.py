"""TLS contexts are shared and kept, until what they were made from changes."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.config.load import load
from proxy.trust import trusts


def settings(folder: Path, **providers: dict[str, str]) -> object:
    auth = {"scheme": "static", "headers": {"X-Key": {"value": "CANARY-trust-1"}}}
    document = {
        "providers": {name: {"base_url": "https://a.test", "auth": auth, **more} for name, more in providers.items()},
        "routes": {f"/{name}": name for name in providers},
    }
    (folder / "c.yaml").write_text(json.dumps(document))
    return load(folder / "c.yaml", {}).providers.values()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_providers_that_go_by_the_same_files_share_a_context(tmp_path: Path, authority: Path) -> None:
    """The system's store takes 20 ms to read: with ten providers that would be felt at every reload."""
    own = {"ca_file": str(authority)}
    found = trusts(settings(tmp_path, a={}, b={}, c=own, d=own))
    assert found["a"].context is found["b"].context
    assert found["c"].context is found["d"].context
    assert found["a"].context is not found["c"].context


def test_a_context_is_kept_until_its_files_change(tmp_path: Path, authority: Path) -> None:
    providers = settings(tmp_path, a={}, c={"ca_file": str(authority)})
    before = trusts(providers)
    assert trusts(providers, before) == before
    trustme.CA().cert_pem.write_to_path(str(authority))
    after = trusts(providers, before)
    assert after["a"].context is before["a"].context
    assert after["c"].context is not before["c"].context


def test_files_that_break_after_they_were_checked_are_an_error(tmp_path: Path, authority: Path) -> None:
    providers = settings(tmp_path, c={"ca_file": str(authority)})
    authority.write_text("nonsense")
    with pytest.raises(ssl.SSLError):
        trusts(providers)
