"""From an address to the store that is there."""

from __future__ import annotations

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.observer import StoreObserver
from proxy.tokens.stores.access import StoreAccess
from proxy.tokens.stores.address import FileAddress, MemoryAddress, StoreAddress
from proxy.tokens.stores.file_store import FileStore
from proxy.tokens.stores.keyring_key import key_in_keyring
from proxy.tokens.stores.sealing import Seal
from proxy.tokens.stores.store import MemoryStore, StoreRefused, TokenStore


def open_store(address: StoreAddress, access: StoreAccess | None, clock: Clock, observer: StoreObserver) -> TokenStore:
    """Open or make it; one on the network is connected to when it is needed. May block. Raises StoreRefused."""
    if isinstance(address, MemoryAddress):
        return MemoryStore()
    assert access is not None, "the configuration is refused without a key"
    if isinstance(address, FileAddress):
        key = access.key
        if not isinstance(key, Secret):
            key = key_in_keyring(may_make=not address.path.exists())
        return FileStore(address.path, Seal(key.reveal()), clock, observer)
    assert isinstance(access.key, Secret), "a keyring is one machine's own, and the configuration is refused"
    try:
        from proxy.tokens.stores.redis_store import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise StoreRefused("a token store in Redis needs an extra: install authproxy[redis]") from None
    return RedisStore(address, access, Seal(access.key.reveal()), observer)
