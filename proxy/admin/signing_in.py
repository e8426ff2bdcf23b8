"""/sign-in and /sign-out: a session of the status page, for the admin token."""

from __future__ import annotations

import json

from proxy.admin.answers import JSON, TOKEN_REQUIRED, answer, refusal
from proxy.admin.asked import CHANGE, Asked, Resource
from proxy.admin.authority import Authority
from proxy.wire.aiohttp_parts import StreamResponse


class SigningIn:
    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @property
    def resources(self) -> dict[str, Resource]:
        return {
            # A session is opened by the token and by no other session.
            "/sign-in": Resource(self._sign_in, CHANGE),
            "/sign-out": Resource(self._sign_out, CHANGE, needs_token=True),
        }

    async def _sign_in(self, asked: Asked) -> StreamResponse:
        session = self._authority.sign_in(asked.request.raw_headers, asked.port)
        if session is None:
            return refusal(TOKEN_REQUIRED)
        return _with_cookie(session.cookie, {"csrf": session.csrf})

    async def _sign_out(self, asked: Asked) -> StreamResponse:
        return _with_cookie(self._authority.sign_out(asked.request.raw_headers, asked.port), {})


def _with_cookie(cookie: str, document: dict[str, str]) -> StreamResponse:
    done = answer(json.dumps(document), JSON)
    done.headers["Set-Cookie"] = cookie
    done.force_close()  # A body that came along is not read, and must not be taken for the next request.
    return done
