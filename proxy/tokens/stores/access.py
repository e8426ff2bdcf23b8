"""With what a store is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.secret import Secret


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """The text that keys are made from; a password, and whose certificates to trust, for a store on the network."""

    key: Secret
    password: Secret | None = None
    ca_file: Path | None = None
