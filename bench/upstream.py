"""The vendor of the benchmark: answers whoever shows the credential, and 401 to all others.

nginx for small answers; `bodies` for large ones, and for what nginx cannot do: say which fields a request had.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import trustme

from bench.contender import CA_NAME, CREDENTIAL, LOGIN_ANSWER
from bench.installed import ROOT
from bench.servers import LOAD_CORES, free_port, start, wait_for_port

SMALL = 1024
MEDIUM = 256 * 1024
CERTIFICATE = "server.pem"


@dataclass(frozen=True)
class Upstream:
    """Ports by what they are for; `ca` is whom a proxy has to trust."""

    ca: Path
    plain: int
    tls: int
    bodies: int
    bodies_tls: int


def start_upstream(folder: Path, running: ExitStack) -> Upstream:
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / CA_NAME))
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / CERTIFICATE))
    upstream = Upstream(folder / CA_NAME, free_port(), free_port(), free_port(), free_port())
    ports = [str(upstream.bodies), str(upstream.bodies_tls)]
    bodies = ["env", "-C", str(ROOT), sys.executable, "-m", "bench.bodies", str(folder / CERTIFICATE), *ports]
    process = start(bodies, folder, running, LOAD_CORES)
    wait_for_port(upstream.bodies_tls, process, folder)
    process = start(_nginx(folder, upstream), folder, running, LOAD_CORES)
    wait_for_port(upstream.plain, process, folder)
    return upstream


def _nginx(folder: Path, upstream: Upstream) -> list[str]:
    answer = '{"padding":"%s"}' % ("x" * (SMALL - 14))
    (folder / "small.json").write_text(answer)
    (folder / "medium.json").write_bytes(os.urandom(MEDIUM))
    config = f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; default_type application/json;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; open_file_cache max=10;
  map $http_authorization $is_stranger {{ default 1; "{CREDENTIAL}" 0; }}
  server {{
    listen 127.0.0.1:{upstream.plain} backlog=4096; listen 127.0.0.1:{upstream.tls} ssl;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    ssl_certificate {folder}/{CERTIFICATE}; ssl_certificate_key {folder}/{CERTIFICATE};
    root {folder};
    location = /small {{ if ($is_stranger) {{ return 401; }} try_files /small.json =404; }}
    location = /medium {{ if ($is_stranger) {{ return 401; }} try_files /medium.json =404; }}
    location = /post {{ if ($is_stranger) {{ return 401; }} return 200 "ok"; }}
    # As one that reads all of a body before it answers.
    location = /take {{
      if ($is_stranger) {{ return 401; }}
      client_body_buffer_size 512k; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_pass http://127.0.0.1:{upstream.plain}/post; proxy_set_header Authorization $http_authorization;
    }}
    location = /login {{ return 200 '{LOGIN_ANSWER}'; }}
    location = /head {{ proxy_pass http://127.0.0.1:{upstream.bodies}; }}
  }}
}}
"""
    path = folder / "nginx.conf"
    path.write_text(config)
    return ["nginx", "-c", str(path), "-p", str(folder)]
