"""config.example.yaml shows every key, and works as it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config import ConfigError, RouteSettings, ServerSettings, TokenStoreSettings, load, presets
from proxy.config.key_sentences import dataclasses_in
from proxy.config.models import ProviderKeys
from proxy.config.wording import known_keys
from proxy.schemes.registry import SCHEMES

PATH = Path(__file__).parents[2] / "config.example.yaml"
TEXT = PATH.read_text()


def test_it_loads_with_exactly_the_variables_that_it_names() -> None:
    """Whatever they hold; and it gives no warning."""
    active = "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in TEXT.splitlines())
    named = set(re.findall(r"\{env: (\w+)\}", active)) | set(re.findall(r"\$\{(\w+)\}", active))
    loaded = load(PATH, dict.fromkeys(named, "anything"))
    assert loaded.warnings == ()
    assert {type(provider.scheme) for provider in loaded.providers.values()} == set(SCHEMES.values())


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from places_in(part, (*path, key))


DOCUMENT = yaml.safe_load(TEXT)
ODD: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "",
    "C4N4RY\nvalue",
    "${NOT_SET}",
    "{{",
    [],
    ["C4N4RY"],
    {},
    {"env": "C4N4RY"},
    [[1]],
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(list(places_in(DOCUMENT))), odd=st.sampled_from(ODD))
def test_whatever_stands_anywhere_is_read_or_refused(place: tuple[Any, ...], odd: Any, tmp_path: Path) -> None:
    """An odd value in the place of any other gives settings or problems, never another error, and is not shown."""
    changed = copy.deepcopy(DOCUMENT)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = odd
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps(changed))
    told = ""
    try:
        load(path, dict.fromkeys(re.findall(r"[A-Z0-9]+(?:_[A-Z0-9]+)+", TEXT), "anything"))
    except ConfigError as error:
        told = str(error)
    assert "C4N4RY" not in told
    assert "is not valid here" not in told


KINDS = [ServerSettings, TokenStoreSettings, ProviderKeys, RouteSettings, *SCHEMES.values()]
KEYS = {key for kind in KINDS for found in dataclasses_in(kind) for key in known_keys(found)} - {"prefix"}
# The other presets' parameters stand in docs/providers/.
SHOWN = {keys["preset"] for keys in DOCUMENT["providers"].values() if "preset" in keys}
PARAMETERS = {name for preset in SHOWN for name in presets()[preset].parameters}


@pytest.mark.parametrize("key", sorted(KEYS | PARAMETERS))
def test_every_key_stands_in_it(key: str) -> None:
    """In use, or behind a `#`."""
    assert re.search(rf"(^|[\s{{]){key}:", TEXT, re.MULTILINE)
