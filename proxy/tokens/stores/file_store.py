"""Tokens in one encrypted file, for one process: they outlive it.

The file is read once, at the start; what is written goes to disk before anybody uses it, and a disk that fails stops
nobody.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from proxy.clock import Clock
from proxy.tokens.observer import StoreObserver
from proxy.tokens.stores import durable
from proxy.tokens.stores.disk import Disk
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.file_form import parsed, written
from proxy.tokens.stores.file_record import FileRecord, record_from, record_text
from proxy.tokens.stores.health import StoreHealth
from proxy.tokens.stores.sealing import Broken, OtherKey, Seal
from proxy.tokens.stores.store import SETBACK_KEPT, StoreRefused, StoreUnavailable, Turn

log = logging.getLogger("authproxy.tokens.store")


class FileStore:
    """Raises StoreRefused if another process has the file, if another key sealed it, or if its folder will not do."""

    kind = "file"
    is_shared = False

    def __init__(
        self,
        path: Path,
        seal: Seal,
        clock: Clock,
        observer: StoreObserver,
        *,
        write: Callable[[Path, bytes], None] = durable.write,
        longest_write: float = 2.0,
    ) -> None:
        self._path = path
        self._seal = seal
        self._clock = clock
        self._health = StoreHealth(self.kind, observer)
        self._write = write
        self._disk = Disk(longest_write)
        self._sealed: dict[str, bytes] = {}
        self._lock: int | None = None
        self._is_unwritten = False
        self._tending: asyncio.Task[None] | None = None
        try:
            self._open()
        except StoreRefused:
            self._unlock()
            raise

    @property
    def trouble(self) -> str | None:
        return self._health.trouble

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        name = self._seal.name(key)

        async def write(entry: Entry) -> None:
            await self._put(name, self._record(name).with_entry(entry, self._clock.wall()))

        async def note(text: str) -> None:
            await self._put(name, self._record(name).with_setback(text, self._clock.wall()))

        record, wall = self._record(name), self._clock.wall()
        yield Turn(record.entry(wall), True, write, record.setback(wall), note)

    def retire(self, key: str) -> None:
        """It may come back."""

    def tend(self) -> None:
        if self._is_unwritten and not self._disk.is_stuck and self._tending is None:
            self._tending = asyncio.get_running_loop().create_task(self._save_quietly())

    async def aclose(self) -> None:
        await asyncio.gather(*filter(None, [self._tending]))
        if self._is_unwritten:
            await self._save_quietly()
        if not self._disk.is_stuck:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- Opening ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            durable.make_folder(self._path)
            self._lock = durable.lock(self._path)
        except OSError as error:
            if error.errno not in durable.PASSING:
                raise StoreRefused(f"the token store {self._path} cannot be used: {error.strerror}") from None
            self._health.failed("open", f"it cannot be locked: {error.strerror}")
        try:
            content = durable.read(self._path)
        except OSError as error:
            raise StoreRefused(f"the token store {self._path} cannot be read: {error.strerror}") from None
        if content is not None:
            self._load(content)

    def _load(self, content: bytes) -> None:
        try:
            key_id, sealed = parsed(content)
        except ValueError:
            self._set_aside("it is broken")
            return
        if key_id != self._seal.key_id:
            raise StoreRefused(
                f"the token store {self._path} was written with another key ({key_id}, now {self._seal.key_id}): "
                "put the old key back, or move the file away; then every provider logs in anew"
            )
        readable = {name: text for name, text in sealed.items() if self._can_be_opened(name, text)}
        if len(readable) < len(sealed):
            self._set_aside(f"{len(sealed) - len(readable)} of its {len(sealed)} entries are broken")
            # The rest is as good as ever, and must be on disk again before the next crash.
            self._is_unwritten = True
        self._sealed = {name: text for name, text in readable.items() if self._is_worth_keeping(name, text)}

    def _set_aside(self, what: str) -> None:
        self._health.failed("open", what)
        try:
            aside = durable.set_aside(self._path, self._clock.wall())
        except OSError as error:
            log.warning("the broken token store %s cannot be renamed: %s", self._path, error.strerror)
        else:
            log.warning("the token store %s is now %s: %s", self._path, aside.name, what)

    # --- Entries ----------------------------------------------------------------------------------------

    def _record(self, name: str) -> FileRecord:
        sealed = self._sealed.get(name)
        return FileRecord() if sealed is None else record_from(self._seal.open(sealed, name))

    def _can_be_opened(self, name: str, sealed: bytes) -> bool:
        try:
            record_from(self._seal.open(sealed, name)).entry(self._clock.wall())
        except (OtherKey, Broken, ValueError):
            return False
        return True

    def _is_worth_keeping(self, name: str, sealed: bytes) -> bool:
        record, wall = record_from(self._seal.open(sealed, name)), self._clock.wall()
        entry, setback = record.entry(wall), record.setback(wall)
        return (entry is not None and entry.seconds_to_keep > 0) or (setback is not None and setback.age < SETBACK_KEPT)

    async def _put(self, name: str, record: FileRecord) -> None:
        """Raises StoreUnavailable; it counts all the same while this process lives."""
        self._sealed[name] = self._seal.seal(record_text(record), name)
        await self._save()

    # --- Writing ----------------------------------------------------------------------------------------

    async def _save(self) -> None:
        """Write all entries. Raises StoreUnavailable; they are kept, and written with the next ones."""
        self._is_unwritten = True
        try:
            await self._disk.run(self._write_out)
        except TimeoutError:
            cause = "the disk takes too long"
        except OSError as error:
            cause = error.strerror or type(error).__name__
        else:
            self._is_unwritten = False
            self._health.worked()
            return
        self._health.failed("write", cause)
        raise StoreUnavailable(f"the token store cannot be written: {cause}")

    async def _save_quietly(self) -> None:
        try:
            await self._save()
        except StoreUnavailable:
            pass
        finally:
            self._tending = None

    def _write_out(self) -> None:
        """In a thread. One that comes late writes what is newest by then, which is as well."""
        if self._lock is None:
            try:
                self._lock = durable.lock(self._path)
            except StoreRefused as refused:
                raise OSError(None, refused.cause) from None
        self._write(self._path, written(self._seal.key_id, dict(self._sealed)))
