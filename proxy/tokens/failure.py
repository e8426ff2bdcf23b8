"""How a login can fail, by what may help. Never seen by callers; carries nothing of an answer but its status."""

from __future__ import annotations

from typing import ClassVar, Literal

Outcome = Literal["ok", "refused", "unavailable", "malformed"]


class LoginFailure(Exception):
    """`cause` is in our own words, for the log and the status page. `retry_after` is the vendor's wish, in seconds.

    `is_lost` says that the request may have been carried out although no usable answer came, so that whatever
    it spent may be spent.
    """

    outcome: ClassVar[Outcome] = "unavailable"

    def __init__(
        self, cause: str, *, status: int | None = None, retry_after: float | None = None, is_lost: bool = False
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.status = status
        self.retry_after = retry_after
        self.is_lost = is_lost


class LoginRefused(LoginFailure):
    """The credential's fault: trying again soon changes nothing, and may lock the account.

    `is_final` says that what was presented is spent or revoked, and will never be taken again.
    """

    outcome = "refused"

    def __init__(self, cause: str, *, status: int | None = None, is_final: bool = False) -> None:
        super().__init__(cause, status=status)
        self.is_final = is_final


class LoginHeldBack(LoginFailure):
    """There was no attempt: it is too early after the last one, here or at another process."""


class LoginUnavailable(LoginFailure):
    """The endpoint is away, busy or broken; it may come back."""


class LoginMalformed(LoginFailure):
    """The endpoint answered, but there is no token in it that could be used."""

    outcome = "malformed"

    def __init__(self, cause: str, *, status: int | None = None) -> None:
        super().__init__(cause, status=status, is_lost=True)
