"""YAML to nodes with places: YAML 1.2's scalars, and none of the features through which surprises come.

Aliases, anchors, tags, merge keys, several documents, keys that are no text, and keys given twice are
refused, each where it stands; reading goes on behind them, so that later mistakes are found in the same run.
Only PyYAML's events are used: nothing is constructed, and nothing of the text is repeated in a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from proxy.config.nodes import AnyNode, ListNode, MapNode, Scalar, key_path
from proxy.config.problems import Place, Report, quoted_key
from proxy.config.scalars import resolve
from proxy.config.syntax import place_and_words

MAX_DEPTH = 64
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Stop(Exception):
    """What follows cannot be read any more; the reason is in the report."""


def compose(text: str, report: Report, loader: Any = LOADER) -> AnyNode | None:
    """The document's root, or None if there is none. Syntax errors and refused features go to the report.

    After a syntax error the part before it is not returned: what is missing behind it would only give
    complaints that are not true.
    """
    composer = _Composer(yaml.parse(text, Loader=loader), report)
    try:
        return composer.document()
    except yaml.MarkedYAMLError as error:
        report.error(*place_and_words(error, text))
    except _Stop:
        pass
    return None


class _Composer:
    """Recursive descent over the events."""

    def __init__(self, events: Iterator[yaml.Event], report: Report) -> None:
        self._events = events
        self._report = report
        self._depth = 0

    def document(self) -> AnyNode | None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        event = next(self._events)
        root = self._node(event, _place(event, ""), _place(event, ""))
        next(self._events)
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            self._report.error(_place(following, ""), "a second document begins here; the file must hold one")
        return root

    def _node(self, event: yaml.Event, place: Place, key: Place) -> AnyNode:
        self._refuse_features(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(place, key, resolve(event.value) if event.implicit[0] and not event.style else event.value)
        if isinstance(event, yaml.AliasEvent):
            return Scalar(place, key, None)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._report.error(place, f"nested more than {MAX_DEPTH} levels deep")
            raise _Stop
        node = self._list(place, key) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(place, key)
        self._depth -= 1
        return node

    def _list(self, place: Place, key: Place) -> ListNode:
        items: list[AnyNode] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = _place(event, f"{place.path}[{len(items)}]")
            items.append(self._node(event, item, item))
        return ListNode(place, key, tuple(items))

    def _mapping(self, place: Place, key: Place) -> MapNode:
        entries: dict[str, AnyNode] = {}
        first_lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._key(event, place.path)
            here = _place(event, place.path if name is None else key_path(place.path, name))
            event = next(self._events)
            node = self._node(event, _place(event, here.path), here)
            if name in first_lines:
                self._report.error(here, f"{quoted_key(name)} is given twice; first on line {first_lines[name]}")
            elif name is not None:
                first_lines[name] = here.line
                entries[name] = node
        return MapNode(place, key, entries)

    def _key(self, event: yaml.Event, path: str) -> str | None:
        """The key's text, or None for one that was refused."""
        place = _place(event, path)
        node = self._node(event, place, place)
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style:
            self._report.error(place, "merge keys (`<<`) are not supported; write the keys out")
        elif isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        elif not isinstance(event, yaml.AliasEvent):
            self._report.error(place, "a key must be a text; put quotes around it")
        return None

    def _refuse_features(self, event: yaml.Event, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._report.error(place, "aliases (`*name`) are not supported; put quotes around a text that begins so")
        elif getattr(event, "anchor", None) is not None:
            self._report.error(place, "anchors (`&name`) are not supported; put quotes around a text that begins so")
        if getattr(event, "tag", None) is not None:
            self._report.error(place, "tags (`!name`) are not supported; put quotes around a text that begins so")


def _place(event: yaml.Event, path: str) -> Place:
    assert event.start_mark is not None
    return Place(event.start_mark.line + 1, event.start_mark.column + 1, path)
