"""What came back from a vendor, as far as it helps to say what is wrong; never its words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxy.errors import UpstreamError
from proxy.tokens.login import LoginAnswer, LoginCall, LoginClient

# What an error's text speaks of. Only that it does is ever told.
_EXPIRED = re.compile(rb"\b(has |have |is |was |been )?(expired|revoked|deactivated|suspended)\b", re.IGNORECASE)
_EITHER = re.compile(
    rb"\b(invalid|wrong|incorrect|bad|missing)\W+(or|and|/)\W+(\w+\W+)?(expired|revoked)", re.IGNORECASE
)
_HOST = re.compile(r"https?://([A-Za-z0-9.-]{1,253}(?::\d{1,5})?)(?:[/?#]|$)")


@dataclass(frozen=True, slots=True)
class Heard:
    """One exchange: an `error` code where no answer came, otherwise the answer. `url` has no query."""

    method: str
    url: str
    error: str = ""
    status: int = 0
    is_web_page: bool = False
    speaks_of_expiry: bool = False
    redirects_to: str = ""


class Witness:
    """Passes calls on, and remembers the last one. Stands in for the login client that it is given."""

    def __init__(self, client: LoginClient) -> None:
        self._client = client
        self.last: Heard | None = None

    async def send(self, call: LoginCall) -> LoginAnswer:
        url = call.url.partition("?")[0]
        try:
            answer = await self._client.send(call)
        except UpstreamError as error:
            self.last = Heard(call.method, url, error.code)
            raise
        self.last = _heard(call.method, url, answer)
        return answer


def _heard(method: str, url: str, answer: LoginAnswer) -> Heard:
    media_type = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    location = _HOST.match(answer.header("location") or "")
    return Heard(
        method,
        url,
        status=answer.status,
        is_web_page=media_type in ("text/html", "application/xhtml+xml") or answer.body.lstrip()[:1] == b"<",
        speaks_of_expiry=bool(_EXPIRED.search(answer.body)) and not _EITHER.search(answer.body),
        redirects_to=location[1] if location else "",
    )
