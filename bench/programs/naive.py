"""aiohttp as its documentation shows it: an Application before a ClientSession. Arguments: port, upstream, CA file."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, TCPConnector, web

PORT, UPSTREAM, CA = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CREDENTIAL = os.environ["CREDENTIAL"]
SESSION = web.AppKey("SESSION", ClientSession)


async def session(app: web.Application) -> AsyncIterator[None]:
    context = ssl.create_default_context(cafile=CA) if CA else True
    async with ClientSession(connector=TCPConnector(ssl=context)) as app[SESSION]:
        yield


async def handle(request: web.Request) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Authorization")}
    headers["Authorization"] = CREDENTIAL
    body = request.content if request.body_exists else None
    target = UPSTREAM + request.raw_path.removeprefix("/plain")
    async with request.app[SESSION].request(request.method, target, headers=headers, data=body) as answer:
        response = web.StreamResponse(status=answer.status)
        for name in ("Content-Type", "Content-Length"):
            if name in answer.headers:
                response.headers[name] = answer.headers[name]
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response


app = web.Application()
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{rest:.*}", handle)
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
