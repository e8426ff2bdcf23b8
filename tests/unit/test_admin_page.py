"""The status page shows each route with its provider and credential, and can be told nothing else to show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from math import inf

from proxy.admin.page import POLICY, status_page
from proxy.admin.status import ProviderStatus, RouteStatus, StatusSnapshot, StoreStatus

SNAPSHOT = StatusSnapshot(
    providers=(
        ProviderStatus(
            "io",
            "ok",
            base_url="https://api.iofinnet.com",
            preset="iofinnet",
            scheme="token_exchange",
            expires_in=3480.0,
            generation=7,
            logins=9,
        ),
        ProviderStatus("acme", "refused", last_error="401 from its login endpoint", next_attempt_in=70),
        ProviderStatus("keyed", "static", expires_in=inf),
    ),
    routes=(RouteStatus("/io", "io"), RouteStatus("/acme", "acme"), RouteStatus("/acme/two", "acme")),
)


class Cells(HTMLParser):
    """The text of each table row's cells, under the cell's label."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append({})
        self._label = dict(attrs).get("data-label") or self._label if tag != "th" else ""
        if tag == "td":
            self.rows[-1][self._label] = ""

    def handle_data(self, data: str) -> None:
        if self._label and data.strip():
            self.rows[-1][self._label] += data + " "


def rows(snapshot: StatusSnapshot) -> list[dict[str, str]]:
    cells = Cells()
    cells.feed(status_page(snapshot))
    return [{label: text.strip() for label, text in row.items()} for row in cells.rows if row]


def test_a_token_that_expired_unused_is_not_called_unneeded() -> None:
    idle = StatusSnapshot(providers=(ProviderStatus("io", "idle", generation=1, logins=1),))
    assert rows(idle)[0]["Credential"] == "none held: obtained when needed"


def test_every_route_has_a_row_and_so_has_a_provider_without_one() -> None:
    assert [row["Route"] for row in rows(SNAPSHOT)] == ["/io", "/acme", "/acme/two", "(no route)"]


def test_a_row_tells_what_became_of_the_credential() -> None:
    assert rows(SNAPSHOT)[0] == {
        "Route": "/io",
        "Provider": "io iofinnet · token_exchange https://api.iofinnet.com",
        "Credential": "ok",
        "Token expires": "in 58 min",
        "Generation": "7",
        "Logins": "9",
        "Last error": "–",
    }
    refused = rows(SNAPSHOT)[1]
    assert refused["Credential"] == "refused next attempt in 70 s"
    assert refused["Last error"] == "401 from its login endpoint"
    assert rows(SNAPSHOT)[3]["Token expires"] == "never"


def test_the_verdict_is_that_of_readyz() -> None:
    assert "not ready: acme refused" in status_page(SNAPSHOT)
    assert '<span class="state ok">ready</span>' in status_page(StatusSnapshot())


def test_a_name_cannot_become_markup() -> None:
    hostile = "<script>x</script>\"'&$rows"
    provider = ProviderStatus(hostile, "refused", hostile, hostile, hostile, last_error=hostile)
    page = status_page(StatusSnapshot((provider,), (RouteStatus(hostile, hostile),)))
    assert "<script" not in page
    assert "\"'&$rows" not in page


def test_the_page_brings_and_fetches_nothing_that_its_policy_does_not_name() -> None:
    page = status_page(SNAPSHOT)
    assert not re.search(r"https?://(?!api\.iofinnet\.com)", page)
    assert not re.search(r"<script|<link|<img|style=|\son\w+=|@import|url\(", page)
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


def test_a_token_store_beyond_memory_is_shown_with_what_it_fails_of() -> None:
    assert "token store" not in status_page(SNAPSHOT)
    assert "<p>token store: file, ok</p>" in status_page(StatusSnapshot(store=StoreStatus("file")))
    failing = StatusSnapshot(store=StoreStatus("redis", "it <cannot> be reached"))
    assert "<p>token store: redis, fails: it &lt;cannot&gt; be reached</p>" in status_page(failing)
