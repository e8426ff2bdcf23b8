"""The proxies that are compared: how each is told to put one header on every request.

Each forwards to `upstream` over kept connections, drops the caller's Authorization and sends CREDENTIAL instead.
Configurations are the usual ones of each, with one worker, and nothing switched off that costs safety.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CREDENTIAL = "Bearer bench-credential-0123456789abcdef"
CA_NAME = "ca.pem"


@dataclass(frozen=True)
class Plan:
    """Where a contender listens and what it forwards to; `folder` is its own, `ca` is set for a TLS upstream."""

    folder: Path
    port: int
    upstream_port: int
    ca: Path | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.ca else "http"

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Contender:
    """`command` writes the configuration and gives the command line; `needs` is a program it cannot do without."""

    name: str
    needs: str
    command: Callable[[Plan], list[str]]

    @property
    def is_here(self) -> bool:
        return shutil.which(self.needs) is not None


def authproxy(plan: Plan) -> list[str]:
    ca = f'\n    ca_file: "{plan.ca}"' if plan.ca else ""
    config = f"""
server: {{listen: "127.0.0.1:{plan.port}", admin: "127.0.0.1:0"}}
providers:
  plain:
    base_url: {plan.scheme}://localhost:{plan.upstream_port}
    auth: {{scheme: static, headers: {{Authorization: {{value: {CREDENTIAL}}}}}}}{ca}
  signed:
    base_url: {plan.scheme}://localhost:{plan.upstream_port}
    auth:
      scheme: hmac_signature
      key: {{value: bench-key}}
      message: "{{{{url}}}}{{{{body}}}}"
      query: {{timestamp: "{{{{timestamp_ms}}}}"}}
      variables: {{credential: {{value: {CREDENTIAL}}}}}
      headers: {{Authorization: "{{{{credential}}}}", X-Signature: "{{{{signature}}}}"}}{ca}
  minted:
    base_url: {plan.scheme}://localhost:{plan.upstream_port}
    auth:
      scheme: jwt
      key: {{value: bench-key-0123456789abcdef0123456789}}
      variables: {{credential: {{value: {CREDENTIAL}}}}}
      headers: {{Authorization: "{{{{credential}}}}", X-Token: "{{{{token}}}}"}}{ca}
routes: {{/plain: plain, /signed: signed, /minted: minted}}
"""
    return [sys.executable, "-m", "proxy", "run", "-c", plan.write("authproxy.yaml", config)]


def naive(plan: Plan) -> list[str]:
    """aiohttp as its documentation shows it: an Application before a ClientSession."""
    code = f"""
import ssl
from aiohttp import ClientSession, TCPConnector, web
UPSTREAM, CREDENTIAL, CA = "{plan.scheme}://localhost:{plan.upstream_port}", {CREDENTIAL!r}, {str(plan.ca or "")!r}
async def session(app):
    context = ssl.create_default_context(cafile=CA) if CA else True
    async with ClientSession(connector=TCPConnector(ssl=context)) as app["session"]:
        yield
async def handle(request):
    headers = {{name: value for name, value in request.headers.items() if name not in ("Host", "Authorization")}}
    headers["Authorization"] = CREDENTIAL
    body = request.content if request.body_exists else None
    target = UPSTREAM + request.raw_path.removeprefix("/plain")
    async with request.app["session"].request(request.method, target, headers=headers, data=body) as answer:
        response = web.StreamResponse(status=answer.status)
        for name in ("Content-Type", "Content-Length"):
            if name in answer.headers:
                response.headers[name] = answer.headers[name]
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response
app = web.Application()
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{{rest:.*}}", handle)
web.run_app(app, host="127.0.0.1", port={plan.port}, print=None)
"""
    return [sys.executable, plan.write("naive.py", code)]


def nginx(plan: Plan) -> list[str]:
    trust = (
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {plan.ca}; proxy_ssl_name localhost;" if plan.ca else ""
    )
    config = f"""
worker_processes 1; daemon off; pid {plan.folder}/pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log {plan.folder}/access.log; client_max_body_size 0;
  client_body_temp_path {plan.folder}/b; proxy_temp_path {plan.folder}/p; fastcgi_temp_path {plan.folder}/f;
  uwsgi_temp_path {plan.folder}/u; scgi_temp_path {plan.folder}/s;
  upstream up {{ server 127.0.0.1:{plan.upstream_port}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{plan.port}; keepalive_requests 1000000000;
    location /plain/ {{
      proxy_pass {plan.scheme}://up/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "{CREDENTIAL}"; {trust if plan.ca else ""}
    }}
  }}
}}
"""
    return ["nginx", "-c", plan.write("nginx.conf", config), "-p", str(plan.folder)]


def haproxy(plan: Plan) -> list[str]:
    tls = f" ssl verify required ca-file {plan.ca} sni str(localhost)" if plan.ca else ""
    config = f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:{plan.port}
  http-request set-header Authorization "{CREDENTIAL}"
  http-request replace-path /plain(/.*) \\1
  default_backend up
backend up
  http-reuse always
  server one 127.0.0.1:{plan.upstream_port}{tls}
"""
    return ["haproxy", "-db", "-f", plan.write("haproxy.cfg", config)]


CONTENDERS = (
    Contender("authproxy", sys.executable, authproxy),
    Contender("nginx", "nginx", nginx),
    Contender("haproxy", "haproxy", haproxy),
    Contender("aiohttp, naive", sys.executable, naive),
)
