"""What can be said of a token store without opening it: its folder, its key, what it needs installed."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.util import find_spec

from proxy.config.models import TokenStoreSettings
from proxy.config.nodes import AnyNode, MapNode
from proxy.config.problems import Place, Report
from proxy.secret import Secret
from proxy.tokens.stores.address import FileAddress, MemoryAddress, RedisAddress
from proxy.tokens.stores.durable import folder_problem, is_folder_private
from proxy.tokens.stores.keyring_key import WORD
from proxy.tokens.stores.sealing import SHORTEST_TEXT


def check_token_store(
    settings: TokenStoreSettings, running: TokenStoreSettings | None, node: AnyNode, report: Report
) -> None:
    """Report what does not fit together in the section `tokens`, and what a running proxy cannot change."""
    assert isinstance(node, MapNode)
    address = settings.address

    def place(key: str) -> Place:
        return replace(node.entries[key].place if key in node.entries else node.key, path=f"tokens.{key}")

    if running is not None and settings != running:
        changed = next(
            one.name for one in fields(settings) if getattr(settings, one.name) != getattr(running, one.name)
        )
        report.error(place(changed), "has changed, which takes a restart")
    if isinstance(address, MemoryAddress):
        if settings.key is not None:
            report.warn(place("key"), "is not used: what is in memory only is not encrypted")
        return
    _check_key(settings, place("key"), report)
    if isinstance(address, FileAddress):
        problem = folder_problem(address.path)
        if problem is not None:
            report.error(place("store"), problem)
        elif not is_folder_private(address.path):
            report.warn(place("store"), f"other users can look into {address.path.parent}; `chmod 700` keeps them out")
    if isinstance(address, RedisAddress) and find_spec("redis") is None:
        report.error(place("store"), "needs an extra: install authproxy[redis]")
    if settings.password is not None and not isinstance(address, RedisAddress):
        report.error(place("password"), "is for Redis only")
    if settings.ca_file is not None and not (isinstance(address, RedisAddress) and address.tls):
        report.error(place("ca_file"), "is for rediss:// only")


def _check_key(settings: TokenStoreSettings, place: Place, report: Report) -> None:
    key, address = settings.key, settings.address
    if key is None:
        report.error(place, f"is required: it encrypts what the {address.kind} store holds")
    elif key == WORD and not isinstance(address, FileAddress):
        report.error(place, "a keyring is one machine's own, and all replicas need the same key: give it as a secret")
    elif key == WORD and find_spec("keyring") is None:
        report.error(place, "needs an extra: install authproxy[keyring]")
    elif isinstance(key, Secret) and len(key.reveal()) < SHORTEST_TEXT:
        report.warn(place, "is short; `openssl rand -base64 32` makes one that nobody guesses")
