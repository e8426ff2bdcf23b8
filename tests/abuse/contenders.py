"""Proxies to be tried, as command lines: each sends PREFIX/... on to the vendor's base path and adds one header."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/r"


@dataclass(frozen=True)
class Setting:
    """`upstream` is the vendor's base URL; the header is `Authorization: Bearer CREDENTIAL`; `token` may be unwanted."""

    folder: Path
    port: int
    upstream: str
    credential: str
    token: str | None = None

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)


Command = Callable[[Setting], list[str]]


def authproxy(setting: Setting) -> list[str]:
    key = setting.write("credential", f"Bearer {setting.credential}\n")
    server = {"listen": f"127.0.0.1:{setting.port}", "admin": "127.0.0.1:0"}
    if setting.token is not None:
        server["token"] = {"file": setting.write("token", setting.token)}  # type: ignore[assignment]
    scheme = {"scheme": "static", "headers": {"Authorization": {"file": key}}}
    config = {
        "server": server,
        "providers": {"vendor": {"base_url": setting.upstream, "auth": scheme}},
        "routes": {PREFIX: {"provider": "vendor", "timeout": "2s"}},
    }
    return [sys.executable, "-m", "proxy", "run", "-c", setting.write("authproxy.yaml", json.dumps(config))]


NAIVE = """
# aiohttp as its documentation shows it: an Application before a ClientSession.
import pathlib, sys
from aiohttp import ClientSession, web
port, upstream, credential, prefix = sys.argv[1:]
credential = pathlib.Path(credential).read_text()
async def session(app):
    async with ClientSession() as app["session"]:
        yield
async def handle(request):
    headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Authorization")}
    headers["Authorization"] = "Bearer " + credential
    target = upstream + str(request.rel_url).removeprefix(prefix)
    async with request.app["session"].request(
        request.method, target, headers=headers, data=request.content if request.body_exists else None
    ) as answer:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response
app = web.Application()
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{rest:.*}", handle)
web.run_app(app, host="127.0.0.1", port=int(port))
"""


def naive(setting: Setting) -> list[str]:
    program, key = setting.write("naive.py", NAIVE), setting.write("credential", setting.credential)
    return [sys.executable, program, str(setting.port), setting.upstream, key, PREFIX]


def nginx(setting: Setting) -> list[str]:
    config = f"""
worker_processes 1; daemon off; pid {setting.folder}/pid; error_log stderr error;
events {{}}
http {{
  access_log {setting.folder}/access.log; client_max_body_size 0; client_body_temp_path {setting.folder}/body;
  proxy_temp_path {setting.folder}/proxy; fastcgi_temp_path {setting.folder}/fastcgi;
  uwsgi_temp_path {setting.folder}/uwsgi; scgi_temp_path {setting.folder}/scgi;
  server {{
    listen 127.0.0.1:{setting.port};
    location {PREFIX}/ {{
      proxy_pass {setting.upstream}/;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {setting.credential}";
    }}
  }}
}}
"""
    return ["nginx", "-p", str(setting.folder), "-c", setting.write("nginx.conf", config)]


CONTENDERS: dict[str, Command] = {"authproxy": authproxy, "naive aiohttp": naive, "nginx": nginx}


def given(template: str) -> Command:
    """A command line with {port}, {upstream}, {credential}, {token}, {folder} and {prefix}; run by a shell."""

    def command(setting: Setting) -> list[str]:
        words = {
            "port": str(setting.port), "upstream": setting.upstream, "credential": setting.credential,
            "token": setting.token or "", "folder": str(setting.folder), "prefix": PREFIX,
        }  # fmt: skip
        line = template
        for name, value in words.items():
            line = line.replace("{" + name + "}", value)
        return ["/bin/sh", "-c", f"exec {line}"]

    return command
