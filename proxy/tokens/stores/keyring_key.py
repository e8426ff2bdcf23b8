"""The key of a token store, kept by the system's keyring: made at the first start, and never seen by anybody.

The keyring is whatever the `keyring` package finds: the Secret Service of a Linux desktop, KWallet, the Keychain of
macOS, or a backend that is named in its own settings. It belongs to one user on one machine and is open while that
user is logged in; a server most often has none, and is told what to write instead. It is asked once, at the start.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import core_schema

from proxy.background import begun
from proxy.secret import SECRET_JSON_SCHEMA, Secret
from proxy.tokens.stores.store import StoreRefused

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

# In the place of a secret: the key is in the keyring.
InKeyring = Literal["keyring"]
WORD: InKeyring = "keyring"
SERVICE, USER = "authproxy", "token store"
# Somebody may have to type a password to open it.
LONGEST_ASKING = 60.0
INSTEAD = "without one, give `tokens.key` as {env: NAME}, {file: PATH} or {exec: [COMMAND]}"


class StoreKey:
    """The type of `tokens.key`: a secret, or the word that stands for the keyring."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read_from_config)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {**SECRET_JSON_SCHEMA, "oneOf": [{"const": WORD}, *SECRET_JSON_SCHEMA["oneOf"]]}


def key_in_keyring(*, may_make: bool, longest: float = LONGEST_ASKING) -> Secret:
    """The key; a new one if there is none and it may be made. Blocks, `longest` seconds. Raises StoreRefused."""
    outcome = begun(lambda: _text(may_make))
    try:
        error = outcome.exception(longest)
    except TimeoutError:
        raise StoreRefused(f"the keyring does not answer; it may wait to be unlocked; {INSTEAD}") from None
    if error is None:
        return Secret(outcome.result(), WORD)
    if isinstance(error, StoreRefused):
        raise error
    # Backends raise what they like, and the text of it may hold anything.
    raise StoreRefused(f"the keyring cannot be used ({type(error).__name__}); {INSTEAD}")


def _text(may_make: bool) -> str:
    import keyring  # noqa: PLC0415 - an extra, and it looks for all its backends

    backend: KeyringBackend = keyring.get_keyring()
    if backend.priority <= 0:
        raise StoreRefused(f"this machine, or this session, has no keyring; {INSTEAD}")
    found = backend.get_password(SERVICE, USER)
    if found:
        return found
    if not may_make:
        raise StoreRefused(
            f"the keyring ({backend.name}) has no key for the token store that is there: put it back as the password "
            f"of `{USER}` for `{SERVICE}`, or move the store away; then every provider logs in anew"
        )
    made = token_urlsafe(32)
    backend.set_password(SERVICE, USER, made)
    if backend.get_password(SERVICE, USER) != made:
        raise StoreRefused(f"the keyring ({backend.name}) does not keep what it is given; {INSTEAD}")
    return made


def _read_from_config(value: Any, info: core_schema.ValidationInfo) -> Secret | InKeyring:
    if value == WORD:
        return WORD
    assert info.context is not None
    return info.context.secret(value)  # type: ignore[no-any-return]
