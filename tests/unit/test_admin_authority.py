"""The admin token, and the two halves of a session."""

from __future__ import annotations

from proxy.admin.authority import Authority, Session
from proxy.secret import Secret

TOKEN, OTHER = "CANARY-admin-token-one", "CANARY-admin-token-two"
PORT = 9180


def authority(*tokens: str) -> Authority:
    made = Authority()
    made.trust(Secret(token) for token in tokens or (TOKEN,))
    return made


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"Authorization", f"Bearer {token}".encode())]


def halves(session: Session | None, *before: str) -> list[tuple[bytes, bytes]]:
    assert session is not None
    cookies = "; ".join([*before, session.cookie.partition(";")[0]])
    return [(b"Cookie", cookies.encode()), (b"X-AuthProxy-CSRF", session.csrf.encode())]


def test_a_session_is_good_for_the_port_that_it_was_opened_at() -> None:
    """Proxies on one host see each other's cookies."""
    at = authority()
    headers = halves(at.sign_in(bearer(TOKEN), PORT))
    assert at.allows(headers, PORT)
    assert not at.allows(headers, PORT + 1)


def test_other_cookies_do_not_hide_the_session() -> None:
    at = authority()
    headers = halves(at.sign_in(bearer(TOKEN), PORT), "theme=dark", f"authproxy_{PORT}=planted")
    assert at.allows(headers, PORT)


def test_a_wrong_token_is_no_better_beside_a_good_session() -> None:
    at = authority()
    headers = halves(at.sign_in(bearer(TOKEN), PORT))
    assert not at.allows([*headers, *bearer("wrong")], PORT)


def test_a_session_ends_with_the_token_that_opened_it() -> None:
    at = authority(TOKEN, OTHER)
    first, second = halves(at.sign_in(bearer(TOKEN), PORT)), halves(at.sign_in(bearer(OTHER), PORT))
    at.trust([Secret(TOKEN)])
    assert at.allows(first, PORT)
    assert not at.allows(second, PORT)


def test_of_many_sessions_the_oldest_end() -> None:
    at = authority()
    opened = [halves(at.sign_in(bearer(TOKEN), PORT)) for _ in range(33)]
    assert not at.allows(opened[0], PORT)
    assert all(at.allows(headers, PORT) for headers in opened[1:])


def test_what_a_browser_is_given_is_not_the_token_and_does_not_show() -> None:
    session = authority().sign_in(bearer(TOKEN), PORT)
    assert session is not None
    assert TOKEN not in session.cookie + session.csrf
    assert session.csrf not in session.cookie
    assert session.csrf not in repr(session)
    assert session.cookie not in repr(session)
