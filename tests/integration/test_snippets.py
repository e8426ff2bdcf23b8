"""Every fenced block of every page is run or checked; what cannot run here stands in a table, with the reason.

The pages on commands and on signatures, the guide and the README's first lines are run word for word by test_docs.py,
test_docs_commands.py and test_recipes.py. Here nothing else can come in unseen.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml

from proxy.cli import cli
from proxy.config.load import load
from proxy.config.presets import preset_names
from tests.integration.test_recipes import PEM

ROOT = Path(__file__).parents[2]
# docs/providers has a test of its own: what they say is generated.
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "docs" / "providers" / "README.md"])

NOT_RUN = {
    "docker": "needs an engine: tests/deploy/test_image.py and test_compose.py walk the steps",
    "kubectl": "needs a cluster: tests/deploy/test_kubernetes.py walks the steps",
    "systemctl": "needs systemd as process 1: tests/deploy/test_systemd.py walks the steps",
    "groupadd": "changes the machine's users",
    "install": "writes to the machine's folders; what it copies must be there, and is looked for",
    "sudo": "changes files' owners",
    "apt-get": "installs packages of the machine: .ci/run does",
    "python3": "makes a virtual environment: tests/deploy/test_image.py does, with the same words",
    "pip": "installs: tests/deploy/test_image.py does, with the same words",
    ".": "changes the reader's shell",
    "export": "changes the reader's shell",
}
PROMETHEUS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
# Of the words of a curl line, the hosts that there are: the proxy, its admin listener, a socket file.
HOSTS = {"localhost:8080", "127.0.0.1:8080", "localhost:9180", "127.0.0.1:9180", "localhost"}


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fenced(page: Path) -> Iterator[Block]:
    """Blocks in their order; an opening fence without an end swallows the rest, which no kind of check passes."""
    text = page.read_text()
    for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)(?:```$|\Z)", text, re.MULTILINE):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2])


BLOCKS = [block for page in PAGES for block in fenced(page)]


def of(language: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == language], ids=str)


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    """One without a language is one that nobody looks at."""
    assert [str(block) for block in BLOCKS if block.language not in ("yaml", "sh", "python", "text")] == []
    assert len(BLOCKS) > 40


@of("yaml")
def test_a_configuration_loads(block: Block, tmp_path: Path) -> None:
    """With its variables set and its files there; a part of one together with the rest that it needs."""
    whole = {"providers": {"a": {"preset": "stripe", "api_key": {"env": "K"}}}, "routes": {"/a": "a"}}
    part = yaml.safe_load(block.text)
    if "scrape_configs" in part:
        assert part == {key: PROMETHEUS[key] for key in part}
        return
    text = block.text if "providers" in part else json.dumps({**whole, **part})
    text = re.sub(r"\bfile:/[\w./-]+/", f"file:{tmp_path}/store/", text.replace("/run/secrets", "secrets"))
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name in re.findall(r"file: ([\w/.-]+)\}", text):
        (tmp_path / name).write_text(PEM)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "pass").write_text("#!/bin/sh\necho a-secret-of-pass\n")
    (tmp_path / "pass").chmod(0o700)
    # In Base64, for keys that have to be.
    environ = {name: b64encode(f"{name} and more bytes".encode()).decode() for name in re.findall(r"env\W+(\w+)", text)}
    path = tmp_path / "authproxy.yaml"
    path.write_text(text)
    settings = load(path, {**environ, "ETH_KEY": "0x" + "11" * 32, "PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert settings.routes
    assert not settings.warnings


@of("python")
def test_python_is_python(block: Block) -> None:
    """The guide's scheme is run by test_docs.py."""
    ast.parse(block.text)


LINES = [(str(block), line) for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]


@pytest.mark.parametrize(("place", "line"), LINES, ids=[f"{place}:{number}" for number, (place, _) in enumerate(LINES)])
def test_a_line_of_shell_is_one_that_works(place: str, line: str) -> None:
    subprocess.run(["bash", "-n", "-c", line], check=True)
    for command in commands(line):
        words = shlex.split(command, comments=True)
        while words and re.match(r"\w+=", words[0]):
            words = words[1:]
        if words:
            checked(words)


def commands(line: str) -> list[str]:
    """The line's commands, one by one; what stands in quotes stays together."""
    return re.split(r" && ", line)


def checked(words: list[str]) -> None:
    program = named(words[0])
    match words:
        case ["authproxy"]:
            pass
        case ["authproxy", name, *rest]:
            with click.Context(cli) as parent:
                command = cli.get_command(parent, name)
                assert command is not None
                command.make_context(name, [*rest], parent=parent)
        case ["make", target]:
            subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module) is not None
        case ["curl", *rest]:
            [url] = [word for word in rest if word.startswith("http")]
            assert urlsplit(url).netloc in HOSTS
        case _:
            assert program in NOT_RUN, f"{program}: run it, check it, or say why not"
    for word in words:
        if re.match(r"(\./)?(deploy|docs|tests)/", word):
            assert (ROOT / word).exists(), word


def named(word: str) -> str:
    return Path(word).name or word


def test_every_reason_is_needed() -> None:
    used = {named(word) for _, line in LINES for command in commands(line) for word in command.split()[:1]}
    assert NOT_RUN.keys() <= used


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    """Files beside the page, and headings in them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_are_commands(page: Path) -> None:
    named = re.findall(r"`authproxy ([a-z]+)\b", page.read_text())
    assert set(named) <= set(cli.list_commands(click.Context(cli)))


def test_each_promise_names_tests_that_there_are() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme.partition("## What it promises\n")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, name in named:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), name
    assert len(rows) >= 12


def test_the_readme_counts_the_presets_right() -> None:
    assert f"There are {len(preset_names())} presets" in (ROOT / "README.md").read_text()
