"""From a file to settings: defaults, overrides, warnings, and what several keys say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import trustme

from proxy.config import ConfigError, Settings, load
from proxy.schemes.static import Static
from proxy.secret import Secret
from proxy.stamps import stamp

ENVIRON = {"KEY": "secret-key", "HOST": "api.example.com", "TEAM": "payments{{x}}"}
STATIC = "auth: {scheme: static, headers: {X-Key: {env: KEY}}}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "authproxy.yaml"


def loaded(path: Path, text: str, environ: Mapping[str, str] = ENVIRON, **overrides: str) -> Settings:
    path.write_text(text)
    return load(path, environ, overrides)


def errors(path: Path, text: str, environ: Mapping[str, str] = ENVIRON, **overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(path, text, environ, **overrides)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def one(keys: str = "", route: str = "a", server: str = "{}") -> str:
    return (
        f"server: {server}\nproviders:\n  a: {{base_url: https://a.test, {STATIC}, {keys}}}\nroutes:\n  /a: {route}\n"
    )


def test_defaults_are_those_of_the_documentation(path: Path) -> None:
    """Listeners on loopback, a minute for answers, bodies of any size, all methods."""
    settings = loaded(path, one())
    assert (settings.server.listen, settings.server.admin) == ("127.0.0.1:8080", "127.0.0.1:9180")
    assert settings.tokens.store == "memory"
    assert settings.source == path
    (route,) = settings.routes
    assert (route.prefix, route.provider, route.methods) == ("/a", "a", None)
    assert (route.timeout, route.max_body) == (60, None)
    provider = settings.providers["a"]
    assert (provider.connect_timeout, provider.policy.lifetime, provider.policy.single_live) == (10, None, False)
    assert settings.warnings == ()


def test_settings_cannot_be_changed(path: Path) -> None:
    """What was checked is what is used."""
    settings = loaded(path, one())
    with pytest.raises(FrozenInstanceError):
        settings.routes[0].provider = "b"  # type: ignore[misc]


def test_everything_of_a_route_arrives(path: Path) -> None:
    """Typed, and names in canonical form."""
    route = loaded(path, one(route="""
    provider: a
    methods: [GET, POST]
    headers: {X-Team: "${TEAM}"}
    query: {a_b: "1"}
    deny_headers: [X_Debug]
    deny_query: [masqueradeAs]
    timeout: 1.5m
    max_body: 1KiB
    allowed_origins: ["http://LOCALHOST:3000"]""")).routes[0]  # fmt: skip
    assert route.methods == {"GET", "POST"}
    assert route.headers["X-Team"].render({}) == "payments{{x}}"
    assert route.query["a_b"].render({}) == "1"
    assert (route.deny_headers, route.deny_query) == ({"x-debug"}, {"masqueradeas"})
    assert (route.timeout, route.max_body, route.allowed_origins) == (90, 1024, {"http://localhost:3000"})


def test_routes_keep_the_order_of_the_file(path: Path) -> None:
    """Whoever lists them sees what was written."""
    text = one().replace("/a: a", "/z: a\n  /a/b: a\n  /: a")
    assert [route.prefix for route in loaded(path, text).routes] == ["/z", "/a/b", "/"]


def test_a_plain_text_may_hold_variables(path: Path) -> None:
    """Anywhere: a base URL, a name, a duration."""
    text = one("connect_timeout: '${T}'").replace("https://a.test", "'https://${HOST}/v1'")
    provider = loaded(path, text, {**ENVIRON, "T": "3s"}).providers["a"]
    assert (provider.base_url, provider.connect_timeout) == ("https://api.example.com/v1", 3)


def test_token_policy_comes_from_the_provider(path: Path) -> None:
    """Lifetime, margin, and whether one token is all there is."""
    policy = (
        loaded(path, one("token_lifetime: none, refresh_margin: 30s, single_live_token: true")).providers["a"].policy
    )
    assert (policy.lifetime, policy.refresh_margin, policy.single_live) == (float("inf"), 30, True)


def test_flags_beat_variables_beat_the_file(path: Path) -> None:
    """For both listeners; an empty variable is none."""
    text = one(server="{listen: '127.0.0.1:1', admin: '127.0.0.1:2'}")
    environ = {**ENVIRON, "AUTHPROXY_LISTEN": "127.0.0.1:3", "AUTHPROXY_ADMIN": ""}
    server = loaded(path, text, environ).server
    assert (server.listen, server.admin) == ("127.0.0.1:3", "127.0.0.1:2")
    server = loaded(path, text, environ, listen="127.0.0.1:5", admin="off").server
    assert (server.listen, server.admin) == ("127.0.0.1:5", None)


def test_a_wrong_override_is_told_with_its_origin(path: Path) -> None:
    """It stands in no line of the file."""
    (found,) = errors(path, one(), {**ENVIRON, "AUTHPROXY_ADMIN": "nowhere"})
    assert found.startswith("1:1: server.admin: expected an address")
    assert found.endswith("(set by AUTHPROXY_ADMIN)")
    (found,) = errors(path, one(), listen="0.0.0.0:80")
    assert found.startswith("1:1: server.listen: other machines")
    assert found.endswith("(set by --listen)")


def test_listening_for_others_takes_a_token(path: Path) -> None:
    """With one it is allowed; an admin listener for others gives a warning."""
    server = "{listen: '0.0.0.0:80', admin: '[::]:81', token: {env: KEY}}"
    settings = loaded(path, one(server=server))
    assert settings.server.token == Secret("secret-key")
    (warning,) = settings.warnings
    assert (warning.path, warning.message) == ("server.admin", "other machines can read metrics and status")


def test_two_free_ports_are_two_ports(path: Path) -> None:
    """Port 0 twice is no collision."""
    assert loaded(path, one(server="{listen: '127.0.0.1:0', admin: '127.0.0.1:0'}")).server.admin == "127.0.0.1:0"


def test_http_only_to_this_machine_unless_allowed(path: Path) -> None:
    """`allow_http` for others, unless the provider is HTTPS-only."""
    local = one().replace("https://a.test", "http://localhost:1")
    assert loaded(path, local).providers["a"].base_url == "http://localhost:1"
    plain = one("allow_http: true").replace("https://a.test", "http://a.test")
    assert loaded(path, plain).providers["a"].allow_http
    assert "in the clear" in errors(path, plain.replace("true", "false"))[0]
    (found,) = errors(path, plain.replace("allow_http", "https_only"))
    assert found.endswith("use https://")
    assert "HTTPS-only" in errors(path, plain.replace("allow_http: true", "allow_http: true, https_only: true"))[0]


def test_a_provider_without_route_is_a_warning(path: Path) -> None:
    """It may be on its way in or out."""
    text = one().replace("routes:", f"  b: {{base_url: https://b.test, {STATIC}}}\nroutes:")
    (warning,) = loaded(path, text).warnings
    assert str(warning) == f"{path}:4:3: providers.b: no route leads to this provider"


def test_a_file_secret_lies_beside_the_configuration(path: Path) -> None:
    """Relative paths start at the configuration's folder; a warning stands at the key's line."""
    (path.parent / "key").write_text("from-file\n")
    (path.parent / "key").chmod(0o644)
    settings = loaded(path, one().replace("{env: KEY}", "{file: key}"))
    scheme = settings.providers["a"].scheme
    assert isinstance(scheme, Static)
    assert scheme.headers["X-Key"].render({}) == "from-file"
    assert [(warning.line, "key" in warning.message) for warning in settings.warnings] == [(3, True)]


def test_tls_files_are_tried(path: Path) -> None:
    """A CA file must hold certificates, a client certificate must fit to its key."""
    authority = trustme.CA()
    certificate = authority.issue_cert("client.test")
    authority.cert_pem.write_to_path(path.parent / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(path.parent / "client.pem")
    certificate.private_key_pem.write_to_path(path.parent / "key.pem")
    (path.parent / "empty.pem").write_text("")
    good = "ca_file: ca.pem, client_cert: client.pem, client_key_file: key.pem"
    provider = loaded(path, one(good)).providers["a"]
    assert provider.ca_file == path.parent / "ca.pem"
    assert (provider.client_cert, provider.client_key_file) == (path.parent / "client.pem", path.parent / "key.pem")
    for keys, words in (
        ("ca_file: empty.pem", "holds no certificates"),
        ("client_cert: client.pem", "cannot be used"),
        ("client_cert: client.pem, client_key_file: empty.pem", "cannot be used"),
        ("client_key_file: key.pem", "without `client_cert`"),
        ("ca_file: 5", "a file's path"),
    ):
        (found,) = errors(path, one(keys))
        assert words in found


def test_a_key_at_the_wrong_level_is_shown_its_place(path: Path) -> None:
    """Keys of schemes belong under `auth`."""
    (found,) = errors(path, one("token_url: https://id.test"))
    assert found == "3:87: providers.a.token_url: unknown key; did you mean `auth.token_url`?"


def test_an_unknown_key_that_is_like_no_other_is_shown_those_there_are(path: Path) -> None:
    """Where they fit into a line; among the many of a provider, only a near one helps."""
    auth = "{scheme: token_exchange, login: {path: /l}, response: {bearer: t}, headers: {A: '{{token}}'}}"
    (found,) = errors(path, one().replace(STATIC, f"auth: {auth}"))
    there_are = "`lifetime`, `refresh_token`, `success` or `token`"
    assert found.endswith(f"response.bearer: unknown key; here belong {there_are}")
    (found,) = errors(path, one("bearer: t"))
    assert found.endswith("providers.a.bearer: unknown key")
    (found,) = errors(path, one(server="{nonsense: 1}"))
    assert found.endswith("server.nonsense: unknown key")


def test_a_list_where_a_text_belongs_is_told_from_a_number(path: Path) -> None:
    oauth = (
        "auth: {scheme: oauth2_client_credentials, token_url: 'https://a.test', client_id: a, client_secret: {env: KEY}"
    )
    (found,) = errors(path, one().replace(STATIC, oauth + ", scope: [a, b]}"))
    assert found.endswith(".scope: expected a text, not a list")
    (found,) = errors(path, one().replace(STATIC, oauth + ", scope: 5}"))
    assert found.endswith(".scope: expected a text; put quotes around it")


def test_a_route_may_not_set_what_the_credential_sets(path: Path) -> None:
    """In any spelling; it would be dropped without a word."""
    found = errors(path, one(route="{provider: a, headers: {x_key: '1', X-Other: '2'}}"))
    assert [line.partition(" ")[2].partition(":")[0] for line in found] == ["routes./a.headers.x_key"]


def test_the_same_header_in_two_spellings_is_refused(path: Path) -> None:
    """On a route as in a scheme."""
    (found,) = errors(path, one(route="{provider: a, headers: {X-A: '1', x_a: '2'}}"))
    assert "routes./a.headers.x_a: given twice" in found


def test_a_mapping_for_a_list_and_a_list_for_a_mapping(path: Path) -> None:
    """Each says what is expected."""
    text = one("drop_headers: {a: b}", route="[a]", server="[a]")
    words = [line.split(": ", 2)[2] for line in errors(path, text)]
    assert words == [
        "expected a mapping of keys to values, not a list",
        "expected a list",
        "expected a provider's name, or a mapping with `provider`",
    ]


def test_empty_values_are_told_as_empty(path: Path) -> None:
    """A key without a value is most often forgotten."""
    text = one("connect_timeout: , drop_query: , https_only: ").replace("/a: a", "/a:")
    words = [line.split(": ", 2)[2] for line in errors(path, text)]
    assert words == [
        "expected a duration such as 30s, 15m or 4h",
        "is empty; expected a list",
        "is empty; expected true or false",
        "expected a provider's name, or a mapping with `provider`",
    ]


def test_an_error_shows_each_problem_on_a_line_of_its_own(path: Path) -> None:
    """`str()` of the error is what a terminal shows."""
    path.write_text("x: 1\ny: 2\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 4


CLIENTS = "clients: {billing: {token: {value: long-token-of-billing}, routes: [/a]}}"


def test_clients_have_a_token_and_their_routes(path: Path) -> None:
    server = loaded(path, one(server=f"{{listen: 0.0.0.0:8080, admin: off, {CLIENTS}}}")).server
    assert server.clients["billing"].routes == ("/a",)
    assert server.clients["billing"].token == Secret("long-token-of-billing")
    assert server.token is None


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("{allowed_hosts: [api.local:8080]}", ["browsers do not mark"]),
        ("{allowed_hosts: ['localhost:9000', '127.0.0.1:9000', '[::1]:9000']}", []),
        ("{allowed_hosts: [api.local:8080], token: {env: KEY}}", []),
        (f"{{allowed_hosts: [api.local:8080], {CLIENTS}}}", []),
        ("{socket: {mode: 0660}}", ["no listener is a socket file"]),
        ("{listen: unix:/tmp/a.sock, socket: {mode: 0660, group: 0}}", []),
        (f"{{listen: unix:/tmp/a.sock, socket: {{mode: 0666}}, {CLIENTS}}}", []),
    ],
)
def test_what_weakens_the_guard_is_warned_of(path: Path, server: str, words: list[str]) -> None:
    """A page can reach a plain-http host by its name, and browsers put no Sec-Fetch headers on that."""
    warnings = [str(warning) for warning in loaded(path, one(server=server)).warnings]
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_a_socket_file_has_users_by_name_or_number(path: Path) -> None:
    listen = "listen: unix:/tmp/a.sock"
    server = loaded(
        path, one(server=f"{{{listen}, socket: {{mode: 0620, owner: root, group: 7, allowed_uids: [root, 8]}}}}")
    ).server
    assert (server.socket_file.mode, server.socket_file.owner, server.socket_file.group) == (0o620, 0, 7)
    assert server.socket_file.allowed_uids == {0, 8}
    assert loaded(path, one(server=f"{{{listen}}}")).server.socket_file.mode == 0o600


def test_the_files_that_were_read_are_known_and_as_they_were_before(path: Path, tmp_path: Path) -> None:
    """For whoever watches them; with the stamps from before, so that a change during the reading shows."""
    for name in ("secret", "ca.pem"):
        (tmp_path / name).write_text("x")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    keys = "ca_file: ca.pem, drop_headers: []"
    text = one(keys).replace("{env: KEY}", "{file: secret}")
    settings = loaded(path, text)
    names = {path, tmp_path / "secret", tmp_path / "ca.pem"}
    assert settings.files == {name: stamp(name) for name in names}


def test_mistakes_leave_known_which_files_were_looked_for(path: Path, tmp_path: Path) -> None:
    """One that is missing may come."""
    with pytest.raises(ConfigError) as caught:
        loaded(path, one().replace("{env: KEY}", "{file: later/secret}"))
    assert caught.value.files == {path: stamp(path), tmp_path / "later/secret": None}


def test_a_running_proxy_refuses_to_be_moved(path: Path) -> None:
    """At the place of each key, beside all other mistakes; what stays as it was may be written in another way."""
    running = loaded(path, one(server='{listen: "127.0.0.1:8080"}'))
    path.write_text(one())
    assert load(path, ENVIRON, running=running).server == running.server
    path.write_text(one(server='{listen: "127.0.0.1:1", admin: off, socket: {mode: "0660"}}', route="b"))
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON, running=running)
    problems = [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]
    assert problems == [
        "1:18: server.listen: has changed, which takes a restart",
        "1:40: server.admin: has changed, which takes a restart",
        "1:53: server.socket: has changed, which takes a restart",
        "5:7: routes./a: no provider has this name",
    ]


def test_how_the_proxy_ends_and_watches_by_default(path: Path) -> None:
    server = loaded(path, one()).server
    assert (server.watch, server.drain_delay, server.drain_timeout, server.admin_token) == (True, None, 25.0, None)


@pytest.mark.parametrize(
    ("changed", "place"),
    [("{store: memory}", "tokens.store"), ("{store: 'redis://other', key: {env: K}}", "tokens.store"),
     ("{store: 'redis://h', key: {env: OTHER}}", "tokens.key")],
)  # fmt: skip
def test_a_running_proxy_cannot_change_its_token_store(changed: str, place: str, tmp_path: Path) -> None:
    """It would go on with the old one, while the configuration says something else."""
    text = "tokens: {}\nproviders: {{a: {{base_url: https://a.test, auth: {{scheme: static, query: {{k: {{env: K}}}}}}}}}}\nroutes: {{/a: a}}\n"
    path, environ = tmp_path / "c.yaml", {"K": "some long key of a store", "OTHER": "another long key of a store"}
    path.write_text(text.format("{store: 'redis://h', key: {env: K}}"))
    running = load(path, environ)
    assert load(path, environ, running=running).tokens == running.tokens
    path.write_text(text.format(changed))
    with pytest.raises(ConfigError) as wrong:
        load(path, environ, running=running)
    assert [(one.path, one.message) for one in wrong.value.problems] == [(place, "has changed, which takes a restart")]
