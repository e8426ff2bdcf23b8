"""The typed settings: what the rest of the proxy reads, and at the same time the keys of the configuration.

A field's name is its key; what a field accepts is in its type, so that the JSON Schema says the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from proxy.config import addresses, names, urls, users
from proxy.config.problems import Problem
from proxy.duration import Lifetime, Seconds
from proxy.listening import SocketFile
from proxy.schemes.base import AuthScheme
from proxy.secret import Secret
from proxy.stamps import Stamps
from proxy.template import Template
from proxy.tokens.stores.address import StoreAddress, checked_address, store_address
from proxy.tokens.stores.keyring_key import InKeyring, StoreKey
from proxy.tokens.token import TokenPolicy


def _existing_file(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str):
        raise ValueError("expected a file's path")  # noqa: TRY004 - pydantic takes only a ValueError
    assert info.context is not None
    path: Path = info.context.folder / value
    info.context.report.reads(path)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"this file cannot be read: {error.strerror}") from None


ListenAddress = Annotated[str, AfterValidator(addresses.listen_address)]
AdminAddress = Annotated[str | None, BeforeValidator(addresses.admin_address), WithJsonSchema({"type": "string"})]
AllowedHost = Annotated[str, AfterValidator(addresses.allowed_host)]
Origin = Annotated[str, AfterValidator(addresses.origin)]
SocketPath = Annotated[str, AfterValidator(addresses.socket_path)]
TokenStoreText = Annotated[str, AfterValidator(checked_address)]
BaseUrl = Annotated[str, AfterValidator(urls.base_url)]
ExistingFile = Annotated[Path, BeforeValidator(_existing_file)]
HeaderName = Annotated[str, AfterValidator(names.header_name)]
HeaderPattern = Annotated[str, AfterValidator(names.header_pattern)]
ComparedHeader = Annotated[str, AfterValidator(names.compared_header)]
ParameterName = Annotated[str, AfterValidator(names.parameter_name)]
ComparedParameter = Annotated[str, AfterValidator(names.compared_parameter)]
Method = Annotated[str, AfterValidator(names.method), WithJsonSchema({"enum": list(names.METHODS)})]
Prefix = Annotated[str, AfterValidator(names.route_prefix)]
ClientName = Annotated[str, AfterValidator(names.client_name)]
Mode = Annotated[int, BeforeValidator(users.mode), WithJsonSchema({"type": "string", "pattern": "^0[0-7]{3}$"})]
_NAME_OR_NUMBER = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}
User = Annotated[int, BeforeValidator(users.user), WithJsonSchema(_NAME_OR_NUMBER)]
Group = Annotated[int, BeforeValidator(users.group), WithJsonSchema(_NAME_OR_NUMBER)]
Size = Annotated[
    int,
    BeforeValidator(names.size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+\s*([kKMG]i?)?B?$"}]}
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSettings:
    """How a socket file is made, and whose processes may connect; users and groups by name or number."""

    mode: Mode = 0o600
    owner: User | None = None
    group: Group | None = None
    allowed_uids: frozenset[User] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """A caller with a token of its own, and the prefixes of the routes that it may use."""

    token: Secret
    routes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the proxy listens, to whom it answers, and how it ends: both `drain_` keys are in seconds."""

    listen: ListenAddress = "127.0.0.1:8080"
    admin: AdminAddress = "127.0.0.1:9180"
    socket: SocketSettings = SocketSettings()
    token: Secret | None = None
    clients: dict[ClientName, ClientSettings] = field(default_factory=dict)
    admin_token: Secret | None = None
    allowed_hosts: tuple[AllowedHost, ...] = ()
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    watch: bool = True
    drain_delay: Seconds | None = None
    drain_timeout: Seconds = 25.0

    @property
    def wants_tokens(self) -> bool:
        """Whether a caller has to show one."""
        return self.token is not None or bool(self.clients)

    @property
    def socket_file(self) -> SocketFile:
        return SocketFile(self.socket.mode, self.socket.owner, self.socket.group, self.socket.allowed_uids)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStoreSettings:
    """Where tokens are kept, and the key that encrypts them there. `password` and `ca_file` are for Redis."""

    store: TokenStoreText = "memory"
    key: Annotated[Secret | InKeyring | None, StoreKey] = None
    password: Secret | None = None
    ca_file: ExistingFile | None = None

    @property
    def address(self) -> StoreAddress:
        return store_address(self.store)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """The keys of a provider beside `preset`, `auth` and the preset's parameters."""

    base_url: BaseUrl
    unix_socket: SocketPath | None = None
    allow_http: bool = False
    https_only: bool = False
    ca_file: ExistingFile | None = None
    client_cert: ExistingFile | None = None
    client_key_file: ExistingFile | None = None
    drop_headers: tuple[HeaderPattern, ...] = ()
    drop_query: tuple[ComparedParameter, ...] = ()
    connect_timeout: Seconds = 10.0
    max_connections: Annotated[int, Field(gt=0)] = 256
    max_waiting: Annotated[int, Field(ge=0)] = 1024
    token_lifetime: Lifetime | None = None
    refresh_margin: Seconds | None = None
    single_live_token: bool = False
    graphql_subscriptions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """`drop_headers` and `drop_query` are canonical names that callers' requests lose; a header may end in `*`.

    `connect_timeout` is in seconds. With a `unix_socket` connections go to that file instead of the URL's host.
    """

    name: str
    preset: str | None
    base_url: str
    scheme: AuthScheme
    policy: TokenPolicy
    unix_socket: str | None = None
    allow_http: bool = False
    https_only: bool = False
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key_file: Path | None = None
    drop_headers: tuple[str, ...] = ()
    drop_query: tuple[str, ...] = ()
    connect_timeout: float = 10.0
    max_connections: int = 256
    max_waiting: int = 1024
    graphql_subscriptions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """What callers may do under one path prefix. Names to deny are compared without case, `_` like `-`.

    `timeout` is in seconds and `max_body` in bytes; without a `max_body` only bodies that must be held are limited.
    """

    prefix: Prefix
    provider: str
    methods: frozenset[Method] | None = None
    headers: dict[HeaderName, Template] = field(default_factory=dict)
    query: dict[ParameterName, Template] = field(default_factory=dict)
    deny_headers: frozenset[ComparedHeader] = frozenset()
    deny_query: frozenset[ComparedParameter] = frozenset()
    timeout: Seconds = 60.0
    websocket_idle_timeout: Seconds | None = None
    max_body: Size | None = None
    encoded_slashes: bool = False
    traceparent: Literal["pass", "make", "drop"] = "pass"
    allowed_origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration without a mistake. `routes` are in the order of the file.

    `files` are all that were read for it, as they were just before.
    """

    source: Path
    server: ServerSettings
    tokens: TokenStoreSettings
    providers: dict[str, ProviderSettings]
    routes: tuple[RouteSettings, ...]
    warnings: tuple[Problem, ...] = ()
    files: Stamps = field(default_factory=dict)
