"""config.example.yaml shows every key, and works as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from proxy.config import RouteSettings, ServerSettings, TokenStoreSettings, load, presets
from proxy.config.models import ProviderKeys
from proxy.config.wording import known_keys
from proxy.schemes import SCHEMES

PATH = Path(__file__).parents[2] / "config.example.yaml"
TEXT = PATH.read_text()


def test_it_loads_with_exactly_the_variables_that_it_names() -> None:
    """Whatever they hold; and it gives no warning."""
    active = "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in TEXT.splitlines())
    named = set(re.findall(r"\{env: (\w+)\}", active)) | set(re.findall(r"\$\{(\w+)\}", active))
    settings = load(PATH, dict.fromkeys(named, "anything"))
    assert settings.warnings == ()
    assert {provider.preset for provider in settings.providers.values()} - {None} == presets().keys()
    assert {type(provider.scheme) for provider in settings.providers.values()} == set(SCHEMES.values())


def dataclasses_in(kind: Any) -> Iterator[Any]:
    """The dataclass, and all that its fields may hold."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        hints = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            yield from dataclasses_in(hints[field.name])
    for argument in get_args(kind):
        yield from dataclasses_in(argument)


KINDS = [ServerSettings, TokenStoreSettings, ProviderKeys, RouteSettings, *SCHEMES.values()]
KEYS = {key for kind in KINDS for found in dataclasses_in(kind) for key in known_keys(found, ())} - {"prefix"}
PARAMETERS = {name for preset in presets().values() for name in preset.parameters}


@pytest.mark.parametrize("key", sorted(KEYS | PARAMETERS))
def test_every_key_stands_in_it(key: str) -> None:
    """In use, or behind a `#`."""
    assert re.search(rf"(^|[\s{{]){key}:", TEXT, re.MULTILINE)
