"""The emulators alone, on ports of their own, with secrets from files: `python -m proxy.sandbox --secrets FOLDER`.

For a proxy that runs beside them with a configuration of its own, as in docker-compose.yml. A secret of an emulator is
in the file `<emulator>_<name>`, such as wyre_api_key; what has no file is made up. They listen on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from proxy.sandbox import Defactor, Iofinnet, One45, Original, Sandbox, Wyre

_KINDS = (Iofinnet, Wyre, Defactor, Original, One45)


def credentials(folder: Path) -> dict[str, dict[str, str]]:
    """By emulator, the secrets that have a file in the folder."""
    return {
        kind.name: {
            name: path.read_text(encoding="utf-8").removesuffix("\n")
            for name in kind.generate_credentials()
            if (path := folder / f"{kind.name}_{name}").is_file()
        }
        for kind in _KINDS
    }


async def serve(folder: Path, first_port: int) -> None:
    """Serve until SIGTERM or SIGINT; the ports follow each other, in the order of the emulators."""
    ports = {kind.name: first_port + number for number, kind in enumerate(_KINDS)} if first_port else None
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Sandbox(ports=ports, credentials=credentials(folder)) as sandbox:
        for emulator in sandbox.emulators:
            sys.stdout.write(f"{emulator.name} {emulator.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proxy.sandbox", description="Serve the vendors' emulators alone.")
    parser.add_argument("--secrets", type=Path, required=True, metavar="FOLDER", help="a file for each secret")
    parser.add_argument("--port", type=int, default=0, help="the first of five; 0 picks free ones")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.secrets, arguments.port))


if __name__ == "__main__":
    main()
