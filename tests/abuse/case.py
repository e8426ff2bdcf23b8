"""Cases as data: what is sent, what the vendor answers, and what must have happened.

`cases/*.yaml` map a name, which begins with the number of the public case, to these keys:

    send      the head, a line each; `raw` instead for exact octets (a double-quoted text, \\x00 to \\xff)
    body      what follows the head
    refused   the statuses with which a proxy may refuse it, before the vendor hears a byte
    begun     or after that, since it shows in the body only; but the vendor gets no whole request
    passed    or it goes on, and the vendor sees: `target` (default: as sent), `body`, `count` (of requests),
              `fields` (name: all its values), `absent` (names)
    answer    the vendor's octets, after which it hangs up unless `kept`
    answered  what the caller sees of it: `status` (one or several), `body`, `fields`, `absent` (names), `broken` (it
              shows that the answer is not whole)
    token     the proxy wants a local token
    each      a list: the case is one for each entry, which stands for {each}

In all texts {host} and {port} are the proxy's, {prefix} is its route, {credential} what it adds, {token} its local
token, {vendor} the vendor's address and {evil} that of a listener that nobody may call, {echo} a text that no answer may
repeat, {2000}, {9000} and {20000} so many letters, {129 fields} and {300 fields} fields, {40 interim} answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("cases")
# What stands for the braces in cases, whatever proxy is tried.
LONG = {
    **{str(size): "a" * size for size in (2000, 9000, 20_000)},
    **{f"{count} fields": "X-A: a\r\n" * count for count in (129, 300)},
    "40 interim": "HTTP/1.1 103 Early Hints\r\n\r\n" * 40,
}
_KEYS = {"send", "raw", "body", "refused", "passed", "answer", "answered", "kept", "token", "each", "begun"}


@dataclass(frozen=True)
class Case:
    name: str
    request: str
    refused: tuple[int, ...] = ()
    passed: Mapping[str, Any] | None = None
    answer: str | None = None
    answered: Mapping[str, Any] = field(default_factory=dict)
    is_kept: bool = False
    needs_token: bool = False
    may_begin: bool = False

    @property
    def number(self) -> str:
        return self.name.split(" ")[0]

    @property
    def method(self) -> str:
        return self.request.partition(" ")[0]

    @property
    def target(self) -> str:
        return [*self.request.split("\r\n")[0].split(" "), ""][1]


def filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def cases(folder: Path = FOLDER) -> list[Case]:
    """All of them, in the order of their files."""
    found: list[Case] = []
    for path in sorted(folder.glob("*.yaml")):
        for name, keys in yaml.safe_load(path.read_text()).items():
            found += _expanded(name, keys)
    return found


def _expanded(name: str, keys: dict[str, Any]) -> Iterator[Case]:
    if unknown := keys.keys() - _KEYS:
        raise ValueError(f"{name}: unknown keys {unknown}")
    if "refused" not in keys and "passed" not in keys and "answered" not in keys:
        raise ValueError(f"{name}: nothing is expected")
    if "each" not in keys:
        yield _case(name, keys)
        return
    for entry in keys["each"]:
        inner = _with_entry({key: value for key, value in keys.items() if key != "each"}, str(entry))
        yield _case(f"{name}: {entry!r}", inner)


def _with_entry(value: Any, entry: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_entry(inner, entry) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_entry(inner, entry) for inner in value]
    return value.replace("{each}", entry) if isinstance(value, str) else value


def _case(name: str, keys: dict[str, Any]) -> Case:
    # No YAML text keeps a CR, and a head is easier to read in lines.
    head = keys["raw"] if "raw" in keys else keys["send"].replace("\n", "\r\n") + "\r\n"
    refused = keys.get("refused", ())
    return Case(
        name,
        head + keys.get("body", ""),
        (refused,) if isinstance(refused, int) else tuple(refused),
        {**keys["passed"]} if "passed" in keys else None,
        keys.get("answer"),
        keys.get("answered", {}),
        keys.get("kept", False),
        keys.get("token", False),
        keys.get("begun", False),
    )
