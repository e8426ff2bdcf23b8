"""What is broken, and which tests shall notice: the fast ones first, those that start processes last."""

from __future__ import annotations

from dataclasses import dataclass

_CREDENTIAL = ("tests/unit/test_token_credential.py", "tests/unit/test_token_cache.py")
_RENEWAL = "tests/unit/test_token_renewal.py"
_SHARING = "tests/unit/test_token_sharing.py"
_MODEL = "tests/property/test_token_sharing.py"
_LOGIN = "tests/unit/test_login_answer.py"
_FILE = "tests/unit/test_store_file.py"
_PARTS = "tests/unit/test_store_parts.py"
_REDIS = "tests/integration/test_store_redis.py"


# Minutes of requests, which tracing makes hours of.
SLOW = "a_bad_secret_costs_five or a_401_to_everything_costs_three or nothing_is_sent_while_backing_off"


@dataclass(frozen=True)
class Scope:
    """A module; `near` tests run where they reach a broken line, `far` ones, which are not traced, where none noticed."""

    area: str
    module: str
    near: tuple[str, ...]
    far: tuple[str, ...] = ()


def _tokens(name: str, *near: str, far: tuple[str, ...] = ()) -> Scope:
    return Scope("token stores" if name.startswith("stores/") else "tokens", f"proxy/tokens/{name}.py", near, far)


SCOPES = (
    Scope("guard", "proxy/gateway/guard.py", ("tests/unit/test_guard.py",)),
    Scope("guard", "proxy/hosts.py", ("tests/unit/test_guard.py", "tests/unit/test_admin_guard.py")),
    Scope("guard", "proxy/admin/guard.py", ("tests/unit/test_admin_guard.py",)),
    Scope("guard", "proxy/admin/authority.py", ("tests/unit/test_admin_guard.py",)),
    Scope("target", "proxy/target.py", ("tests/unit/test_target.py",)),
    Scope("target", "proxy/gateway/target.py", ("tests/unit/test_target.py",)),
    Scope("headers", "proxy/gateway/headers.py", ("tests/unit/test_headers.py", "tests/unit/test_guard.py")),
    Scope("secret", "proxy/secret.py", ("tests/unit/test_secret.py", "tests/abuse/test_swaps.py")),
    _tokens("answer_document", "tests/unit/test_answer_document.py", _LOGIN),
    _tokens("backoff", "tests/unit/test_token_backoff.py", "tests/unit/test_token_restraint.py"),
    _tokens("cache", "tests/unit/test_token_cache.py"),
    _tokens("credential", *_CREDENTIAL, _SHARING),
    _tokens("credential_key", "tests/unit/test_token_cache.py"),
    _tokens("failure", _LOGIN),
    _tokens("grant", _LOGIN),
    _tokens("holders", "tests/unit/test_token_holders.py"),
    _tokens("life", "tests/unit/test_token_life.py"),
    _tokens("lifetime", _LOGIN),
    _tokens("login", _LOGIN),
    _tokens("login_request", "tests/unit/test_login_request.py", "tests/unit/test_scheme_token_exchange.py"),
    _tokens("renewal", _RENEWAL, _SHARING, *_CREDENTIAL, far=(_MODEL,)),
    _tokens("restraint", "tests/unit/test_token_restraint.py", "tests/unit/test_token_backoff.py"),
    _tokens("sharing", _SHARING, *_CREDENTIAL, far=(_MODEL,)),
    _tokens("standing", "tests/unit/test_token_standing.py"),
    _tokens("token", _RENEWAL, "tests/unit/test_token_life.py"),
    _tokens("stores/address", "tests/unit/test_store_address.py"),
    _tokens("stores/circuit", _PARTS),
    _tokens("stores/disk", _FILE),
    _tokens("stores/durable", _FILE),
    _tokens("stores/entry", _PARTS, _FILE),
    _tokens("stores/file_form", _PARTS, _FILE),
    _tokens("stores/file_record", _PARTS, _FILE, "tests/unit/test_token_restraint.py"),
    _tokens("stores/file_store", _FILE),
    _tokens("stores/health", _PARTS),
    _tokens("stores/keyring_key", "tests/unit/test_store_keyring.py"),
    _tokens("stores/opening", "tests/unit/test_config_load.py", _REDIS),
    _tokens("stores/redis_calls", _REDIS),
    _tokens("stores/redis_scripts", _REDIS),
    _tokens("stores/redis_store", _REDIS),
    _tokens("stores/sealing", _PARTS),
    _tokens("stores/store", _PARTS, _FILE),
)  # fmt: skip
