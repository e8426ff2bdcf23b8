"""The vendor of the benchmark: nginx, answering 1 KiB to whoever shows the credential, and 401 to all others."""

from __future__ import annotations

from pathlib import Path

import trustme

from bench.contenders import CA_NAME, CREDENTIAL


def command(folder: Path, port: int, tls_port: int) -> list[str]:
    """Write configuration, certificate and files; the command line."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / CA_NAME))
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "small.json").write_text('{"padding":"' + "x" * 1010 + '"}')
    with (folder / "large.bin").open("wb") as large:
        large.truncate(100 * 1024 * 1024)
    config = f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; default_type application/json;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; open_file_cache max=10;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl; keepalive_requests 1000000000;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    root {folder};
    if ($http_authorization != "{CREDENTIAL}") {{ return 401; }}
    location = /small {{ try_files /small.json =404; }}
    location = /large {{ try_files /large.bin =404; }}
    location = /post {{ return 200 "ok"; }}
  }}
}}
"""
    path = folder / "nginx.conf"
    path.write_text(config)
    return ["nginx", "-c", str(path), "-p", str(folder)]
