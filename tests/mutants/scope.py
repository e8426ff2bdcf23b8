"""What is broken, and which tests shall notice: the fast ones first, those that start processes last."""

from __future__ import annotations

from dataclasses import dataclass

_CREDENTIAL = ("tests/unit/test_token_credential.py", "tests/unit/test_token_cache.py")
_LIFE_MODEL = ("tests/property/test_token_life.py", "tests/unit/test_metrics.py")
_LOGIN = (
    "tests/unit/test_login_answer.py",
    "tests/unit/test_scheme_token_exchange.py",
    "tests/unit/test_scheme_oauth2.py",
)
_FACTS = (
    "tests/integration/test_faults_network.py", "tests/integration/test_facts_tokens.py",
)  # fmt: skip
_FILE = ("tests/unit/test_store_file.py", "tests/property/test_token_sharing.py")
_REDIS = "tests/integration/test_store_redis.py"


@dataclass(frozen=True)
class Scope:
    """A module; `near` tests run where they reach a broken line, `far` ones where none of those noticed."""

    area: str
    module: str
    near: tuple[str, ...]
    far: tuple[str, ...] = ()


def _tokens(name: str, *near: str, far: tuple[str, ...] = ()) -> Scope:
    return Scope("token stores" if name.startswith("stores/") else "tokens", f"proxy/tokens/{name}.py", near, far)


SCOPES = (
    Scope("guard", "proxy/gateway/guard.py", ("tests/unit/test_guard.py", "tests/integration/test_named_clients.py")),
    Scope("guard", "proxy/hosts.py", ("tests/unit/test_guard.py", "tests/unit/test_admin_guard.py")),
    Scope("guard", "proxy/admin/guard.py", ("tests/unit/test_admin_guard.py", "tests/integration/test_admin_server.py")),
    Scope("guard", "proxy/admin/authority.py", ("tests/unit/test_admin_guard.py", "tests/integration/test_admin_server.py")),
    Scope("target", "proxy/target.py", ("tests/unit/test_target.py",)),
    Scope("target", "proxy/gateway/target.py", ("tests/unit/test_target.py",)),
    Scope("headers", "proxy/gateway/headers.py", ("tests/unit/test_headers.py", "tests/unit/test_guard.py")),
    Scope(
        "secret", "proxy/secret.py",
        ("tests/unit/test_secret.py", "tests/abuse/test_swaps.py", "tests/unit/test_config_load.py"),
    ),
    _tokens("answer_document", *_LOGIN, far=_FACTS),
    _tokens("backoff", "tests/unit/test_token_backoff.py", *_CREDENTIAL, far=_LIFE_MODEL),
    _tokens("cache", "tests/unit/test_token_cache.py", *_CREDENTIAL, *_FILE, far=("tests/integration/test_reload.py",)),
    _tokens("credential", *_CREDENTIAL, *_FILE, far=_LIFE_MODEL),
    _tokens("credential_key", *_LOGIN, far=_FACTS),
    _tokens("failure", *_CREDENTIAL, *_LOGIN, far=_FACTS),
    _tokens("grant", *_LOGIN, far=_FACTS),
    _tokens("holders", *_CREDENTIAL, far=("tests/integration/test_facts_one45.py",)),
    _tokens("life", "tests/unit/test_token_life.py", *_CREDENTIAL, far=_LIFE_MODEL),
    _tokens("lifetime", *_LOGIN, far=_FACTS),
    _tokens("login", *_LOGIN, far=_FACTS),
    _tokens("login_request", *reversed(_LOGIN[:2]), _LOGIN[2], far=_FACTS),
    _tokens("renewal", *_CREDENTIAL, *_FILE, far=_LIFE_MODEL),
    _tokens("sharing", *_FILE, *_CREDENTIAL, far=_LIFE_MODEL),
    _tokens("standing", "tests/unit/test_token_standing.py", *_CREDENTIAL, far=_LIFE_MODEL),
    _tokens("token", "tests/unit/test_secret.py", *_CREDENTIAL),
    _tokens("stores/address", "tests/unit/test_store_file.py", "tests/unit/test_config_load.py", _REDIS),
    _tokens("stores/circuit", _REDIS),
    _tokens("stores/disk", *_FILE),
    _tokens("stores/durable", *_FILE, far=("tests/integration/test_store_file_process.py",)),
    _tokens("stores/entry", *_FILE, _REDIS),
    _tokens("stores/file_form", *_FILE),
    _tokens("stores/file_store", *_FILE, far=("tests/integration/test_store_file_process.py",)),
    _tokens("stores/health", *_FILE, _REDIS),
    _tokens("stores/opening", *_FILE, _REDIS),
    _tokens("stores/redis_calls", _REDIS),
    _tokens("stores/redis_scripts", _REDIS),
    _tokens("stores/redis_store", _REDIS, far=("tests/integration/test_store_replicas.py",)),
    _tokens("stores/sealing", "tests/unit/test_store_sealing.py", *_FILE, _REDIS),
    _tokens("stores/store", *_FILE, _REDIS),
)  # fmt: skip
