"""The status page's files: they bring and fetch nothing that their policy does not name, and fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.admin.page import POLICY, page_resources

FOLDER = Path(__file__).resolve().parents[2] / "proxy/admin/page"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
MARKUP = (FOLDER / "index.html").read_text()


def named(path: Path) -> str:
    return path.name


def test_every_file_is_sent_and_needs_no_token() -> None:
    """They hold nothing of the proxy's state."""
    resources = page_resources()
    assert resources.keys() == {"/", *(f"/page/{path.name}" for path in FILES if path.suffix != ".html")}
    assert not any(resource.needs_token for resource in resources.values())


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert POLICY.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe|https?:|\*|data:|blob:", POLICY)
    assert "frame-ancestors 'none'" in POLICY
    assert "require-trusted-types-for 'script'" in POLICY


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_is_fetched_from_another_host(path: Path) -> None:
    found = re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE))
    assert set(found) <= {"http://www.w3.org", "http://localhost"}


def test_the_markup_has_neither_script_nor_style_in_it() -> None:
    assert not re.search(r"<style|style=|\son\w+=|javascript:", MARKUP)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", MARKUP) == ["", ""]
    for path in re.findall(r'(?:src|href)="(/page/[^"]+)"', MARKUP):
        assert path in page_resources()


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_makes_no_markup_from_text_and_runs_none(path: Path) -> None:
    text = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|new EventSource", text
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_what_a_script_imports_is_there_and_has_that_name(path: Path) -> None:
    for names, file in re.findall(r'^import \{([^}]+)\} from "\./([\w.]+)";', path.read_text(), flags=re.MULTILINE):
        exported = (FOLDER / file).read_text()
        for name in names.split(","):
            assert re.search(rf"export (?:async )?(?:class|const|function\*?|let) {name.strip()}\b", exported), (
                file,
                name,
            )


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_finds_the_elements_that_it_looks_for(path: Path) -> None:
    made = "".join(script.read_text() for script in SCRIPTS)
    for wanted in re.findall(r'byId\("([\w-]+)"\)', path.read_text()):
        assert f'id="{wanted}"' in MARKUP or f'id: "{wanted}"' in made


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_fits_in_the_head(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 120 and path.suffix in (".js", ".css")] == []


def test_scripts_say_what_they_are() -> None:
    assert [path.name for path in SCRIPTS if not path.read_text().startswith("// ")] == []
