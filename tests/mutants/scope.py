"""What is broken, and which tests shall notice: the fast ones first, those that start processes last."""

from __future__ import annotations

from dataclasses import dataclass

_GATEWAY = ("tests/unit/test_explain_compare.py", "tests/integration/test_gateway.py")
_LIFE = (
    "tests/unit/test_token_backoff.py", "tests/unit/test_token_life.py", "tests/unit/test_token_standing.py",
    "tests/unit/test_token_cache.py", "tests/unit/test_token_credential.py", "tests/unit/test_metrics.py",
    "tests/property/test_token_life.py",
)  # fmt: skip
_LOGIN = (
    "tests/unit/test_login_answer.py", "tests/unit/test_scheme_token_exchange.py", "tests/unit/test_scheme_oauth2.py",
    "tests/unit/test_presets.py", "tests/integration/test_faults_network.py", "tests/integration/test_facts_tokens.py",
    "tests/integration/test_clock_skew.py",
)  # fmt: skip
_FILE = ("tests/unit/test_store_file.py", "tests/unit/test_store_sealing.py", "tests/property/test_token_sharing.py")
_REDIS = ("tests/integration/test_store_redis.py",)


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
    Scope("target", "proxy/target.py", ("tests/unit/test_target.py", *_GATEWAY)),
    Scope("target", "proxy/gateway/target.py", ("tests/unit/test_target.py", *_GATEWAY)),
    Scope(
        "headers", "proxy/gateway/headers.py",
        ("tests/unit/test_guard.py", "tests/unit/test_headers.py", "tests/integration/test_cli.py", *_GATEWAY),
    ),
    Scope(
        "secret", "proxy/secret.py",
        ("tests/unit/test_secret.py", "tests/unit/test_config_secrets.py", "tests/unit/test_config_json_schema.py"),
    ),
    _tokens("answer_document", *_LOGIN),
    _tokens("backoff", *_LIFE),
    _tokens("cache", *_LIFE, *_FILE, "tests/integration/test_reload.py"),
    _tokens("credential", *_LIFE, *_FILE),
    _tokens("credential_key", *_LOGIN),
    _tokens("failure", *_LIFE, *_LOGIN),
    _tokens("grant", *_LOGIN),
    _tokens("holders", *_LIFE, "tests/integration/test_facts_tokens.py", "tests/integration/test_facts_one45.py"),
    _tokens("life", *_LIFE),
    _tokens("lifetime", *_LOGIN),
    _tokens("login", *_LOGIN),
    _tokens("login_request", *_LOGIN),
    _tokens("renewal", *_LIFE, *_FILE),
    _tokens("sharing", *_LIFE, *_FILE),
    _tokens("standing", *_LIFE),
    _tokens("token", *_LIFE, "tests/unit/test_secret.py"),
    _tokens("stores/address", "tests/unit/test_store_file.py", "tests/integration/test_store_redis.py"),
    _tokens("stores/circuit", *_REDIS, "tests/property/test_token_sharing.py"),
    _tokens("stores/disk", *_FILE),
    _tokens("stores/durable", *_FILE, far=("tests/integration/test_store_file_process.py",)),
    _tokens("stores/entry", *_FILE, *_REDIS),
    _tokens("stores/file_form", *_FILE),
    _tokens("stores/file_store", *_FILE, far=("tests/integration/test_store_file_process.py",)),
    _tokens("stores/health", *_FILE, *_REDIS),
    _tokens("stores/opening", *_FILE, *_REDIS),
    _tokens("stores/redis_calls", *_REDIS),
    _tokens("stores/redis_scripts", *_REDIS),
    _tokens("stores/redis_store", *_REDIS, far=("tests/integration/test_store_replicas.py",)),
    _tokens("stores/sealing", "tests/unit/test_store_sealing.py", *_FILE, *_REDIS),
    _tokens("stores/store", *_FILE, *_REDIS),
)  # fmt: skip
