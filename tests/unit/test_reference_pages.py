"""The generated pages are fresh, complete, and what they tell people to write loads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from docs.__main__ import FOLDER, pages
from docs.config_page import keys
from docs.config_words import ABOUT, PLACES
from proxy.config import load, presets
from proxy.config.key_sentences import dataclasses_in, key_sentences, sentence
from proxy.config.models import ProviderKeys, RouteSettings, ServerSettings, TokenStoreSettings
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.registry import SCHEMES
from proxy.schemes.signing_scope import BODY_PLACES
from tests.preset_examples import secrets

PAGES = pages()
SETTINGS = [ServerSettings, TokenStoreSettings, ProviderKeys, RouteSettings, *SCHEMES.values()]
KINDS = {found for kind in SETTINGS for found in dataclasses_in(kind)}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_is_as_it_would_be_written_now(path: Path) -> None:
    """If not: `make docs`."""
    assert (FOLDER / path).read_text(encoding="utf-8") == PAGES[path]


def test_no_page_is_left_of_a_preset_that_is_gone() -> None:
    found = {page.relative_to(FOLDER) for page in (FOLDER / "providers").iterdir()}
    assert found == {path for path in PAGES if path.parent == Path("providers")}


@pytest.mark.parametrize("name", presets())
def test_what_a_providers_page_says_to_write_loads(name: str, tmp_path: Path) -> None:
    """With the variables that it names, and with nothing else."""
    preset = presets()[name]
    first, own = blocks(PAGES[Path(f"providers/{name}.md")], "yaml")
    path = tmp_path / "c.yaml"
    path.write_text(first)
    named = set(re.findall(r"env: (\w+)", first))
    environ = {key: value for key, value in secrets(preset, preset.examples[0]).items() if key in named}
    assert environ.keys() == named
    [settings] = load(path, environ).providers.values()
    assert settings.preset == name
    assert own.startswith("provider:\n")
    assert "examples:" not in own


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    """Files beside the page, and headings in them."""
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", PAGES[path]):
        assert not target or (FOLDER / path).parent.joinpath(target).exists(), target
    assert all(
        f"\n## `{anchor}`\n" in PAGES[Path("CONFIG.md")] for anchor in re.findall(r"CONFIG\.md#([\w-]+)\)", PAGES[path])
    )


def test_every_key_has_its_sentence() -> None:
    """And is in the table; `prefix` is the name of a route."""
    page = PAGES[Path("CONFIG.md")]
    for kind in KINDS:
        for key, *_ in keys(kind):
            if (kind, key) != (RouteSettings, "prefix"):
                told = sentence(kind, key)
                assert told, (kind, key)
                assert told.endswith("."), told
                assert f"\n| `{key}` | " in page


def test_no_sentence_speaks_of_a_key_that_is_gone() -> None:
    """Each belongs to a field of its dataclass, or of one that is made from it."""
    bases = {base.__name__: base for kind in KINDS for base in kind.__mro__}
    for name, sentences in key_sentences().items():
        heirs = [kind for kind in KINDS if bases[name] in kind.__mro__]
        known = {key for kind in heirs for key, *_ in keys(kind)} | {field.name for field in fields(bases[name])}
        assert sentences.keys() <= known


def test_every_scheme_and_every_place_is_told_of() -> None:
    assert ABOUT.keys() == SCHEMES.keys()
    assert PLACES.keys() == HmacSignature.places | BODY_PLACES
