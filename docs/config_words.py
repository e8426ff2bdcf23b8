"""What CONFIG.md says that no type can: how values are written, what the schemes are, and the places of a signature."""

from __future__ import annotations

HEAD = """<!-- Generated from the settings' types and proxy/config/keys.yaml by `make docs`. -->
# Every key of the configuration

This page is generated (`make docs`): it cannot differ from what `authproxy check` accepts. A file that shows every key
at work is [config.example.yaml](../config.example.yaml); the keys that presets add stand on
[their pages](providers/README.md); `authproxy schema` prints the same as JSON Schema, for editors.

## How values are written

| | |
|---|---|
| secret | `{env: NAME}`, `{file: PATH}`, `{exec: [COMMAND, ...]}`, `{value: ...}`, or `"${NAME}"` for the first |
| text | any text; `${NAME}` in it is an environment variable, `$${` a plain `${` |
| template | a text, or a secret; in it `{{name}}` is filled in for each request |
| duration | `250ms`, `30s`, `15m`, `4h`, `1d`; a number is seconds |
| size | `512KiB`, `16MiB`; a number is bytes |
| mode | of a file, as `chmod` has it: `0600` |

A file is read again when it changes. A command runs once, at start, without a shell, for ten seconds at most. A secret
that is written out where a secret belongs is refused, with the line and not with the secret.

"""

ABOUT = {
    "static": "A credential that does not change: any of headers, query and basic.",
    "jwt": "A JSON Web Token that the proxy signs itself, once in its lifetime.",
    "hmac_signature": "An HMAC (RFC 2104) over each request.",
    "token_exchange": "A login with any HTTP request gives a token; another one may refresh it.",
    "oauth2_client_credentials": "RFC 6749, section 4.4.",
    "oauth2_refresh_token": "RFC 6749, section 6.",
}

PLACES = {
    "method": "the method",
    "origin": "`https://api.example.com`",
    "host": "the origin's host, with its port if it has one",
    "path": "the path, with the base URL's",
    "query": "the query as it is sent, with the injected parameters but for those that hold the signature",
    "query_decoded": "the same, without `%XX`",
    "target": "path and query",
    "target_decoded": "the same, without `%XX`",
    "url": "origin and target",
    "body": "the raw body",
    "body_sha256": "its digest, in hexadecimal",
    "body_sha256_base64": "its digest, in Base64",
    "body_sha512": "its SHA-512 digest, in hexadecimal",
    "header.<name>": "a header field that the caller sends",
    "timestamp": "the moment, in seconds since 1970",
    "timestamp_ms": "the moment, in milliseconds",
    "timestamp_iso": "the moment, as `2024-09-14T20:44:31.764Z`",
    "expires": "the moment and `valid_for`, in seconds since 1970",
    "nonce": "32 hexadecimal digits, new for each request",
    "token": "what `token.login` gave",
    "hmac.<variable>": "a variable, signed alone with the same key",
    "signature": "the signature; not in `message`",
}
