"""Keyrings of the `keyring` package's own kind, for tests: named by PYTHON_KEYRING_BACKEND, they serve as the system's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Event
from typing import Any

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.errors import KeyringLocked, PasswordSetError

FOLDER = "AUTHPROXY_TESTS_KEYRING"


class _Usable(KeyringBackend):
    @properties.classproperty
    def priority(cls) -> float:  # noqa: N805
        return 1


class FileKeyring(_Usable):
    """Passwords in a plain file of a folder of the test's."""

    @property
    def _path(self) -> Path:
        return Path(os.environ[FOLDER]) / "keyring.json"

    def _all(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps(self._all() | {f"{service}/{username}": password}))


class LockedKeyring(_Usable):
    """Whose owner declined to open it."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("CANARY-what-a-keyring-says")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError("CANARY-what-a-keyring-says")


class ForgetfulKeyring(_Usable):
    """Takes everything and keeps nothing."""

    def get_password(self, service: str, username: str) -> str | None:
        return None

    def set_password(self, service: str, username: str, password: str) -> None: ...


class SilentKeyring(_Usable):
    """Waits for somebody to open it, who never comes."""

    def get_password(self, service: str, username: str) -> str | None:
        Event().wait()
        return None

    def set_password(self, service: str, username: str, password: str) -> None: ...


def environ(kind: type[Any] | str, folder: Path) -> dict[str, str]:
    """For a process that is to have this keyring."""
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__name__}"
    return {"PYTHON_KEYRING_BACKEND": name, FOLDER: str(folder), "PYTHONPATH": str(Path(__file__).parents[1])}
