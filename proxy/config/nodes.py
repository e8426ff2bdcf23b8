"""What a configuration file says, with the place of every part.

Nodes are never changed; laying one mapping over another makes a new one whose parts keep their places. So
an error found long after parsing, in a value that travelled through a preset, still points at the user's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.config.problems import Place

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.\-/~*]{1,80}")


@dataclass(frozen=True, slots=True)
class Node:
    """`place` is where the value begins, `key` where the key that leads to it does."""

    place: Place
    key: Place


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    value: Any


@dataclass(frozen=True, slots=True)
class ListNode(Node):
    items: tuple[AnyNode, ...]


@dataclass(frozen=True, slots=True)
class MapNode(Node):
    entries: dict[str, AnyNode] = field(default_factory=dict)

    def without(self, *names: str) -> MapNode:
        return replace(self, entries={name: node for name, node in self.entries.items() if name not in names})

    def with_entries(self, entries: dict[str, AnyNode]) -> MapNode:
        return replace(self, entries={**self.entries, **entries})


AnyNode = Scalar | ListNode | MapNode


def spot(node: AnyNode) -> Place:
    """Where to point for a mistake in the whole of the node.

    A block mapping begins at its first inner key, one line below the key that the message speaks of.
    """
    return node.place if isinstance(node, Scalar) else replace(node.key, path=node.place.path)


def key_path(parent: str, key: str) -> str:
    """The path one key down. A key that looks like no key is not shown: it may be a secret in the wrong spot."""
    shown = key if _PLAIN_KEY.fullmatch(key) else "(a key)"
    return f"{parent}.{shown}" if parent else shown


class PlacedDict(dict[str, Any]):
    """A plain mapping that remembers where it is written, for readers that see only the value."""

    place: Place


def plain(node: AnyNode) -> Any:
    """The value as dicts, lists and scalars."""
    if isinstance(node, MapNode):
        mapping = PlacedDict({key: plain(value) for key, value in node.entries.items()})
        mapping.place = node.place
        return mapping
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def overlaid(below: AnyNode, above: AnyNode) -> AnyNode:
    """Mappings merged key by key; anything else above replaces what is below."""
    if not (isinstance(below, MapNode) and isinstance(above, MapNode)):
        return above
    entries = dict(below.entries)
    for key, node in above.entries.items():
        entries[key] = overlaid(entries[key], node) if key in entries else node
    return replace(above, entries=entries)


def placed(value: Any, place: Place) -> AnyNode:
    """Plain values as nodes that all point at one place; paths go on from the place's own."""
    if isinstance(value, dict):
        entries = {key: placed(item, replace(place, path=key_path(place.path, key))) for key, item in value.items()}
        return MapNode(place, place, entries)
    if isinstance(value, list):
        items = (placed(item, replace(place, path=f"{place.path}[{at}]")) for at, item in enumerate(value))
        return ListNode(place, place, tuple(items))
    return Scalar(place, place, value)


def find(node: AnyNode, location: Sequence[str | int]) -> tuple[AnyNode, tuple[str | int, ...]]:
    """The deepest node that the location leads to, and what of the location leads nowhere."""
    for at, step in enumerate(location):
        if isinstance(node, MapNode) and step in node.entries:
            node = node.entries[str(step)]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return node, tuple(location[at:])
    return node, ()


def walk(node: AnyNode) -> Iterator[AnyNode]:
    """The node and all below it."""
    yield node
    if isinstance(node, MapNode):
        for value in node.entries.values():
            yield from walk(value)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from walk(item)
