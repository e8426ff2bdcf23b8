"""nginx, HAProxy, Envoy and Caddy: how each is told to put one header on every request.

The usual configuration of each, with one worker, a line of log for each request, and nothing switched off that costs
safety: upstream certificates are verified.
"""

from __future__ import annotations

import json
from typing import Any

from bench.contender import CREDENTIAL, KEPT_CONNECTIONS, Plan

# nginx copies bodies through 4 or 8 KiB at a time unless told otherwise, and spools them to disk.
_LARGE_BUFFERS = """
      proxy_request_buffering off; client_body_buffer_size 1m; proxy_buffer_size 1m; proxy_buffers 8 1m;
      proxy_busy_buffers_size 2m; proxy_max_temp_file_size 0;"""


def nginx(plan: Plan, *, buffers: str = "") -> list[str]:
    trust = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {plan.ca};" if plan.ca else ""
    config = f"""
worker_processes 1; daemon off; pid {plan.folder}/pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log {plan.folder}/access.log; client_max_body_size 0;
  client_body_temp_path {plan.folder}/b; proxy_temp_path {plan.folder}/p; fastcgi_temp_path {plan.folder}/f;
  uwsgi_temp_path {plan.folder}/u; scgi_temp_path {plan.folder}/s;
  upstream up {{ server 127.0.0.1:{plan.upstream_port}; keepalive {KEPT_CONNECTIONS}; }}
  server {{
    listen 127.0.0.1:{plan.port} backlog=4096; keepalive_requests 1000000000;
    location /plain/ {{
      proxy_pass {plan.scheme}://up/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "{CREDENTIAL}"; proxy_ssl_name localhost; {trust}{buffers}
    }}
  }}
}}
"""
    return ["nginx", "-c", plan.write("nginx.conf", config), "-p", str(plan.folder)]


def nginx_with_large_buffers(plan: Plan) -> list[str]:
    return nginx(plan, buffers=_LARGE_BUFFERS)


def haproxy(plan: Plan) -> list[str]:
    tls = f" ssl verify required ca-file {plan.ca} sni str(localhost)" if plan.ca else ""
    config = f"""
global
  nbthread 1
defaults
  mode http
  log stdout format raw local0
  option httplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
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


def caddy(program: str, plan: Plan) -> list[str]:
    trust = f"tls_trust_pool file {plan.ca}" if plan.ca else ""
    config = f"""
{{
  admin off
  auto_https off
  persist_config off
}}
http://127.0.0.1:{plan.port} {{
  bind 127.0.0.1
  log {{
    output file {plan.folder}/access.log
  }}
  handle_path /plain/* {{
    reverse_proxy {plan.upstream} {{
      header_up Authorization "{CREDENTIAL}"
      transport http {{
        keepalive_idle_conns_per_host {KEPT_CONNECTIONS}
        {trust}
      }}
    }}
  }}
}}
"""
    own = [f"{name}={plan.folder}" for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")]
    path = plan.write("Caddyfile", config)
    return ["env", "GOMAXPROCS=1", *own, program, "run", "--config", path, "--adapter", "caddyfile"]


def envoy(program: str, plan: Plan) -> list[str]:
    """With Envoy's own credential_injector filter, `overwrite: true`."""
    log = f"{plan.folder}/access.log"
    manager = {
        **_typed("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "in",
        "access_log": [_named("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", path=log)],
        "http_filters": [_injector(), _named("envoy.filters.http.router", "filters.http.router.v3.Router")],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_ROUTE]}]},
    }
    cluster: dict[str, Any] = {
        "name": "up",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "up",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(plan.upstream_port)}}]}],
        },
    }
    if plan.ca:
        trust = {
            "trusted_ca": {"filename": str(plan.ca)},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}],
        }
        cluster["transport_socket"] = _named(
            "envoy.transport_sockets.tls",
            "transport_sockets.tls.v3.UpstreamTlsContext",
            sni="localhost",
            common_tls_context={"validation_context": trust},
        )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    secret = {"name": "credential", "generic_secret": {"secret": {"inline_string": CREDENTIAL}}}
    config = {
        "static_resources": {
            "listeners": [{"name": "in", "address": _address(plan.port), "filter_chains": [chain]}],
            "clusters": [cluster],
            "secrets": [secret],
        }
    }
    path = plan.write("envoy.json", json.dumps(config))
    return [program, "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


_ROUTE = {"match": {"prefix": "/plain/"}, "route": {"cluster": "up", "prefix_rewrite": "/", "timeout": "60s"}}


def _injector() -> dict[str, Any]:
    source = _named(
        "envoy.http.injected_credentials.generic",
        "http.injected_credentials.generic.v3.Generic",
        credential={"name": "credential"},
    )
    kind = "filters.http.credential_injector.v3.CredentialInjector"
    return _named("envoy.filters.http.credential_injector", kind, overwrite=True, credential=source)


def _named(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": _typed(kind) | settings}


def _typed(kind: str) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
