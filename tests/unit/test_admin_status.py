"""When the proxy is ready, and how it says why not."""

from __future__ import annotations

from math import inf

import pytest

from proxy.admin.status import CredentialState, ProviderStatus, StatusSnapshot, health_line, spoken, unready_because


def because(*providers: ProviderStatus, started: bool = True, draining: bool = False) -> str | None:
    return unready_because(StatusSnapshot(providers, started=started, draining=draining), providers)


@pytest.mark.parametrize("state", ["static", "idle", "ok", "waiting"])
def test_ready_while_no_credential_needs_a_person(state: CredentialState) -> None:
    """A vendor's outage is not ours: taking all replicas out of service for it would double it."""
    assert because(ProviderStatus("io", state), ProviderStatus("wyre", "static")) is None


def test_not_ready_with_a_refused_credential() -> None:
    assert because(ProviderStatus("io", "ok"), ProviderStatus("acme", "refused")) == "acme refused"


def test_not_ready_before_the_start_and_while_draining() -> None:
    assert because(started=False) == "starting"
    assert because(draining=True) == "draining"


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        (ProviderStatus("wyre", "static"), "wyre ok"),
        (ProviderStatus("engage", "idle"), "engage ok"),
        (ProviderStatus("io", "ok", expires_in=3000.0, last_error="503 from its login endpoint"), "io ok"),
        (ProviderStatus("io", "waiting", next_attempt_in=12.4), "io waiting: next attempt in 12 s"),
        (
            ProviderStatus("io", "waiting", last_error="no answer in time", next_attempt_in=12, expires_in=300),
            "io waiting: no answer in time; next attempt in 12 s; its token holds for another 5 min",
        ),
        (
            ProviderStatus("acme", "refused", last_error="401 from its login endpoint"),
            "acme refused: 401 from its login endpoint",
        ),
    ],
)
def test_a_line_names_the_provider_its_state_and_the_circumstances(provider: ProviderStatus, line: str) -> None:
    assert health_line(provider) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "0 s"),
        (0.9, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h 00 min"),
        (14_700, "4 h 05 min"),
        (172_800, "2 days"),
        (inf, "never"),
    ],
)
def test_lengths_of_time_are_said_in_units_that_fit(seconds: float, text: str) -> None:
    assert spoken(seconds) == text
