"""What the file has of one credential, before it is sealed: its entry and its setback, each with its time of birth."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from proxy.tokens.stores.entry import Entry, from_text, to_text
from proxy.tokens.stores.store import Setback

# A wall clock that was set back further than this says nothing about how old an entry is.
TOLERATED_DRIFT = 5.0


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Texts, and readings of the wall clock. Either may be missing; "" then."""

    entry_text: str = ""
    entry_born: float = 0.0
    setback_text: str = ""
    setback_born: float = 0.0

    def entry(self, wall: float) -> Entry | None:
        """The entry with its age at this time. Raises ValueError if it is none."""
        age = wall - self.entry_born
        return from_text(self.entry_text, 0.0 if -TOLERATED_DRIFT < age < 0 else age) if self.entry_text else None

    def setback(self, wall: float) -> Setback | None:
        """The setback, if the clock was not set back since."""
        age = wall - self.setback_born
        return Setback(self.setback_text, age) if self.setback_text and age >= 0 else None

    def with_entry(self, entry: Entry, wall: float) -> FileRecord:
        """With this entry instead: a newer token ends a setback; one of the same serial is no younger."""
        before = self.entry(wall)
        if before is not None and before.serial == entry.serial:
            return replace(self, entry_text=to_text(entry))
        setback_text = "" if entry.serial > (before.serial if before is not None else 0) else self.setback_text
        return replace(self, entry_text=to_text(entry), entry_born=wall - entry.age, setback_text=setback_text)

    def with_setback(self, text: str, wall: float) -> FileRecord:
        return replace(self, setback_text=text, setback_born=wall)


def record_text(record: FileRecord) -> str:
    return json.dumps([record.entry_text, record.entry_born, record.setback_text, record.setback_born])


def record_from(text: str | bytes) -> FileRecord:
    """The reverse. Raises ValueError for anything that `record_text` has not made."""
    parts: Any = json.loads(text)
    try:
        entry_text, entry_born, setback_text, setback_born = parts
        return FileRecord(str(entry_text), float(entry_born), str(setback_text), float(setback_born))
    except TypeError:
        raise ValueError("not a record") from None
