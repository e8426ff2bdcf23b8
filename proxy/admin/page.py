"""The status page: one HTML file of the package, filled in here. No script, nothing from elsewhere."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template

from proxy import __version__
from proxy.admin.status import ProviderStatus, StatusSnapshot, spoken, store_lines, unready_because

_PAGE = files("proxy.admin").joinpath("page.html").read_text(encoding="utf-8")
_STYLE = _PAGE.partition("<style>")[2].partition("</style>")[0]
# The style is named by its digest, so that nothing that might get into the page could bring its own.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATES = {
    "static": "static: nothing to obtain",
    "idle": "none held: obtained when needed",
    "ok": "ok",
    "waiting": "waiting",
    "refused": "refused",
}


def status_page(snapshot: StatusSnapshot) -> str:
    """The whole page. Every value is escaped, though all come from the configuration or from us."""
    reason = unready_because(snapshot, snapshot.providers)
    return Template(_PAGE).substitute(
        version=escape(__version__),
        verdict="ready" if reason is None else escape(f"not ready: {reason}"),
        verdict_class="ok" if reason is None else "refused",
        store="".join(f"<p>{escape(line)}</p>" for line in store_lines(snapshot.store)),
        rows="\n".join(_rows(snapshot)),
    )


def _rows(snapshot: StatusSnapshot) -> Iterator[str]:
    providers = {provider.name: provider for provider in snapshot.providers}
    for route in snapshot.routes:
        yield _row(route.prefix, providers[route.provider])
    routed = {route.provider for route in snapshot.routes}
    for name, provider in providers.items():
        if name not in routed:
            yield _row("(no route)", provider)


def _row(prefix: str, provider: ProviderStatus) -> str:
    kind = " · ".join(filter(None, (provider.preset, provider.scheme)))
    cells = (
        ("Route", f"<code>{escape(prefix)}</code>"),
        (
            "Provider",
            f"<b>{escape(provider.name)}</b><small>{escape(kind)}</small><small>{escape(provider.base_url)}</small>",
        ),
        (
            "Credential",
            f'<span class="state {provider.state}">{_STATES[provider.state]}</span>{_next_attempt(provider)}',
        ),
        ("Token expires", escape(_expiry(provider))),
        ("Generation", str(provider.generation or "–")),
        ("Logins", str(provider.logins or "–")),
        ("Last error", escape(provider.last_error or "–")),
    )
    return "<tr>" + "".join(f'<td data-label="{label}"><div>{cell}</div></td>' for label, cell in cells) + "</tr>"


def _expiry(provider: ProviderStatus) -> str:
    if provider.expires_in is None:
        return "–"
    text = spoken(provider.expires_in)
    return text if text == "never" else f"in {text}"


def _next_attempt(provider: ProviderStatus) -> str:
    if provider.next_attempt_in is None:
        return ""
    return f"<small>next attempt in {escape(spoken(provider.next_attempt_in))}</small>"
