"""From what came back to what is wrong and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.schemes.signing_scope import iso_timestamp
from proxy.trial.witness import Heard

# So far off may a clock be before signatures and claims are in danger; most vendors allow a minute or more.
CLOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`problem` is a stable name; `what` says what was seen, `next` what to do."""

    problem: str
    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the answer: the command to try `again`, the `sources` of the
    secrets, our clock and its error, a proxy in the environment.

    `is_dated` says that the time is part of the login.
    """

    again: str
    preset: str | None
    sources: str
    wall: float
    skew: float
    is_dated: bool
    proxy_variable: str | None


def diagnosed(heard: Heard | None, cause: str, is_refused: bool, around: Surroundings) -> Diagnosis:
    """`cause` is the credential's own word for its failure, `is_refused` whether the vendor's answer was a no."""
    again = f"`{around.again}`"
    if heard is None:
        return Diagnosis("unusable", cause, f"mend the provider's secrets ({around.sources}), then {again}")
    if heard.error:
        return _no_answer(heard, around)
    said = f"{heard.status} from {heard.method} {heard.url}"
    if between := _in_between(heard, said):
        return between
    if heard.status in (404, 405, 410, 501):
        shown = f"`authproxy presets {around.preset}` shows the preset's" if around.preset else "see the vendor's pages"
        return Diagnosis(
            "wrong_url",
            f"{said}: there is no login at this address",
            f"compare base_url and login path; {shown}; then {again}",
        )
    if is_refused:
        return _refused(heard, said, around, again)
    if heard.status == 429:
        return Diagnosis("rate_limited", f"{said}: too many logins", f"wait some minutes, then {again}")
    if heard.status >= 400:
        return Diagnosis("vendor_trouble", f"{said}: the vendor has trouble of its own", f"try again later: {again}")
    fix = "compare `response` with what the vendor documents; then "
    return Diagnosis("no_token", f"{said}, but {cause}", f"{fix}{again}")


def _in_between(heard: Heard, said: str) -> Diagnosis | None:
    look = f"`curl -sv -o /dev/null {heard.url}` shows who answers"
    if heard.status in (407, 511):
        return Diagnosis(
            "in_between", f"{said}: a proxy or portal on the way wants a sign-in", f"sign in to the network; {look}"
        )
    if 300 <= heard.status < 400:
        away = heard.redirects_to and heard.redirects_to != urlsplit(heard.url).netloc
        if not away:
            what = f"{said}: the address has moved, and redirects are not followed with a secret"
            return Diagnosis("wrong_url", what, f"put the new address into base_url; {look}")
        what = f"{said}: something sends us away to {heard.redirects_to}; a portal or single sign-on on the way?"
        return Diagnosis("in_between", what, f"sign in to the network, or mend base_url; {look}")
    if heard.is_web_page and heard.status != 404:
        what = f"{said}: a web page where an API's JSON is expected; a portal or proxy on the way answered"
        return Diagnosis("in_between", what, f"leave that network or sign in to it, or mend base_url; {look}")
    return None


def _refused(heard: Heard, said: str, around: Surroundings, again: str) -> Diagnosis:
    if heard.speaks_of_expiry:
        return Diagnosis(
            "expired",
            f"{said}: the vendor's answer speaks of a key that has expired or was revoked",
            f"make a new one at the vendor's and put it into {around.sources}; then {again}",
        )
    if around.is_dated and abs(around.skew) >= CLOCK_SECONDS:
        direction = "behind" if around.skew > 0 else "ahead of"
        return Diagnosis(
            "wrong_clock",
            f"{said}, and this machine's clock is {abs(around.skew):.0f} s {direction} the vendor's",
            f"set the clock (`timedatectl set-ntp true`), then {again}; only if that is no help, suspect the secret",
        )
    form = " or the login's form" if heard.status in (400, 422) else ""
    return Diagnosis(
        "wrong_secret",
        f"{said}: the vendor is there and does not take the secret{form}",
        f"copy it anew from the vendor's page into {around.sources}; then {again}",
    )


def _no_answer(heard: Heard, around: Surroundings) -> Diagnosis:
    parts = urlsplit(heard.url)
    host, at = parts.hostname or "", parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = ""
    if around.proxy_variable is not None:
        proxy = f"; {around.proxy_variable} is set, but authproxy connects directly and uses no proxy"
    match heard.error:
        case "upstream_dns":
            what = f"the name {host} is not known here: mistyped in base_url, or this machine has no DNS{proxy}"
            return Diagnosis("unknown_host", what, f"`getent hosts {host}`")
        case "upstream_tls":
            what = (
                f"TLS with {at} failed: its certificate is not trusted here, has expired or is for another name, "
                f"a proxy on the way opens TLS, or this clock is wrong (it says {iso_timestamp(around.wall)}){proxy}"
            )
            look = f"`openssl s_client -connect {host}:{port} -servername {host}`"
            return Diagnosis("tls", what, f"{look} shows it; trust its CA with `ca_file:` or SSL_CERT_FILE")
        case "upstream_unreachable":
            what = (
                f"nobody listens at {at}: the vendor is down, a firewall says no, or base_url has the wrong port{proxy}"
            )
            return Diagnosis("unreachable", what, f"`curl -sv {parts.scheme}://{at}/`")
        case "upstream_timeout" | "upstream_connect_timeout" | "timeout":
            what = f"{at} did not answer in time: the vendor is slow or down, or a firewall swallows the packets{proxy}"
            return Diagnosis("timeout", what, f"`curl -sv -m 10 {parts.scheme}://{at}/`")
        case _:
            what = f"{at} took the connection and did not answer in HTTP: not an API, or https on an http port{proxy}"
            return Diagnosis("not_http", what, f"`curl -sv {parts.scheme}://{at}/`")
