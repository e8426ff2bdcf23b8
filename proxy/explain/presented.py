"""What somebody else sent: the texts of `--compare`, and what the request itself says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from proxy.gateway.headers import RawHeaders
from proxy.target import canonical

_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):(?!//)\s*(.*)", re.DOTALL)
_QUERY = re.compile(r"(?:https?://[^?]*\?|[^?\s]*\?|(?=[A-Za-z0-9_.\-\[\]%]+=[^=]))(.*)", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_MOMENT = re.compile(r"\d{10}|\d{13}")


@dataclass(frozen=True, slots=True)
class Presented:
    """`headers` and `parameters` go by canonical name; `texts` are all that was said, for what has no name."""

    headers: dict[str, str] = field(repr=False)
    parameters: dict[str, str] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)
    compared: tuple[str, ...] = field(repr=False)

    @property
    def tokens(self) -> list[str]:
        """Everything in the compared texts that has the form of a JSON Web Token."""
        return [match[0] for text in self.compared for match in [_TOKEN.search(text)] if match]

    @property
    def moment(self) -> str | None:
        """The first text that looks like a moment in seconds or milliseconds."""
        return next((text for text in self.texts if _MOMENT.fullmatch(text)), None)


def presented(items: Iterable[str], target: str, sent: RawHeaders) -> Presented:
    """What the compared texts say; then what the request itself has of its own."""
    headers: dict[str, str] = {}
    parameters: dict[str, str] = {}
    compared = []
    for item in items:
        text = item.strip()
        if match := _HEADER.fullmatch(text):
            headers[canonical(match[1])] = match[2]
            compared.append(match[2])
        elif match := _QUERY.fullmatch(text):
            pairs = dict(_pairs(match[1]))
            parameters |= pairs
            compared += pairs.values()
        else:
            compared.append(text)
    own_headers = {canonical(name.decode("latin-1")): value.decode("latin-1") for name, value in sent}
    own_parameters = dict(_pairs(target.partition("?")[2]))
    texts = (*compared, *own_parameters.values(), *own_headers.values())
    return Presented(own_headers | headers, own_parameters | parameters, texts, tuple(compared))


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for piece in query.split("&"):
        name, equals, value = piece.partition("=")
        if equals:
            yield canonical(unquote(name)), unquote(value)
