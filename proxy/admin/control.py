"""/status, /reload, /refresh, /drop: for whoever has the admin token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from proxy.admin.actions import Actions, Reload, TokenAction
from proxy.admin.answers import DRAINING, JSON, NO_TOKEN_HERE, answer, refusal
from proxy.admin.asked import CHANGE, Asked, Resource
from proxy.admin.documents import reload_document, status_document, token_document
from proxy.admin.status import StatusSnapshot
from proxy.wire.aiohttp_parts import StreamResponse

_STATUSES = {"renewed": 200, "dropped": 200, "under_way": 202, "failed": 409, "held_back": 409}


class Control:
    def __init__(self, status: Callable[[], StatusSnapshot], actions: Actions) -> None:
        self._status = status
        self._actions = actions

    @property
    def resources(self) -> dict[str, Resource]:
        found = {"/status": Resource(self._state, needs_token=True)}
        if self._actions.reload is not None:
            found["/reload"] = self._action(self._reloading(self._actions.reload))
        for path, act in (("/refresh", self._actions.refresh), ("/drop", self._actions.drop)):
            if act is not None:
                found[path] = self._action(self._on_token(act))
        return found

    async def _state(self, asked: Asked) -> StreamResponse:
        return answer(status_document(self._status()), JSON)

    def _action(self, act: Callable[[Asked], Awaitable[StreamResponse]]) -> Resource:
        async def unless_draining(asked: Asked) -> StreamResponse:
            if self._status().draining:
                return refusal(DRAINING)
            done = await act(asked)
            done.force_close()  # A body that came along is not read, and must not be taken for the next request.
            return done

        return Resource(unless_draining, CHANGE, needs_token=True)

    @staticmethod
    def _reloading(reload: Reload) -> Callable[[Asked], Awaitable[StreamResponse]]:
        async def reloaded(asked: Asked) -> StreamResponse:
            """200, or 409 with every mistake of a configuration that was not taken."""
            report = await reload()
            return answer(reload_document(report), JSON, status=409 if report.errors else 200)

        return reloaded

    @staticmethod
    def _on_token(act: TokenAction) -> Callable[[Asked], Awaitable[StreamResponse]]:
        async def acted(asked: Asked) -> StreamResponse:
            """`?provider=` names whose token; 409 if there is no new one."""
            report = await act(asked.parameter("provider"))
            if report is None:
                return refusal(NO_TOKEN_HERE)
            return answer(token_document(report), JSON, status=_STATUSES[report.outcome])

        return acted
