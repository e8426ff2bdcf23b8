"""Wrong configurations, each with the place where the mistake is (▶) and words that the message must hold.

Data only: tests of `load` and of the command `check` share it. Secrets and suspicious values are canaries.
"""

from __future__ import annotations

from dataclasses import dataclass

CANARY = "C4n4ryV4lu3X"
ENVIRON = {"ID": f"{CANARY}-id", "KEY": f"{CANARY}-key", "BREAK": f"{CANARY}\r\nX-Evil: 1", "EMPTY": ""}

_IO = "providers:\n  io: {preset: iofinnet, client_id: {env: ID}, client_secret: {env: KEY}}\n"
_WYRE = "providers:\n  w: {preset: wyre, api_key: {env: ID}, secret_key: {env: KEY}}\n"
_TAIL = _IO + "routes: {/io: io}\n"
_MARK = "▶"


@dataclass(frozen=True)
class WrongConfig:
    name: str
    fragment: str
    marked: str

    @property
    def text(self) -> str:
        return self.marked.replace(_MARK, "")

    @property
    def line(self) -> int:
        return self.marked[: self.marked.index(_MARK)].count("\n") + 1

    @property
    def column(self) -> int:
        return len(self.marked[: self.marked.index(_MARK)].rpartition("\n")[2]) + 1


def _acme(lines: str) -> str:
    """A provider without preset; the lines stand below `providers.a`."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"providers:\n  a:\n{body}routes: {{/a: a}}\n"


def _auth(lines: str) -> str:
    """The same with a base URL; the lines stand below `auth`."""
    return _acme("base_url: https://a.test\nauth:\n" + "".join(f"  {line}\n" for line in lines.splitlines()))


def _base_url(url: str, more: str = "") -> str:
    return _acme(f"base_url: ▶{url}\n{more}auth: {{scheme: static, query: {{key: {{env: KEY}}}}}}")


def _route(text: str) -> str:
    return f"{_WYRE}routes:\n{text}\n"


WRONG_CONFIGS = [
    # --- YAML ------------------------------------------------------------------------------------------
    WrongConfig("only comments", "is empty", f"▶# {CANARY}\n"),
    WrongConfig("a list", "expected a mapping", f"▶- {CANARY}\n"),
    WrongConfig("a bare word", "expected a mapping", f"▶{CANARY}\n"),
    WrongConfig("tab indentation", "a tab cannot indent", f"server:\n▶\tlisten: {CANARY}\n{_TAIL}"),
    WrongConfig("two colons", "a `:` is not expected", f"server: token▶: {CANARY}\n{_TAIL}"),
    WrongConfig("open list", "not closed with `]`", f"server:\n  allowed_hosts: ▶[{CANARY}\n{_TAIL}"),
    WrongConfig("open mapping", "not closed with `}`", f"server: ▶{{token: {CANARY}\n{_TAIL}"),
    WrongConfig("open quote", "not closed", f"{_TAIL}server: ▶'{CANARY}\n"),
    WrongConfig("reserved character", "cannot begin a value", f"server: {{token: ▶@{CANARY}}}\n{_TAIL}"),
    WrongConfig("bad escape", "unknown escape", f'server: {{token: "▶\\q{CANARY}"}}\n{_TAIL}'),
    WrongConfig("bad indentation", "does not fit", f" server: {{}}\n▶tokens: {CANARY}\n{_TAIL}"),
    WrongConfig("control character", "control character", f"server: {{token: {CANARY}▶\x07}}\n{_TAIL}"),
    WrongConfig("alias", "aliases", f"server: {{token: ▶*{CANARY}}}\n{_TAIL}"),
    WrongConfig("anchor", "anchors", f"server: ▶&{CANARY} {{}}\n{_TAIL}"),
    WrongConfig("tag", "tags", f"server: {{listen: ▶!!python/object:{CANARY} '[::1]:1'}}\n{_TAIL}"),
    WrongConfig("merge key", "merge keys", f"server:\n  ▶<<: {{token: {CANARY}}}\n{_TAIL}"),
    WrongConfig("second document", "second document", f"{_TAIL}▶---\nserver: {CANARY}\n"),
    WrongConfig("duplicate key", "given twice; first on line 2", f"server:\n  token: {{env: ID}}\n"
                f"  ▶token: {{value: {CANARY}}}\n{_TAIL}"),
    WrongConfig("number as key", "a key must be a text", f"{_IO}routes: {{/io: io, ▶8080: {CANARY}}}\n"),
    WrongConfig("too deep", "more than 64", f"server: {'[' * 63}▶[{CANARY}\n"),
    # --- The shape of the whole ------------------------------------------------------------------------
    WrongConfig("unknown section", "did you mean `providers`", f"{_TAIL}▶provider: {CANARY}\n"),
    WrongConfig("no routes", "routes: is required", f"▶{_IO}# {CANARY}\n"),
    WrongConfig("empty routes", "at least one", f"{_IO}▶routes: {{}} # {CANARY}\n"),
    WrongConfig("no providers", "providers: is required", f"▶server: {{token: {{value: {CANARY}}}}}\nroutes: {{/io: io}}\n"),
    WrongConfig("providers as list", "expected a mapping", f"providers: ▶[{CANARY}]\nroutes: {{/io: io}}\n"),
    # --- server and tokens -----------------------------------------------------------------------------
    WrongConfig("unknown server key", "did you mean `listen`", f"server: {{▶listn: {CANARY}}}\n{_TAIL}"),
    WrongConfig("no port", "expected an address", f"server: {{listen: ▶{CANARY}}}\n{_TAIL}"),
    WrongConfig("port too large", "1 to 65535", f"server: {{listen: ▶'{CANARY}:99999'}}\n{_TAIL}"),
    WrongConfig("no host", "0.0.0.0 is every", f"server: {{listen: ▶':8080'}} # {CANARY}\n{_TAIL}"),
    WrongConfig("beyond loopback", "server.token", f"server: {{listen: ▶{CANARY}.test:80}}\n{_TAIL}"),
    WrongConfig("admin on listen", "same address", "server: {listen: 127.0.0.1:8, admin: ▶127.0.0.1:8, "
                f"token: {{value: {CANARY}}}}}\n{_TAIL}"),
    WrongConfig("admin false", "or off", f"server: {{admin: ▶false, token: {{value: {CANARY}}}}}\n{_TAIL}"),
    WrongConfig("number for a text", "put quotes around it", f"server: {{listen: ▶8080}} # {CANARY}\n{_TAIL}"),
    WrongConfig("hosts not a list", "expected a list", f"server: {{allowed_hosts: ▶{CANARY}}}\n{_TAIL}"),
    WrongConfig("host with scheme", "port must be", f"server: {{allowed_hosts: [▶http://{CANARY}]}}\n{_TAIL}"),
    WrongConfig("clients at the top", "clients belong under `server`", f"▶clients: {{b: {{token: {{value: {CANARY}}}}}}}\n{_TAIL}"),
    WrongConfig("client without routes", "server.clients.b.routes: is required", f"server: {{clients: {{▶b: {{token: {{value: {CANARY}}}}}}}}}\n{_TAIL}"),
    WrongConfig("client without token", "server.clients.b.token: is required", f"server: {{clients: {{▶b: {{routes: [/io]}}}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("client of no route", "no route has this prefix", f"server: {{clients: {{b: {{token: {{value: {CANARY}}}, routes: [▶/oi]}}}}}}\n{_TAIL}"),
    WrongConfig("client of nothing", "allows nothing", f"server: {{clients: {{b: {{token: {{value: {CANARY}}}, routes: ▶[]}}}}}}\n{_TAIL}"),
    WrongConfig("token of two clients", "the same token", f"server: {{clients: {{a: {{token: {{value: {CANARY}}}, routes: [/io]}}, b: {{token: ▶{{value: {CANARY}}}, routes: [/io]}}}}}}\n{_TAIL}"),
    WrongConfig("token of a client and all", "the same token", f"server: {{token: {{value: {CANARY}}}, clients: {{b: {{token: ▶{{value: {CANARY}}}, routes: [/io]}}}}}}\n{_TAIL}"),
    WrongConfig("client's name", "up to 64 letters", f"server: {{clients: {{▶'b c': {{token: {{value: {CANARY}}}, routes: [/io]}}}}}}\n{_TAIL}"),
    WrongConfig("mode that is a number", "four octal digits", f"server: {{socket: {{mode: ▶384}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("mode without access", "could not connect either", f"server: {{socket: {{mode: ▶0400}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("socket of everybody", "every user of this machine", f"server: {{listen: unix:/a.sock, socket: {{mode: ▶0666}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("unknown owner", "no user of this machine", f"server: {{socket: {{owner: ▶{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("unknown group", "no group of this machine", f"server: {{socket: {{group: ▶{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("negative user", "expected a name or a number", f"server: {{socket: {{allowed_uids: [▶-1]}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("store", "expected memory, file:/path", f"tokens: {{store: ▶'postgres://{CANARY}@h'}}\n{_TAIL}"),
    WrongConfig("store's password in its address", "`password`", f"tokens: {{store: ▶'redis://:{CANARY}@h', key: {{env: KEY}}}}\n{_TAIL}"),
    WrongConfig("store's database", "a database's number", f"tokens: {{store: ▶'redis://h/{CANARY}', key: {{env: KEY}}}}\n{_TAIL}"),
    WrongConfig("store's port", "a database's number", f"tokens: {{store: ▶'redis://{CANARY}:0', key: {{env: KEY}}}}\n{_TAIL}"),
    WrongConfig("store's relative path", "the absolute path of a file", f"tokens: {{store: ▶'file:{CANARY}', key: {{env: KEY}}}}\n{_TAIL}"),
    WrongConfig("store without key", "is required: it encrypts", f"tokens: {{▶store: 'redis://{CANARY}'}}\n{_TAIL}".replace("▶store", "store").replace("tokens", "▶tokens")),
    WrongConfig("store's literal key", "{env: NAME}", f"tokens: {{store: 'redis://h', key: ▶{CANARY}}}\n{_TAIL}"),
    WrongConfig("store's folder that is none", "is no folder", f"tokens: {{store: ▶'file:/dev/null/tokens', key: {{value: {CANARY}-{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("store's folder nowhere", "make one of them", f"tokens: {{store: ▶'file:/nowhere/at/all', key: {{value: {CANARY}-{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("store that is a folder", "this is a folder", f"tokens: {{store: ▶'file:/usr', key: {{value: {CANARY}-{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("store beside others' files", "other users can write", f"tokens: {{store: ▶'file:/tmp/tokens-of-authproxy', key: {{value: {CANARY}-{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("password for a file", "for Redis only", f"tokens: {{store: 'file:/root-of-authproxy/tokens', key: {{env: KEY}}, password: ▶{{value: {CANARY}}}}}\n{_TAIL}"),
    # --- Secrets ---------------------------------------------------------------------------------------
    WrongConfig("literal secret", "{env: NAME}", _IO.replace("{env: KEY}", f"▶{CANARY}") + "routes: {/io: io}\n"),
    WrongConfig("number as secret", "{env: NAME}", _IO.replace("{env: KEY}", "▶12345") + f"routes: {{/io: io}} # {CANARY}"),
    WrongConfig("empty secret", "the secret is empty", f"server: {{token: {{value: '{CANARY}'}}}}\n"
                + _IO.replace("{env: KEY}", "▶") + "routes: {/io: io}\n"),
    WrongConfig("unset variable", "IO_KEY is not set", _IO.replace("client_secret: {env: KEY}", "▶client_secret: {env: IO_KEY}")
                + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("unset shorthand", "IO_KEY is not set", _IO.replace("{env: KEY}", "▶'${IO_KEY}'") + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("secret as variable name", "this environment variable is not set",
                _IO.replace("client_secret: {env: KEY}", f"▶client_secret: {{env: {CANARY}}}") + "routes: {/io: io}\n"),
    WrongConfig("malformed variable name", "letters, digits", _IO.replace("client_secret: {env: KEY}", f"▶client_secret: {{env: a-{CANARY}}}")
                + "routes: {/io: io}\n"),
    WrongConfig("empty variable", "EMPTY is empty", _IO.replace("client_secret: {env: KEY}", "▶client_secret: {env: EMPTY}")
                + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("two sources", "one source", f"server: {{▶token: {{env: ID, value: {CANARY}}}}}\n{_TAIL}"),
    WrongConfig("unknown source", "did you mean `file`", f"server: {{▶token: {{fil: {CANARY}}}}}\n{_TAIL}"),
    WrongConfig("missing file", "cannot be read", f"server: {{▶token: {{file: /none/{CANARY}}}}}\n{_TAIL}"),
    WrongConfig("unset variable in a file's path", "IO_DIR is not set", f"server: {{token: {{file: ▶'${{IO_DIR}}/{CANARY}'}}}}\n{_TAIL}"),
    WrongConfig("unset variable in a preset's name", "IO_DIR is not set", _IO.replace("preset: iofinnet", "preset: ▶'${IO_DIR}'") + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("unset variable in a URL", "IO_DIR is not set", _acme(f"base_url: ▶https://${{IO_DIR}}/{CANARY}\nauth: {{scheme: jwt, key: {{env: KEY}}}}")),
    WrongConfig("folder as file", "not a regular file", f"server: {{▶token: {{file: .}}}} # {CANARY}\n{_TAIL}"),
    WrongConfig("failing command", "exit status 3", f"server: {{▶token: {{exec: [sh, -c, 'echo {CANARY}; echo {CANARY} >&2; exit 3']}}}}\n{_TAIL}"),
    WrongConfig("no such command", "cannot be started", f"server: {{▶token: {{exec: [/none/{CANARY}]}}}}\n{_TAIL}"),
    WrongConfig("silent command", "printed nothing", f"server: {{▶token: {{exec: ['true', {CANARY}]}}}}\n{_TAIL}"),
    WrongConfig("command as text", "a list of texts", f"server: {{▶token: {{exec: 'echo {CANARY}'}}}}\n{_TAIL}"),
    # --- Providers and presets -------------------------------------------------------------------------
    WrongConfig("unknown preset", "did you mean `iofinnet`", _IO.replace("preset: iofinnet", "preset: ▶iofinet") + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("missing parameter", "providers.io.client_secret: is required by the preset `iofinnet`",
                _IO.replace("io:", "▶io:").replace(", client_secret: {env: KEY}", "") + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("unknown parameter", "did you mean `login_path`", _IO.replace("client_id:", f"▶login_pth: {CANARY}, client_id:") + "routes: {/io: io}\n"),
    WrongConfig("yes for true", "expected true or false", "providers:\n  w: {preset: wyre-token, secret_key: {env: KEY}, register: ▶yes}\n"
                f"routes: {{/w: w}} # {CANARY}\n"),
    WrongConfig("text for an integer", "expected a whole number", "providers:\n  e: {preset: defactor, base_url: https://e.test, "
                f"refresh_token: {{env: KEY}}, domain: d.test, uri: https://d.test, chain_id: ▶'{CANARY}'}}\nroutes: {{/e: e}}\n"),
    WrongConfig("neither key nor token", "`private_key` or `refresh_token`", "providers:\n  ▶e: {preset: defactor, base_url: https://e.test, "
                f"domain: d.test, uri: 'https://{CANARY}.test'}}\nroutes: {{/e: e}}\n"),
    WrongConfig("bad lifetime", "expected a duration", "providers:\n  o: {preset: original, api_key: {env: ID}, api_secret: {env: KEY}, "
                f"lifetime: ▶{CANARY}}}\nroutes: {{/o: o}}\n"),
    WrongConfig("allow_http against the vendor's word", "HTTPS-only", _IO.replace("client_id:", "allow_http: ▶true, client_id:")
                + f"routes: {{/io: io}} # {CANARY}\n"),
    WrongConfig("no base_url for the preset", "providers.s.base_url: is required", "providers:\n  ▶s: {preset: one45, client_key: {env: ID}, "
                f"client_secret: {{value: {CANARY}}}}}\nroutes: {{/s: s}}\n"),
    WrongConfig("neither preset nor auth", "providers.a.auth: is required", f"providers:\n  ▶a: {{base_url: https://{CANARY}.test}}\nroutes: {{/a: a}}\n"),
    WrongConfig("provider's name", "a provider's name is", f"providers:\n  ▶'a b': {{preset: wyre, api_key: {{env: ID}}, secret_key: {{value: {CANARY}}}}}\nroutes: {{/a: a b}}\n"),
    WrongConfig("preset's error in a nested value", "providers.io.auth.login.path", _IO.replace("client_id:", f"auth: {{login: {{path: ▶'{CANARY}'}}}}, client_id:")
                + "routes: {/io: io}\n"),
    # --- URLs ------------------------------------------------------------------------------------------
    WrongConfig("plain http", "in the clear", _base_url(f"http://{CANARY}.test")),
    WrongConfig("userinfo", "user name or password", _base_url(f"https://u:{CANARY}@a.test")),
    WrongConfig("query in base_url", "query", _base_url(f"https://a.test/?k={CANARY}")),
    WrongConfig("fragment", "fragment", _base_url(f"'https://a.test/#{CANARY}'")),
    WrongConfig("trailing dot", "host name", _base_url(f"https://{CANARY}.test.")),
    WrongConfig("port 0", "1 to 65535", _base_url(f"https://{CANARY}.test:0")),
    WrongConfig("IPv6 zone", "IPv6", _base_url(f"'https://[fe80::1%{CANARY}]/'")),
    WrongConfig("short IPv4", "four decimal", _base_url(f"https://127.1/{CANARY}")),
    WrongConfig("dot segment", "dot segment", _base_url(f"https://a.test/%2e%2e/{CANARY}")),
    WrongConfig("encoded slash", "encoded slash", _base_url(f"https://a.test/a%2F{CANARY}")),
    WrongConfig("double slash", "empty segment", _base_url(f"https://a.test//{CANARY}")),
    WrongConfig("no scheme", "expected a URL", _base_url(f"a.test/{CANARY}")),
    WrongConfig("CA file", "cannot be read", _base_url("https://a.test", f"ca_file: /none/{CANARY}\n")
                .replace("▶", "").replace("ca_file: ", "ca_file: ▶")),
    # --- Schemes ---------------------------------------------------------------------------------------
    WrongConfig("unknown scheme", "did you mean `static`", _auth(f"scheme: ▶statik\nheaders: {{X-Key: {CANARY}}}")),
    WrongConfig("no scheme named", "providers.a.auth.scheme: is required", _auth(f"headers: {{X-Key: {CANARY}}}").replace("auth:", "▶auth:")),
    WrongConfig("unknown scheme key", "did you mean `algorithm`", _auth(f"scheme: jwt\nkey: {{env: KEY}}\n▶algoritm: {CANARY}")),
    WrongConfig("unknown algorithm", "did you mean `HS256`", _auth(f"scheme: jwt\nkey: {{value: {CANARY}}}\nalgorithm: ▶HS265")),
    WrongConfig("literal in a static header", "{env: NAME}", _auth(f"scheme: static\nheaders: {{X-Key: ▶{CANARY}}}")),
    WrongConfig("dots in a login path", "dot segment", _auth(f"scheme: token_exchange\nlogin: {{path: ▶/../{CANARY}}}")),
    WrongConfig("unknown place", "nothing is called {{tokn}}", _auth(f"scheme: jwt\nkey: {{value: {CANARY}}}\nheaders: {{X-Key: ▶'{{{{tokn}}}}'}}")),
    WrongConfig("malformed place", "must be followed by a name", _auth(f"scheme: jwt\nkey: {{env: KEY}}\nheaders: {{X-Key: ▶'{{{{ {CANARY}'}}")),
    WrongConfig("token URL by http", "https", _auth(f"scheme: oauth2_client_credentials\ntoken_url: ▶http://{CANARY}.test/t\nclient_id: i\nclient_secret: {{env: KEY}}")),
    WrongConfig("no token URL", "auth.token_url: is required", _auth(f"scheme: oauth2_client_credentials\nclient_id: i\nclient_secret: {{value: {CANARY}}}")
                .replace("auth:", "▶auth:")),
    WrongConfig("line break in a header", "line break", _auth(f"scheme: static\nheaders: {{X-Key: ▶'${{BREAK}}'}} # {CANARY}")),
    WrongConfig("text or list", "expected a text or a list", _auth("scheme: token_exchange\nlogin: {path: /l}\n"
                f"response: {{token: ▶5}} # {CANARY}")),
    WrongConfig("not an Ethereum key", "providers.e.private_key: expected an Ethereum key", "providers:\n  e: {preset: defactor, base_url: https://e.test, "
                f"▶private_key: {{value: {CANARY}}}, domain: d.test, uri: https://d.test}}\nroutes: {{/e: e}}\n"),
    # --- Routes ----------------------------------------------------------------------------------------
    WrongConfig("unknown provider", "did you mean `w`", _route(f"  /w: ▶W # {CANARY}")),
    WrongConfig("no slash", "begins with `/`", _route(f"  ▶w: w # {CANARY}")),
    WrongConfig("slash at the end", "no slash at its end", _route(f"  ▶/w/: w # {CANARY}")),
    WrongConfig("dots in a route", "dot segment", _route(f"  ▶/w/..: w # {CANARY}")),
    WrongConfig("query in a route", "query does not belong", _route(f"  ▶/w?{CANARY}: w")),
    WrongConfig("route twice", "given twice", _route(f"  /w: w\n  ▶/w: {{provider: w, query: {{a: {CANARY}}}}}")),
    WrongConfig("route without provider", "routes./w.provider: is required", _route(f"  ▶/w: {{query: {{a: {CANARY}}}}}")),
    WrongConfig("lower-case method", "did you mean `GET`", _route(f"  /w: {{provider: w, methods: [▶get], query: {{a: {CANARY}}}}}")),
    WrongConfig("TRACE", "never passed on", _route(f"  /w: {{provider: w, methods: [GET, ▶TRACE], query: {{a: {CANARY}}}}}")),
    WrongConfig("no methods at all", "allows no method", _route(f"  /w: {{provider: w, ▶methods: [], query: {{a: {CANARY}}}}}")),
    WrongConfig("bad timeout", "expected a duration", _route(f"  /w: {{provider: w, timeout: ▶{CANARY}}}")),
    WrongConfig("bad size", "expected a size", _route(f"  /w: {{provider: w, max_body: ▶{CANARY}}}")),
    WrongConfig("wildcard origin", "one exact origin", _route(f"  /w: {{provider: w, allowed_origins: [▶'https://*.{CANARY}.test']}}")),
    WrongConfig("route sets a signed parameter", "the provider's credential sets this", _route(f"  /w: {{provider: w, query: {{timestamp: ▶{CANARY}}}}}")),
    WrongConfig("route sets a credential header", "the provider's credential sets this", _route(f"  /w: {{provider: w, headers: {{x_api_key: ▶{CANARY}}}}}")),
    WrongConfig("route sets Host", "belongs to the connection", _route(f"  /w: {{provider: w, headers: {{▶Host: {CANARY}}}}}")),
    WrongConfig("header that is none", "not a header's name", _route(f"  /w: {{provider: w, headers: {{▶'a b': {CANARY}}}}}")),
    WrongConfig("place in a route", "no places", _route(f"  /w: {{provider: w, headers: {{X-A: ▶'{{{{{CANARY}}}}}'}}}}")),
    WrongConfig("what the vendor is told of traces", "expected", _route(f"  /w: {{provider: w, traceparent: ▶{CANARY}}}")),
    WrongConfig("traceparent of two makers", "makes this one itself", _route(f"  /w: {{provider: w, traceparent: make, headers: {{TraceParent: ▶{CANARY}}}}}")),
    WrongConfig("unknown route key", "did you mean `deny_query`", _route(f"  /w: {{provider: w, ▶deny_qury: [{CANARY}]}}")),
]  # fmt: skip
