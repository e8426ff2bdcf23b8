"""providers/: one page for each preset, from its file and its example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import urlencode

from proxy.commands.presets import preset_keys, required_keys, snippet
from proxy.config.presets import Example, Preset

GENERATED = "<!-- Generated from the preset's file by `make docs`. -->\n"


def index_page(known: dict[str, Preset]) -> str:
    """All presets, by group."""
    parts = [
        GENERATED,
        "# APIs with a preset\n\n",
        "`authproxy presets` lists them too, and `authproxy presets NAME` prints what to write.\n",
        "[Adding a provider](../ADDING_A_PROVIDER.md) is for any other API.\n",
    ]
    for group in sorted({preset.group for preset in known.values()}):
        parts.append(f"\n## {group}\n\n| preset | | needs |\n|---|---|---|\n")
        for preset in known.values():
            if preset.group == group:
                needs = ", ".join(f"`{key}`".replace("|", "` or `") for key in required_keys(preset))
                parts.append(f"| [{preset.name}]({preset.name}.md) | {preset.title} | {needs} |\n")
    return "".join(parts)


def provider_page(preset: Preset) -> str:
    """What to write, what its keys are, and what happens to a request."""
    return "".join(
        [
            GENERATED,
            f"# {preset.title}\n\n{preset.about}\nThe vendor says so at <{preset.source}>.\n\n## What to write\n\n",
            _code("yaml", "\n".join(snippet(preset))),
            "\nSecrets may also come from files and commands: see [CONFIG.md](../CONFIG.md).\n",
            "\n| key | | | |\n|---|---|---|---|\n",
            *_rows(preset),
            "\nBeside these there are [the keys of every provider](../CONFIG.md#providers).\n",
            "\n## What happens\n\n",
            *_story(preset, preset.examples[0]),
            "\n## The preset\n\nWhat is written in a provider is laid over this, key by key.\n\n",
            _code("yaml", _own_lines(preset)),
        ]
    )


def _rows(preset: Preset) -> Iterator[str]:
    for name, kind, state, about in preset_keys(preset):
        shown = state if state in ("required", "") else f"`{state}`"
        told = "the vendor's address" if name == "base_url" else about.replace("|", "\\|")
        yield f"| `{name}` | {kind} | {shown} | {told} |\n"


def _story(preset: Preset, example: Example) -> Iterator[str]:
    """An app's request, the login before it, and the request as the vendor receives it."""
    method, _, target = example.request.partition(" ")
    yield f"An app asks the proxy for `{method} /{preset.name}{target}`.\n"
    if example.login is not None:
        yield "Where no live token is at hand, the proxy first asks for one:\n\n"
        yield _code("http", "\n".join(_login(example)))
        yield f"\nand the vendor answers\n\n{_code('json', json.dumps(example.login.answer))}\n"
    if example.jwt is not None:
        yield "`<JWT>` is one that the proxy signs, with\n\n"
        yield _code("json", "\n".join(json.dumps(part) for part in example.jwt.values()))
        yield "\n"
    yield "The vendor receives\n\n"
    fields = [f"{name}: {value}" for name, value in (example.headers | example.sends).items()]
    yield _code("http", "\n".join([f"{method} {example.url}", *fields, *(["", example.body] if example.body else [])]))
    yield from _dropped(preset)


def _login(example: Example) -> Iterator[str]:
    login = example.login
    assert login is not None
    yield login.request
    yield from (f"{name}: {value}" for name, value in login.headers.items())
    if login.form is not None:
        yield f"\n{urlencode(login.form, safe='<>:/@ ')}"
    if login.json is not None:
        yield f"\n{json.dumps(login.json)}"


def _dropped(preset: Preset) -> Iterator[str]:
    headers = [f"`{name}`" for name in preset.provider.get("drop_headers", ())]
    parameters = [f"`?{name}=`" for name in preset.provider.get("drop_query", ())]
    yield "\nWhat callers send under the names that the proxy sends itself is dropped"
    yield f", and so is their own {', '.join(headers + parameters)}.\n" if headers or parameters else ".\n"


def _own_lines(preset: Preset) -> str:
    """The file's lines from `provider:` on, with their comments and without the examples."""
    text = (files("proxy.presets") / f"{preset.name}.yaml").read_text(encoding="utf-8")
    match = re.search(r"^provider:\n.*?(?=^examples:|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[0].rstrip()


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"
