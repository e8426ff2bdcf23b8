"""A first configuration for presets: complete but for the secrets, which it never asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from proxy.config.presets import Kind, Parameter, Preset

Source = Literal["env", "file"]

_ABOUT_BASE_URL = "where the API is; your own, since every customer has another"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A provider to write down, under the name that it is to have."""

    name: str
    preset: Preset


@dataclass(frozen=True, slots=True)
class Blank:
    """Something that only the user knows: a variable, a secret file, or a line of the configuration itself."""

    kind: Literal["env", "file", "line"]
    name: str
    about: str


def necessary_keys(preset: Preset) -> tuple[str, ...]:
    """The keys without which there is no provider, in the file's order; of several that stand for each other, one."""
    base_url = () if "base_url" in preset.provider else ("base_url",)
    either = preset.require_one_of[:1]
    return *base_url, *(name for name, key in preset.parameters.items() if key.required or name in either)


def variable(provider: str, key: str) -> str:
    """`io` and `client_id` are IO_CLIENT_ID; a name that begins with a digit gets a letter before it."""
    words = re.sub(r"[^A-Z0-9]+", "_", f"{provider}_{key}".upper()).strip("_")
    return f"P{words}" if words[0].isdecimal() else words


def is_secret(preset: Preset, key: str) -> bool:
    """Whether its value comes from where secrets come from."""
    return key in preset.parameters and preset.parameters[key].kind in ("secret", "identifier")


def blanks(wanted: Sequence[Wanted], source: Source) -> list[Blank]:
    """All that is left to fill in, in the order of the file."""
    return [blank for one in wanted for _, blank in _filled_in(one, source)]


def first_request(wanted: Sequence[Wanted]) -> str:
    """A path to ask for with GET, of the first preset whose example is one; `/NAME/...` if none is."""
    for one in wanted:
        method, _, path = one.preset.examples[0].request.partition(" ") if one.preset.examples else ("", "", "")
        if method == "GET":
            return f"/{one.name}{path}"
    return f"/{wanted[0].name}/..."


def written(wanted: Sequence[Wanted], source: Source) -> str:
    """The configuration file's text. It passes `check` as soon as the blanks are filled in."""
    lines = [
        "# A configuration of authproxy. `authproxy check` tells what is missing, `authproxy test` tries each login.",
        "# A secret is {env: NAME}, {file: PATH} or {exec: [COMMAND, ...]}; none is ever written here as it is.",
        "",
        "server:",
        "  listen: 127.0.0.1:8080   # where your app calls; port 0 picks a free one",
        "  admin: 127.0.0.1:9180    # /metrics, /readyz and the status page; `off` for none",
        "",
        "providers:",
    ]
    for one in wanted:
        lines += _provider(one, source)
    lines.append("routes:")
    for one in wanted:
        lines.append(f"  /{one.name}: {one.name}")
    return "\n".join([*lines, ""])


def _provider(one: Wanted, source: Source) -> Iterator[str]:
    preset = one.preset
    yield f"  # {preset.title}. {_one_line(preset.about)}"
    yield f"  # {preset.source}"
    yield f"  {one.name}:"
    yield f"    preset: {preset.name}"
    filled_in = dict(_filled_in(one, source))
    for key, blank in filled_in.items():
        yield f"    {key}: {_reference(blank, is_secret=is_secret(preset, key))}{_comment(blank.about)}"
    if "base_url" not in filled_in:
        yield f"    # base_url: {preset.provider['base_url']}"
    for key, parameter in preset.parameters.items():
        if key not in filled_in:
            default = "..." if parameter.default is None else json.dumps(parameter.default)
            yield f"    # {key}: {default}{_comment(parameter.about)}"
    yield ""


def _filled_in(one: Wanted, source: Source) -> Iterator[tuple[str, Blank]]:
    """The keys that have no value of their own, each with where its value is to come from."""
    preset = one.preset
    given = preset.examples[0].given if preset.examples else {}
    for key in necessary_keys(preset):
        parameter = preset.parameters.get(key) or Parameter(kind="text", about=_ABOUT_BASE_URL)
        example = "" if is_secret(preset, key) or key not in given else f"such as {given[key]}"
        about = "; ".join(part for part in (parameter.about, example) if part)
        yield key, _blank(one.name, key, parameter.kind, about, source)


def _blank(name: str, key: str, kind: Kind, about: str, source: Source) -> Blank:
    if kind == "secret" and source == "file":
        return Blank("file", str(PurePath("secrets", f"{name}-{key.replace('_', '-')}")), about)
    if kind not in ("secret", "identifier", "text", "name"):
        # What comes from a variable is a text; a number has to stand in the file.
        return Blank("line", f"{name}.{key}", about)
    return Blank("env", variable(name, key), about)


def _reference(blank: Blank, *, is_secret: bool) -> str:
    if blank.kind == "line":
        return ""
    if blank.kind == "file":
        return f"{{file: {blank.name}}}"
    return f"{{env: {blank.name}}}" if is_secret else f'"${{{blank.name}}}"'


def _comment(about: str) -> str:
    return f"   # {_one_line(about)}" if about else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
