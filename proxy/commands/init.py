"""`authproxy init`: a first configuration."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from proxy.config.presets import preset_named, preset_names
from proxy.config.problems import suggestion
from proxy.scaffold import Blank, Source, Wanted, blanks, first_request, written
from proxy.terminal import exits, preset_completions

_DEFAULT = "authproxy.yaml"


@click.command(short_help="Write a first configuration for presets; asks nothing, never overwrites.")
@click.option(
    "--preset",
    "names",
    multiple=True,
    required=True,
    metavar="[NAME=]PRESET",
    shell_complete=preset_completions,
    help="A vendor, and how to call it here; may be given several times.",
)
@click.option("-o", "--output", default=_DEFAULT, show_default=True, metavar="FILE", help="- is standard output.")
@click.option(
    "--secrets",
    "source",
    type=click.Choice(["env", "file"]),
    default="env",
    show_default=True,
    help="Whether secrets come from environment variables or from files beside the configuration.",
)
@exits
def init(names: tuple[str, ...], output: str, source: Source) -> None:
    """Write a commented configuration that lacks nothing but the secrets, and say which.

    The file is for its owner only, and an existing one is never overwritten.
    """
    wanted = list(chosen(names))
    text = written(wanted, source)
    if output == "-":
        click.echo(text, nl=False)
        return
    # O_EXCL also refuses a symbolic link that somebody has put there.
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{output} exists and is left alone; give another name with -o") from None
    except OSError as error:
        folder = Path(output).absolute().parent
        raise click.ClickException(
            f"{output} cannot be written: {error.strerror}; `ls -ld {shlex.quote(str(folder))}` says who may, "
            "-o writes elsewhere"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    for line in instructions(output, wanted, blanks(wanted, source)):
        click.echo(line)


def chosen(names: tuple[str, ...]) -> Iterator[Wanted]:
    """What `--preset` asks for; the second of one preset is called `PRESET-2`."""
    known, taken = preset_names(), set[str]()
    for written_name in names:
        given, equals, name = written_name.rpartition("=")
        if name not in known:
            raise click.UsageError(
                f"no preset is called {name}{suggestion(name, known)}; `authproxy presets` lists them"
            )
        own = given if equals else name
        number = 2
        while not equals and own in taken:
            own, number = f"{name}-{number}", number + 1
        if own in taken or not own.replace("-", "").replace("_", "").isalnum() or not own.isascii():
            raise click.UsageError("each provider has a name of its own: letters, digits, - and _")
        taken.add(own)
        yield Wanted(own, preset_named(name))


def instructions(output: str, wanted: list[Wanted], left: list[Blank]) -> Iterator[str]:
    """What to do next, as lines to copy."""
    yield f"{output} is written, for you alone (mode 0600): {', '.join(f'/{one.name}' for one in wanted)}"
    yield ""
    variables = [blank for blank in left if blank.kind == "env"]
    files = [blank for blank in left if blank.kind == "file"]
    if files:
        folder = Path(output).parent
        yield "Put each secret into its file:"
        yield f"  mkdir -p -m 700 {shlex.quote(str(folder / Path(files[0].name).parent))}"
        width = max(len(blank.name) for blank in files)
        for blank in files:
            where = shlex.quote(str(folder / blank.name))
            yield f"  (umask 077; cat > {where}){'':{width - len(blank.name)}}  # {blank.about or 'then Ctrl-D'}"
        yield ""
    if in_file := [blank for blank in left if blank.kind == "line"]:
        yield f"Write into {output}:"
        for blank in in_file:
            yield f"  {blank.name}" + (f"  # {blank.about}" if blank.about else "")
        yield ""
    if variables:
        yield "Fill in, in the shell that is to run authproxy:"
        width = max(len(blank.name) for blank in variables)
        for blank in variables:
            about = f"  # {blank.about}" if blank.about else ""
            yield f"  export {blank.name}={'':{width - len(blank.name)}}{about}".rstrip()
        yield ""
    option = "" if output == _DEFAULT else f" -c {shlex.quote(output)}"
    yield "Then:"
    yield f"  authproxy check{option}"
    yield f"  authproxy test{option}"
    yield f"  authproxy run{option}"
    yield f"  curl -i {shlex.quote(f'http://127.0.0.1:8080{first_request(wanted)}')}"
