"""What every way to authenticate has in common.

A scheme is told of one request and answers with an Injection: what to add. It changes nothing and sends
nothing to the vendor's API itself. The gateway drops every header and query parameter of the injected names
from the caller's request, in any spelling, and adds the scheme's own. So a caller cannot override a
credential, a replay starts from the original, and a new scheme cannot forget to strip.

The dataclass fields of a scheme are its configuration keys, under `auth:`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
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


@dataclass(init=False, repr=False)
class Injection:
    """What to add to one request, kept as it is written. `generation` numbers the token in it; `use` is for the log.

    `clock_version` is the vendor's clock's when it was made, None where no time is in it. `awaits_verdict`: the scheme
    wants to judge whatever is answered, for of what it injected nothing is known yet. `lines` are the headers with
    their line ends, `added` the query parameters, percent-encoded. Not to be changed: a scheme that adds the same to
    many requests may return the same Injection for them, and a frozen one takes twice the time to make.

    Raises BadHeader for a value that would end its line.
    """

    __slots__ = ("added", "awaits_verdict", "clock_version", "generation", "lines", "use")

    lines: bytes
    added: bytes
    generation: int | None
    use: CredentialUse
    clock_version: int | None
    awaits_verdict: bool

    def __init__(
        self,
        headers: Pairs = (),
        query: Pairs = (),
        generation: int | None = None,
        use: CredentialUse = "none",
        clock_version: int | None = None,
        *,
        awaits_verdict: bool = False,
    ) -> None:
        self.lines = header_lines(headers)
        self.added = encoded(query).encode("ascii")
        self.generation = generation
        self.use = use
        self.clock_version = clock_version
        self.awaits_verdict = awaits_verdict

    @classmethod
    def written(
        cls, lines: bytes, added: bytes, generation: int | None, use: CredentialUse, clock_version: int | None
    ) -> Injection:
        """The injection of what has been written already, by a scheme that answers for every line of it."""
        made = _new(cls)
        made.lines = lines
        made.added = added
        made.generation = generation
        made.use = use
        made.clock_version = clock_version
        made.awaits_verdict = False
        return made

    def __repr__(self) -> str:
        return f"Injection(generation={self.generation}, use={self.use!r}, clock_version={self.clock_version})"

    @property
    def headers(self) -> Pairs:
        return read_lines(self.lines)

    @property
    def query(self) -> Pairs:
        return decoded(self.added.decode("ascii"))


_new = object.__new__

# Given a request's body (None while it is streamed), what to add to that request; None where one has to wait for it.
AtHand = Callable[[bytes | None], Injection | None]


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
    # True: the time is written into requests, or into what they carry; so the vendor's clock is watched.
    writes_time: ClassVar[bool] = False
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

    def prepare(self, request: OutboundRequest) -> AtHand:
        """Do beforehand what a request's head allows, its body aside; what is returned is kept with that head.

        It gives what `authorize` would return, without a coroutine, and is asked first, for every request.
        """
        return _nothing_at_hand

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

    def returned(self, injection: Injection) -> None:
        """Called once for each injection, if `counts_requests`: the request has its answer, or will get none."""

    @property
    def counts_requests(self) -> bool:
        """Whether this scheme has to know when the requests with its injections are over."""
        return False

    @property
    def judged_statuses(self) -> frozenset[int] | None:
        """Of which statuses `rejected` wants to be told, whatever the injection awaits; None for all of them."""
        return None

    @property
    def inspects_answer(self) -> bool:
        """Whether `rejected` wants to see small JSON bodies, not only the status."""
        return False

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        """Whether the answer says that the injected token died and a fresh authorize() may do better.

        Called for every answer with one of `judged_statuses`, and for every answer to an injection that awaits its
        verdict; a scheme with tokens tells its credential what it saw.
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


def _nothing_at_hand(body: bytes | None) -> None:
    """It has to be asked for."""


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
