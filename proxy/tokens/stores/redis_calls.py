"""Calls to Redis, bounded in time, and not made at all for a while after one has failed."""

from __future__ import annotations

import asyncio
from typing import Any

from redis import exceptions as errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy.tokens.stores import redis_scripts as scripts
from proxy.tokens.stores.access import StoreAccess
from proxy.tokens.stores.address import RedisAddress
from proxy.tokens.stores.circuit import Circuit
from proxy.tokens.stores.health import StoreHealth
from proxy.tokens.stores.store import StoreUnavailable

LONGEST_CALL = 1.0

_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (errors.AuthenticationError, "it refuses the user or the password"),
    (errors.NoPermissionError, "its user may not do what is needed"),
    (errors.OutOfMemoryError, "it is full"),
    (errors.ReadOnlyError, "it is read-only"),
    (errors.TimeoutError, "it does not answer in time"),
    (TimeoutError, "it does not answer in time"),
    (errors.ConnectionError, "it cannot be reached"),
    (OSError, "it cannot be reached"),
)


class RedisCalls:
    """Connects when it is needed."""

    def __init__(self, address: RedisAddress, access: StoreAccess, health: StoreHealth) -> None:
        self._health = health
        self._circuit = Circuit()
        self._redis = _client(address, access)
        register = self._redis.register_script
        self._scripts = {
            text: register(text)
            for text in (scripts.BEGIN, scripts.WRITE, scripts.NOTE, scripts.RENEW, scripts.RELEASE)
        }

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def call(self, operation: str, script: str, keys: tuple[str, ...], *arguments: Any) -> Any:
        """Run a script. Raises StoreUnavailable: after a failure at once, for a while."""
        loop = asyncio.get_running_loop()
        pause = self._circuit.open_for(loop.time())
        if pause:
            raise self._unavailable(pause)
        try:
            async with asyncio.timeout(LONGEST_CALL):
                answer = await self._scripts[script](keys=keys, args=arguments)
        except (errors.RedisError, OSError, TimeoutError) as error:
            self._circuit.failed(loop.time())
            cause = next((words for kind, words in _CAUSES if isinstance(error, kind)), "it answers with an error")
            self._health.failed(operation, cause)
            raise self._unavailable(self._circuit.open_for(loop.time())) from None
        self._circuit.worked()
        return answer

    def _unavailable(self, pause: float) -> StoreUnavailable:
        return StoreUnavailable(f"the token store cannot be used: {self._health.trouble}", retry_after=pause)


def _client(address: RedisAddress, access: StoreAccess) -> Redis:
    tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": access.ca_file and str(access.ca_file)} if address.tls else {}
    return Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.user,
        password=None if access.password is None else access.password.reveal(),
        socket_timeout=LONGEST_CALL,
        socket_connect_timeout=LONGEST_CALL,
        # Once more at once: an idle connection may have been closed since. No script minds being sent twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(errors.ConnectionError,)),
        protocol=2,
        **tls,
    )
