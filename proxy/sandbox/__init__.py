"""Strict emulators of the five vendors, for `authproxy demo` and for tests.

They share no code with the rest of the proxy, so that they can catch its mistakes: they verify signatures over the raw
bytes, recover signers, rotate, revoke, kill old tokens, and answer errors in each vendor's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from proxy.sandbox.defactor import Defactor
from proxy.sandbox.emulator import Emulator, WallClock
from proxy.sandbox.iofinnet import Iofinnet
from proxy.sandbox.one45 import One45
from proxy.sandbox.original import Original
from proxy.sandbox.wyre import Wyre

__all__ = ["Defactor", "Emulator", "Iofinnet", "One45", "Original", "Sandbox", "Wyre"]


class Sandbox:
    """All five on ports of their own, between entering and leaving.

    `ports` and `credentials` go by an emulator's name; what they leave out is chosen freely. `token_lifetime` is in
    seconds; `clock` has a `wall()` that gives the time of day.
    """

    def __init__(
        self,
        clock: WallClock | None = None,
        token_lifetime: float = 30.0,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        credentials: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        def machinery(name: str) -> dict[str, Any]:
            port, secrets = (ports or {}).get(name, 0), (credentials or {}).get(name)
            return {
                "clock": clock,
                "token_lifetime": token_lifetime,
                "host": host,
                "port": port,
                "credentials": secrets,
            }

        self.iofinnet = Iofinnet(**machinery("iofinnet"))
        self.wyre = Wyre(**machinery("wyre"))
        self.defactor = Defactor(**machinery("defactor"))
        self.original = Original(**machinery("original"))
        self.one45 = One45(**machinery("one45"))
        self._running = AsyncExitStack()

    @property
    def emulators(self) -> tuple[Emulator, ...]:
        return (self.iofinnet, self.wyre, self.defactor, self.original, self.one45)

    def provider_configs(self) -> dict[str, dict[str, Any]]:
        """The `providers:` section of a configuration that reaches all five; complete once started."""
        return {emulator.name: emulator.provider_config() for emulator in self.emulators}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as starting:
            for emulator in self.emulators:
                await starting.enter_async_context(emulator)
            self._running = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()
