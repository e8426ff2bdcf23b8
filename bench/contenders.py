"""Who is compared: ours, the proxies that others would take, what one would write in an afternoon, and none at all."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from bench import installed, proxies
from bench.contender import CREDENTIAL, KEPT_CONNECTIONS, Contender, Plan
from bench.installed import INSTALL, PROGRAMS, ROOT

CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "127.0.0.1:0"}}
providers:
  plain:
    base_url: {upstream}
    auth: {{scheme: static, headers: {{Authorization: {{value: {credential}}}}}}}{ca}
  signed:
    base_url: {upstream}
    auth:
      scheme: hmac_signature
      key: {{value: bench-key}}
      message: "{{{{url}}}}{{{{body}}}}"
      query: {{timestamp: "{{{{timestamp_ms}}}}"}}
      variables: {{credential: {{value: {credential}}}}}
      headers: {{Authorization: "{{{{credential}}}}", X-Signature: "{{{{signature}}}}"}}{ca}
  minted:
    base_url: {upstream}
    auth:
      scheme: jwt
      key: {{value: bench-key-0123456789abcdef0123456789}}
      variables: {{credential: {{value: {credential}}}}}
      headers: {{Authorization: "{{{{credential}}}}", X-Token: "{{{{token}}}}"}}{ca}
  fetched:
    base_url: {upstream}
    auth:
      scheme: token_exchange
      login: {{path: /login, json: {{user: bench}}}}
      response: {{token: token, lifetime: lifetime}}
      headers: {{Authorization: "Bearer {{{{token}}}}"}}{ca}
routes: {{/plain: plain, /signed: signed, /minted: minted, /fetched: fetched}}
"""


def ours(checkout: Path, plan: Plan) -> list[str]:
    """The proxy of a checkout, by that checkout's virtualenv if it has one."""
    ca = f'\n    ca_file: "{plan.ca}"' if plan.ca else ""
    config = CONFIG.format(port=plan.port, upstream=plan.upstream, credential=CREDENTIAL, ca=ca)
    return run_ours(checkout, plan.write("authproxy.yaml", config))


def run_ours(checkout: Path, config: str) -> list[str]:
    python = checkout / ".venv" / "bin" / "python"
    program = str(python) if python.exists() else sys.executable
    return ["env", "-C", str(checkout), f"PYTHONPATH={checkout}", program, "-m", "proxy", "run", "-c", config]


def written(program: str, file: str, plan: Plan) -> list[str]:
    """A proxy of `programs/`: interpreter, file, and the three arguments that all of them take."""
    settings = [f"CREDENTIAL={CREDENTIAL}", f"KEPT_CONNECTIONS={KEPT_CONNECTIONS}", "GOMAXPROCS=1"]
    modules = f"NODE_PATH={installed.node_modules()}"
    source = [str(PROGRAMS / file)] if file else []
    return ["env", *settings, modules, program, *source, str(plan.port), plan.upstream, str(plan.ca or "")]


def _title(key: str) -> str:
    return key.replace("ours", "authproxy").replace(":", " ")


def direct(plan: Plan) -> list[str]:
    raise NotImplementedError("there is nothing to start")


def contenders(checkouts: dict[str, Path]) -> list[Contender]:
    """All of them, whether they are here or not. More than one checkout means more than one of ours."""
    nginx, haproxy = shutil.which("nginx"), shutil.which("haproxy")
    envoy, caddy, go = installed.envoy(), installed.caddy(), installed.go_proxy()
    node, undici = installed.node("http-proxy"), installed.node("undici")
    own = [
        Contender(
            key,
            key.replace("ours", "authproxy").replace(":", " "),
            sys.executable,
            "",
            partial(ours, path),
            checkout=path,
        )
        for key, path in (checkouts or {"ours": ROOT}).items()
    ]
    return [
        *own,
        Contender("nginx", "nginx", nginx, "apt-get install nginx-light", proxies.nginx, ("-v",)),
        Contender(
            "nginx-large",
            "nginx, large buffers",
            nginx,
            "apt-get install nginx-light",
            proxies.nginx_with_large_buffers,
            is_for_bodies=True,
        ),
        Contender("haproxy", "HAProxy", haproxy, "apt-get install haproxy", proxies.haproxy, ("-v",)),
        Contender(
            "envoy",
            "Envoy, credential_injector",
            envoy,
            INSTALL,
            partial(proxies.envoy, envoy or ""),
            ("--version",),
        ),
        Contender("go", "Go, httputil.ReverseProxy", go, INSTALL, partial(written, go or "", "")),
        Contender("caddy", "Caddy", caddy, INSTALL, partial(proxies.caddy, caddy or ""), ("version",)),
        Contender(
            "undici",
            "Node, http + undici",
            undici,
            f"Node.js, then {INSTALL}",
            partial(written, undici or "", "undici.cjs"),
            ("--version",),
        ),
        Contender(
            "http-proxy",
            "Node, http-proxy",
            node,
            f"Node.js, then {INSTALL}",
            partial(written, node or "", "http_proxy.cjs"),
            ("--version",),
        ),
        Contender("aiohttp", "aiohttp, naive", sys.executable, "", partial(written, sys.executable, "naive.py")),
        Contender("direct", "no proxy", nginx, "", direct),
    ]
