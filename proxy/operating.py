"""`status` and `reload`: which proxy is meant, what it is asked, and how its answer is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from proxy.admin.status import spoken
from proxy.asking import Reply, ask
from proxy.whereabouts import Whereabouts

_STATUS_SECONDS = 5.0
# A reload reads every secret again, and a command that prints one may take ten seconds.
_RELOAD_SECONDS = 120.0


class NotFound(Exception):
    """No proxy, or not one alone, is what was meant. The text says what to do."""


def chosen(running: Sequence[Whereabouts], config: Path | None, admin: str | None) -> Whereabouts:
    """The one with this configuration or admin address; the only one if neither is given. Raises NotFound."""
    fitting = [
        one
        for one in running
        if (config is None or Path(one.config) == config.absolute()) and (admin is None or one.admin == admin)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = "".join(f"\n  --admin {one.admin}  ({one.config}, process {one.pid})" for one in fitting)
        raise NotFound(f"several proxies of this user are running; name one:{listed}")
    hint = "" if running else "; of another user's, only that user's commands know"
    raise NotFound(f"no such proxy of this user is running{hint}")


def ask_status(proxy: Whereabouts) -> dict[str, Any]:
    """What /status says. Raises NotFound if the proxy does not answer."""
    document: dict[str, Any] = json.loads(_asked(proxy, "GET", "/status", _STATUS_SECONDS).body)
    return document


def linked(proxy: Whereabouts) -> str:
    """The link that opens its status page. Raises NotFound where no browser gets to."""
    if proxy.page is None:
        raise NotFound(f"the admin listener is {proxy.admin}, where no browser gets to; give `server.admin` a port")
    return proxy.page


def ask_reload(proxy: Whereabouts) -> dict[str, Any]:
    """What /reload says, whether it succeeded or not. Raises NotFound if the proxy does not answer."""
    document: dict[str, Any] = json.loads(_asked(proxy, "POST", "/reload", _RELOAD_SECONDS).body)
    return document


def _asked(proxy: Whereabouts, method: str, path: str, seconds: float) -> Reply:
    try:
        reply = ask(proxy.admin, method, path, token=proxy.token, seconds=seconds)
    except ValueError:
        raise NotFound("the admin listener's address is host:port or unix:/path") from None
    if reply is None:
        raise NotFound(f"the proxy at {proxy.admin} does not answer")
    if reply.status not in (200, 409):
        title = json.loads(reply.body).get("title", "") if reply.body.startswith(b"{") else ""
        raise NotFound(f"the proxy at {proxy.admin} refuses: {title or reply.status}")
    return reply


def status_lines(status: dict[str, Any]) -> Iterator[str]:
    """For a person: the verdict, the configuration, a line for each provider."""
    configuration = status["configuration"]
    yield f"authproxy {status['version']}: {'ready' if status['ready'] else 'not ready: ' + status['reason']}"
    yield f"listening on {status['listen']}, admin {status['admin']}"
    yield f"configuration {configuration['path']}, loaded {spoken(configuration['loaded_ago'])} ago"
    for error in configuration["errors"]:
        yield f"  not taken since: {error}"
    yield ""
    rows = [("PROVIDER", "STATE", "TOKEN", "LOGINS", "LAST ERROR"), *map(_row, status["providers"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def problem_line(problem: dict[str, Any]) -> str:
    """As `check` prints it."""
    place = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return ": ".join(filter(None, (place, problem["path"], problem["message"])))


def _row(provider: dict[str, Any]) -> tuple[str, ...]:
    error = provider["last_error"] or "-"
    if provider["next_attempt_in"] is not None:
        error += f"; next attempt in {spoken(provider['next_attempt_in'])}"
    return (provider["name"], provider["state"], _token(provider), str(provider["logins"] or "-"), error)


def _token(provider: dict[str, Any]) -> str:
    if provider["state"] != "ok":
        return "-"
    seconds = provider["expires_in"]
    return "no expiry" if seconds is None else f"expires in {spoken(seconds)}"
