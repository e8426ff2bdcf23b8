"""`authproxy test`: each credential obtained for real."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from proxy.clock import SystemClock
from proxy.config.load import load
from proxy.config.models import ProviderSettings
from proxy.duration import spoken
from proxy.logs import configure
from proxy.terminal import TEST_FAILED, config_option, configuration_path, exits, provider_names
from proxy.tokens.cache import TokenCache
from proxy.trial.trial import Trial, tried
from proxy.vendor_clock import VendorClocks

_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@click.command(name="test", short_help="Obtain each credential for real; exit 3 if one fails.")
@config_option
@click.argument("names", nargs=-1, metavar="[PROVIDER]...", shell_complete=provider_names)
@click.option("--spend", is_flag=True, help="Also try refresh tokens that may be good for one use only.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@exits
def try_credentials(config: str | None, names: tuple[str, ...], spend: bool, form: str) -> None:
    """Obtain each credential for real: log in, mint, or see that it is there. Exit 3 if one fails.

    Each vendor is first asked without a credential, to see who is there and what time it is with them.
    """
    settings = load(configuration_path(config), os.environ)
    if unknown := [name for name in names if name not in settings.providers]:
        raise click.UsageError(f"no provider is called {unknown[0]}; there are {', '.join(settings.providers)}")
    chosen = [settings.providers[name] for name in dict.fromkeys(names or settings.providers)]
    configure(sys.stderr, json=False, level="critical")  # The lines below say it all.
    trials = asyncio.run(all_tried(chosen, ["authproxy", "test", *(["-c", config] if config else [])], spend=spend))
    if form == "json":
        click.echo(json.dumps([asdict(trial) for trial in trials], indent=2))
    else:
        for line in lines(trials):
            click.echo(line)
    if any(trial.verdict == "failed" for trial in trials):
        sys.exit(TEST_FAILED)


async def all_tried(providers: list[ProviderSettings], command: list[str], *, spend: bool) -> list[Trial]:
    clock = SystemClock()
    clocks, tokens = VendorClocks(clock), TokenCache(clock)
    variable = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)
    each = (
        tried(
            provider,
            clocks,
            tokens,
            spend=spend,
            proxy_variable=variable,
            again=shlex.join([*command, provider.name]),
        )
        for provider in providers
    )
    try:
        return list(await asyncio.gather(*each))
    finally:
        await tokens.aclose()


def lines(trials: list[Trial]) -> Iterator[str]:
    width = max(len(trial.provider) for trial in trials)
    for trial in trials:
        problem = f"{trial.problem}: " if trial.problem else ""
        held = f", good for {spoken(trial.lifetime)}" if trial.lifetime is not None else ""
        yield f"{trial.verdict:<8} {trial.provider:<{width}}  {problem}{trial.what}{held}"
        for note in trial.notes:
            yield f"{'':<{width + 9}}  note: {note}"
        if trial.next is not None:
            yield f"{'':<{width + 9}}  next: {trial.next}"
