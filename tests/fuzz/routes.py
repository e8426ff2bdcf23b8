"""The routes that the fuzzers of targets, parameters and header fields ask."""

from __future__ import annotations

from proxy.gateway.route import Route, RouteTable
from proxy.schemes.base import Injection
from proxy.schemes.static import Static
from proxy.secret import Secret
from proxy.template import Template
from tests.served import provider

HOST = "vendor.test"
BASE_PATH = "/v1/base"
KEY = "the-key-of-the-provider"
HEADERS = {"Authorization": f"Bearer {KEY}", "X-Api_Key": KEY}
QUERY = {"secretKey": KEY}
FIXED = {"X-Fixed": "as-configured"}
INJECTION = Injection(tuple(HEADERS.items()), tuple(QUERY.items()), use="static")


def _route(prefix: str, base_path: str = BASE_PATH, *, encoded_slashes: bool = False) -> Route:
    scheme = Static(
        headers={name: Template((Secret(text),)) for name, text in HEADERS.items()},
        query={name: Template((Secret(text),)) for name, text in QUERY.items()},
    )
    vendor = provider(
        f"https://{HOST}{base_path}",
        scheme,
        drop_headers=("x-hasura-*", "x-principal"),
        drop_query=frozenset({"masqueradeas"}),
    )
    return Route.to(
        vendor,
        prefix,
        headers={name: Template((text,)) for name, text in FIXED.items()},
        deny_query=frozenset({"user-id"}),
        encoded_slashes=encoded_slashes,
    )


ROUTES = RouteTable([_route("/r"), _route("/r/deep", ""), _route("/slashes", encoded_slashes=True)])
EVERY_PATH = RouteTable([_route("/")])
