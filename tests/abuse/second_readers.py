"""nginx and haproxy as vendors that tell how they read a request: method, target, framing, and each body octet.

nginx passes what it read on to a listener of ours in its own words; haproxy does too. So what we sent and what they
made of it can be laid side by side: one reader more or less for the same octets is how smuggling works.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.raw_upstream import RawUpstream


def nginx(folder: Path, port: int, behind: int) -> list[str]:
    config = folder / "nginx.conf"
    paths = "".join(
        f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_buffer_size 1m; {paths}
  merge_slashes off; large_client_header_buffers 8 64k;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_pass_request_headers on; proxy_next_upstream off;
    }}
  }}
}}
""")
    return ["nginx", "-p", str(folder), "-c", str(config)]


def haproxy(folder: Path, port: int, behind: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(
        f"""
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
  retries 0
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server behind 127.0.0.1:{behind}
"""
    )
    return ["haproxy", "-db", "-q", "-f", str(config)]


READERS: dict[str, Callable[[Path, int, int], list[str]]] = {"nginx": nginx, "haproxy": haproxy}


def is_installed(name: str) -> bool:
    return shutil.which(name) is not None


@asynccontextmanager
async def second_reader(name: str) -> AsyncIterator[tuple[str, RawUpstream]]:
    """Its URL, and the listener behind it that keeps what it made of each request."""
    with TemporaryDirectory() as folder:
        async with RawUpstream() as behind:
            port = _free_port()
            process = await asyncio.create_subprocess_exec(*READERS[name](Path(folder), port, behind.port))
            try:
                await _listening(port, process)
                yield f"http://127.0.0.1:{port}", behind
            finally:
                process.terminate()
                await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.05)
    raise RuntimeError("it ended at once")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
