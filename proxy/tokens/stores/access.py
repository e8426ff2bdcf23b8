"""With what a store is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.secret import Secret
from proxy.tokens.stores.keyring_key import InKeyring


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """The text that keys are made from, or where it is; for a store on the network a password, and whom to trust."""

    key: Secret | InKeyring
    password: Secret | None = None
    ca_file: Path | None = None
