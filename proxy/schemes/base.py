"""What every way to authenticate has in common.

A scheme is told of one request and answers with an Injection: what to add. It changes nothing and sends
nothing to the vendor's API itself. The gateway drops every header and query parameter of the injected names
from the caller's request, in any spelling, and adds the scheme's own. So a caller cannot override a
credential, a replay starts from the original, and a new scheme cannot forget to strip.

The dataclass fields of a scheme are its configuration keys, under `auth:`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from pydantic import ConfigDict

from proxy.schemes.fields import Pairs, header_lines, read_lines, require_clean
from proxy.schemes.requirements import require_field_names, require_known_places
from proxy.secret import MASK
from proxy.target import canonical, decoded, encoded
from proxy.template import Template, Value, variable_scope

if TYPE_CHECKING:
    from proxy.tokens.cache import TokenCache
    from proxy.tokens.credential import Credential
    from proxy.tokens.login import LoginClient
    from proxy.tokens.token import TokenPolicy
    from proxy.vendor_clock import VendorClock

CredentialUse = Literal["none", "static", "signed", "cached", "fetched"]


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """The request as it would go out without a credential.

    `target` is path and query on `origin` ("https://api.example.com"), as raw text, without the parameters
    that the scheme injects. `body` is None while it is being streamed and was not held; b"" where there is none.
    """

    method: str
    origin: str
    target: str = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first field value of this name, or None."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)

    def with_body(self, body: bytes | None) -> OutboundRequest:
        made: OutboundRequest = _new(OutboundRequest)
        _set_method(made, self.method)
        _set_origin(made, self.origin)
        _set_target(made, self.target)
        _set_headers(made, self.headers)
        _set_body(made, body)
        return made


_new = object.__new__
# By its slots, a frozen object is filled in half the time that `object.__setattr__` takes.
_set_method, _set_origin, _set_target, _set_headers, _set_body = (
    getattr(OutboundRequest, name).__set__ for name in ("method", "origin", "target", "headers", "body")
)


@dataclass(frozen=True, init=False, repr=False)
class Injection:
    """What to add to one request, kept as it is written. `generation` numbers the token in it; `use` is for the log.

    `clock_version` is the vendor's clock's when it was made, None where no time is in it. A scheme that adds the same
    to many requests may return the same Injection for them. `lines` are the headers with their line ends, `added` the
    query parameters, percent-encoded. Raises BadHeader for a value that would end its line.
    """

    # By hand: with `slots=True` Python 3.11 cannot say that a property is frozen too.
    __slots__ = ("added", "clock_version", "generation", "lines", "use")

    lines: bytes
    added: str
    generation: int | None
    use: CredentialUse
    clock_version: int | None

    def __init__(
        self,
        headers: Pairs = (),
        query: Pairs = (),
        generation: int | None = None,
        use: CredentialUse = "none",
        clock_version: int | None = None,
    ) -> None:
        _set_lines(self, header_lines(headers))
        _set_added(self, encoded(query))
        _set_generation(self, generation)
        _set_use(self, use)
        _set_clock_version(self, clock_version)

    @classmethod
    def written(
        cls, lines: bytes, added: str, generation: int | None, use: CredentialUse, clock_version: int | None
    ) -> Injection:
        """The injection of what has been written already, by a scheme that answers for every line of it."""
        made: Injection = _new(cls)
        _set_lines(made, lines)
        _set_added(made, added)
        _set_generation(made, generation)
        _set_use(made, use)
        _set_clock_version(made, clock_version)
        return made

    def __repr__(self) -> str:
        return f"Injection(generation={self.generation}, use={self.use!r}, clock_version={self.clock_version})"

    @property
    def headers(self) -> Pairs:
        return read_lines(self.lines)

    @property
    def query(self) -> Pairs:
        return decoded(self.added)


_set_lines, _set_added, _set_generation, _set_use, _set_clock_version = (
    getattr(Injection, name).__set__ for name in ("lines", "added", "generation", "use", "clock_version")
)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The vendor's answer, as far as a scheme may judge it.

    `body` is the decoded body of a small JSON answer if the scheme has `inspects_answer`, otherwise None.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What a scheme may use of the provider that it authenticates for. `clock` tells the vendor's time."""

    name: str
    base_url: str
    clock: VendorClock
    tokens: TokenCache
    policy: TokenPolicy
    login_client: LoginClient


@dataclass(kw_only=True, eq=False)
class AuthScheme(ABC):
    """One way to authenticate. Override `authorize`; the rest has defaults that suit a static credential.

    `headers` and `query` are templates over `variables` and whatever names the scheme documents.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    # True: the body is held, bounded by max_body, and given to authorize().
    needs_body: ClassVar[bool] = False
    # Of which statuses `rejected` wants to be told; None for all of them.
    judged_statuses: ClassVar[frozenset[int] | None] = None
    # Names that `headers` and `query` may use beside the variables.
    places: ClassVar[frozenset[str]] = frozenset()

    variables: Mapping[str, Template] = field(default_factory=dict)
    headers: Mapping[str, Template] = field(default_factory=dict)
    query: Mapping[str, Template] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find every mistake that the keys alone can show. Raises ValueError; its text never holds a value."""
        self._check_variables()
        self._scope: Mapping[str, Value] = variable_scope(self.variables)
        known = self.places | self.variables.keys()
        for where, templates in (("headers", self.headers), ("query", self.query)):
            for name, template in templates.items():
                require_known_places(f"{where}.{name}", template.names, known)
        require_field_names("headers", self.headers)

    def _check_variables(self) -> None:
        for name, template in self.variables.items():
            if template.names:
                raise ValueError(f"variables.{name}: a variable cannot have places to fill in")
            if name in self.places:
                raise ValueError(f"variables.{name}: this name already stands for something else here")

    def bind(self, provider: ProviderContext) -> None:
        """Take what this scheme needs of its provider. Called once, before the first request; no I/O."""

    @abstractmethod
    async def authorize(self, request: OutboundRequest) -> Injection:
        """Say what to add to this request.

        Raises CredentialUnavailable or CredentialRejected when there is nothing to add; the request is then
        not sent.
        """

    def at_hand(self, request: OutboundRequest) -> Injection | None:
        """What `authorize` would return, where nothing has to be waited for; None where it has to be asked.

        Asked first, for every request, since that takes less.
        """
        return None

    @property
    def reads_body(self) -> bool:
        """Whether `authorize` looks at the body; where it does not need it, only small ones are given."""
        return self.needs_body

    async def preview(self, request: OutboundRequest) -> Injection:
        """What `authorize` would add, fit to be shown: secrets masked, a placeholder for a token. No I/O."""
        return Injection(masked(self.headers, self._scope), masked(self.query, self._scope))

    def outline(self) -> Injection:
        """What `authorize` adds to requests in general: secrets masked, <place> for what is another for each."""
        templates = (*self.headers.values(), *self.query.values())
        scope: dict[str, Value] = {name: f"<{name}>" for template in templates for name in template.names}
        scope.update(self._scope)
        return Injection(masked(self.headers, scope), masked(self.query, scope))

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        """Named lines that say how `authorize` comes to its injection, with secrets masked."""
        return ()

    def heard(self, headers: tuple[tuple[bytes, bytes], ...], seconds: float) -> None:
        """Called with every answer's header, and how long it took: for schemes that write the time somewhere."""

    def returned(self, injection: Injection) -> None:
        """Called once for each authorize(): the request with this injection has its answer, or will get none."""

    @property
    def inspects_answer(self) -> bool:
        """Whether `rejected` wants to see small JSON bodies, not only the status."""
        return False

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        """Whether the answer says that the injected token died and a fresh authorize() may do better.

        Called for every answer with one of `judged_statuses`; a scheme with tokens tells its credential what it saw.
        """
        return False

    @property
    def credential(self) -> Credential | None:
        """The shared token behind this scheme, for readiness and metrics; None if there is none."""
        return None

    @property
    def _may_change(self) -> bool:
        """Whether headers and query hold a secret that is read again when its file changes."""
        templates = (*self.variables.values(), *self.headers.values(), *self.query.values())
        return any(template.may_change for template in templates)

    @property
    def injected_headers(self) -> frozenset[str]:
        """Canonical names of all headers that `authorize` ever adds: callers' own are dropped."""
        return frozenset(canonical(name) for name in self.headers)

    @property
    def injected_query(self) -> frozenset[str]:
        """The same for query parameters."""
        return frozenset(canonical(name) for name in self.query)


def rendered(templates: Mapping[str, Template], scope: Mapping[str, Value]) -> tuple[tuple[str, str], ...]:
    """Names with their templates filled in, in the order of the configuration."""
    return tuple([(name, template.render(scope)) for name, template in templates.items()])


def rendered_fields(templates: Mapping[str, Template], scope: Mapping[str, Value]) -> tuple[tuple[str, str], ...]:
    """As `rendered`, for header fields. Raises CredentialRejected for a value that would end the field."""
    fields = rendered(templates, scope)
    require_clean(fields)
    return fields


def masked(templates: Mapping[str, Template], scope: Mapping[str, Value]) -> tuple[tuple[str, str], ...]:
    """As `rendered`, with *** for every secret."""
    return tuple([(name, template.masked(scope)) for name, template in templates.items()])


def unquoted_mask(target: str) -> str:
    """A target in which secrets are masked, with the mask as it is read and not as it is percent-encoded."""
    return target.replace(quote(MASK, safe=""), MASK)
