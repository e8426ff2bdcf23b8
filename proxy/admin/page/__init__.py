"""The status page: files of this package, sent as they are. They hold nothing of the proxy's state, which the page asks
for with a session of its own.
"""

from __future__ import annotations

from importlib.resources import files

from proxy.admin.answers import answer
from proxy.admin.asked import Asked, Resource
from proxy.wire.aiohttp_parts import StreamResponse

# Nothing from elsewhere, nothing inline, and no text that becomes markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOLDER = "/page/"
# Read once and now: a process that has given up its rights since may not be able to.
_FILES = {
    file.name: file.read_bytes() for file in files(__package__).iterdir() if file.name.rpartition(".")[2] in _TYPES
}


def page_resources() -> dict[str, Resource]:
    """The page at `/`, and what it is made of below `/page/`."""
    return {"/" if name == "index.html" else _FOLDER + name: _file(name) for name in _FILES}


def _file(name: str) -> Resource:
    content, content_type = _FILES[name], _TYPES[name.rpartition(".")[2]]

    async def sent(asked: Asked) -> StreamResponse:
        return answer(content, content_type, policy=POLICY)

    return Resource(sent)
