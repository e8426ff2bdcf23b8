"""The status page in a real browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.stage import AXE, CALLERS_OWN, Page, Stage, chromium, missing, opened, stage
from tests.unit.test_journal import kept

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def here() -> AsyncIterator[Stage]:
    async with stage() as built:
        yield built


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Any, here: Stage) -> AsyncIterator[Page]:
    async with opened(browser, here) as tab:
        yield tab


class TestSigningIn:
    async def test_the_link_signs_in_and_leaves_no_token_in_the_address_or_in_what_scripts_can_read(
        self, page: Page, here: Stage
    ) -> None:
        token = here.app.admin_token.reveal()
        assert page.tab.url == f"{here.address}/"
        kept = await page.tab.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        assert token not in kept
        assert json.loads(kept)[0] == ""
        (cookie,) = await page.tab.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert token not in cookie["value"]
        # Behind the # nothing is sent.
        assert not any("token" in request.url.partition("#")[0] for request in page.requests)

    async def test_a_reload_and_another_tab_stay_signed_in(self, page: Page) -> None:
        await page.tab.reload()
        await page.tab.wait_for_selector(".provider .pill")
        other = await page.tab.context.new_page()
        await other.goto(page.stage.address)
        await other.wait_for_selector(".provider .pill")

    async def test_without_the_link_the_page_shows_nothing_but_how_to_sign_in(self, browser: Any, here: Stage) -> None:
        async with opened(browser, here, url=f"{here.address}/") as page:
            await page.tab.wait_for_selector("#sign-in")
            assert "authproxy status --link" in await page.text("#sign-in")
            assert not await page.tab.is_visible("#main")
            assert await page.count(".provider") == 0

    async def test_the_token_can_be_entered_and_a_wrong_one_is_told(self, browser: Any, here: Stage) -> None:
        async with opened(browser, here, url=f"{here.address}/") as page:
            await page.tab.fill("#token", "wrong")
            await page.tab.press("#token", "Enter")
            await page.until("document.querySelector('#sign-in-error').textContent !== ''")
            assert await page.tab.input_value("#token") == ""
            await page.tab.fill("#token", here.app.admin_token.reveal())
            await page.tab.press("#token", "Enter")
            await page.tab.wait_for_selector(".provider .pill")
            # The answer to the wrong one is a 403, which browsers write to the console.
            assert len(page.complaints) == 1
            page.complaints.clear()

    async def test_a_link_of_another_start_says_so(self, browser: Any, here: Stage) -> None:
        async with opened(browser, here, url=f"{here.address}/#token=of-yesterday") as page:
            await page.tab.wait_for_selector("#sign-in")
            assert "another start" in await page.text("#sign-in-why")
            assert page.tab.url == f"{here.address}/"
            page.complaints.clear()

    async def test_signing_out_ends_it(self, page: Page) -> None:
        await page.tab.click("#sign-out")
        await page.tab.wait_for_selector("#sign-in")
        assert await page.tab.context.cookies() == []
        assert await page.tab.evaluate("localStorage.length") == 0

    async def test_a_session_that_ended_is_told(self, page: Page, here: Stage) -> None:
        here.app._serving._admin.allow((), ())
        await page.tab.click("#reload")
        await page.tab.wait_for_selector("#sign-in")
        assert "session is over" in await page.text("#sign-in-why")
        page.complaints.clear()


class TestProviders:
    async def test_each_has_its_state_its_tokens_life_and_its_trouble(self, page: Page, here: Stage) -> None:
        await here.call()
        await here.call("GET", "/refused/x")
        await page.until("document.querySelectorAll('.provider[data-state=ok]').length === 1")
        io = await page.text('.provider[aria-label="io"]')
        assert "expires in 9:5" in io or "expires in 10:00" in io
        assert "renewed from" in io
        assert "token no. 1" in io
        meter = page.tab.get_by_role("meter", name="Life of the token of io")
        assert 95 < int(await meter.get_attribute("aria-valuenow")) <= 100
        await page.until("document.querySelector('.provider[data-state=refused] .trouble:not([hidden])') !== null")
        refused = await page.text('.provider[aria-label="refused"]')
        assert "401 from its login endpoint" in refused
        assert "authproxy test refused" in refused
        assert "Next attempt in" in refused
        assert "refused" in await page.text("#verdict")

    async def test_a_button_renews_the_token_while_the_old_one_serves(self, page: Page, here: Stage) -> None:
        await here.call()
        await page.until("document.querySelector('.provider[aria-label=io]').textContent.includes('token no. 1')")
        await page.tab.get_by_role("button", name="Refresh the token of io").click()
        await page.until("document.querySelector('.provider[aria-label=io]').textContent.includes('token no. 2')")
        assert "io has a new token" in await page.text("#toast")
        assert here.vendor.logins == 2

    async def test_a_button_drops_the_token_and_the_next_request_obtains_another(self, page: Page, here: Stage) -> None:
        await here.call()
        drop = page.tab.get_by_role("button", name="Drop the token of io")
        await page.until("document.querySelector('.provider[data-state=ok]') !== null")
        await drop.click()
        await page.until("document.querySelector('.provider[aria-label=io]').dataset.state === 'idle'")
        assert await here.call() == 200
        await page.until("document.querySelector('.provider[aria-label=io]').dataset.state === 'ok'")
        assert here.vendor.logins == 2

    async def test_what_has_no_token_has_no_buttons(self, page: Page) -> None:
        assert not await page.tab.get_by_role("button", name="Drop the token of gone").is_visible()
        assert await page.tab.get_by_role("button", name="Drop the token of io").is_disabled()

    async def test_a_refresh_that_fails_says_of_what(self, page: Page, here: Stage) -> None:
        await page.tab.get_by_role("button", name="Refresh the token of refused").click()
        await page.until("document.querySelector('#toast').classList.contains('wrong')")
        assert "401 from its login endpoint" in await page.text("#toast")
        page.complaints.clear()  # 409 is written to the console.

    async def test_the_buttons_need_the_header_that_no_other_page_can_send(self, page: Page, here: Stage) -> None:
        """The same requests, with the cookie alone, from the page itself."""
        for path in ("/refresh?provider=io", "/drop?provider=io", "/reload", "/sign-out"):
            status = await page.tab.evaluate(
                "(path) => fetch(path, {method: 'POST'}).then((answer) => answer.status)", path
            )
            assert status == 403
        assert await page.tab.evaluate("fetch('/events').then((answer) => answer.status)") == 403
        assert here.vendor.logins == 0
        page.complaints.clear()


class TestConfiguration:
    async def test_a_button_takes_the_configuration_as_it_is_now(self, page: Page, here: Stage) -> None:
        here.change(routes={"/io": "io", "/more": "io"})
        await page.tab.click("#reload")
        await page.until("document.querySelector('#toast').textContent.startsWith('Reloaded: 2 routes')")
        await page.until("document.querySelector('.provider[aria-label=io] .url').textContent.startsWith('/io /more')")

    async def test_a_mistake_is_told_and_stays_told_until_it_is_mended(self, page: Page, here: Stage) -> None:
        before = json.loads(here.path.read_text())["routes"]
        here.change(routes={"/io": "nobody"})
        await page.tab.click("#reload")
        await page.tab.wait_for_selector("#not-taken:not([hidden])")
        assert "no provider has this name" in await page.text("#not-taken")
        here.change(routes=before)
        await page.tab.click("#reload")
        await page.tab.wait_for_selector("#not-taken", state="hidden")
        page.complaints.clear()


class TestRequests:
    async def test_rows_come_as_requests_end(self, page: Page, here: Stage) -> None:
        assert "No request so far" in await page.text("#nothing")
        await here.call("GET", f"/io/v1/accounts?cursor={CALLERS_OWN}")
        row = await page.row("/io/v1/accounts?cursor=***")
        assert (await row.inner_text()).split()[1:5] == ["GET", "/io/v1/accounts?cursor=***", "200", "io"]
        assert await here.call("GET", "/gone/x") == 502
        await page.row("/gone/x")
        assert await page.count(".row") == 2

    async def test_those_of_before_are_there_when_the_page_opens(self, browser: Any, here: Stage) -> None:
        await here.call("GET", "/io/v1/before")
        async with opened(browser, here) as page:
            row = await page.row("/io/v1/before")
            await row.click()
            assert "no page was open" in await page.text("#detail")

    async def test_the_filter_takes_words_that_all_have_to_fit(self, page: Page, here: Stage) -> None:
        for method, path in (
            ("GET", "/io/v1/accounts"),
            ("POST", "/io/v1/accounts"),
            ("GET", "/gone/x"),
            ("GET", "/none"),
        ):
            await here.call(method, path)
        await page.until("document.querySelectorAll('.row').length === 4")
        for words, found in {
            "status:5xx": 1, "status:404": 1, "status:>=404": 2, "provider:io": 2, "provider:io -post": 1, "method:post": 1,
            "gone": 1, "-gone status:5": 0, "error:no_route": 1, "route:/io": 2, "slow:100000": 0, "slow:0": 4, "x y": 0, "": 4,
        }.items():  # fmt: skip
            await page.tab.fill("#filter", words)
            assert await page.count(".row") == found, words
        await page.tab.fill("#filter", "nothing-like-this")
        assert "No request fits" in await page.text("#nothing")
        await page.tab.press("#filter", "Escape")
        assert await page.count(".row") == 4
        await page.tab.click("#errors")
        assert await page.count(".row") == 2
        await page.tab.click("#all")
        await page.tab.get_by_role("button", name="gone", exact=True).click()
        assert await page.tab.input_value("#filter") == "provider:gone"
        assert await page.count(".row") == 1

    async def test_pausing_keeps_what_comes_for_later(self, page: Page, here: Stage) -> None:
        await here.call()
        await page.row("/io/v1/accounts")
        await page.tab.click("#pause")
        await here.call("GET", "/io/v1/later")
        await page.until("document.querySelector('#count').textContent.includes('1 new')")
        assert await page.count(".row") == 1
        await page.tab.click("#pause")
        await page.row("/io/v1/later")
        await page.tab.click("#clear")
        assert await page.count(".row") == 0

    async def test_a_crowd_is_shown_as_far_as_anybody_can_look_and_counted(self, page: Page, here: Stage) -> None:
        kept(here.app.pulse.journal, 1000)
        await page.until("document.querySelector('#count').textContent.includes('went by too fast')")
        assert await page.count(".row") <= 250

    async def test_what_a_caller_writes_is_text_and_never_markup(self, page: Page, here: Stage) -> None:
        reader, writer = await asyncio.open_connection(*here.app.address.split(":"))
        target = "/io/<img/src=x/onerror=alert(1)>'\"%3Cscript%3E"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {here.app.address}\r\nConnection: close\r\n\r\n".encode())
        await reader.read()
        writer.close()
        await page.until("document.querySelectorAll('.row').length === 1")
        assert "<img/src=x" in await page.text(".row .path")
        assert await page.count("#rows img, #rows script") == 0


class TestDetail:
    async def test_it_shows_what_was_added_and_removed_and_where_the_time_went(self, page: Page, here: Stage) -> None:
        own = {"Authorization": f"Bearer {CALLERS_OWN}", "X-Forwarded-For": "10.0.0.1"}
        await here.call("GET", f"/io/v1/accounts?limit={CALLERS_OWN}", headers=own)
        await (await page.row("/io/v1/accounts")).click()
        detail = await page.text("#detail")
        for wanted in (
            "Authorization: Bearer <token>",
            "X-Team: blue",
            "the credential sets it",
            "X-Forwarded-For",
            "a token that had to be obtained first",
        ):
            assert wanted in detail, wanted
        assert await page.tab.locator(".waterfall th").all_inner_texts() == [
            "Credential",
            "Connection",
            "First byte",
            "Answer",
            "All",
        ]

    async def test_an_error_is_told_with_the_next_command(self, page: Page, here: Stage) -> None:
        await here.call("GET", "/gone/x")
        await (await page.row("/gone/x")).click()
        detail = await page.text("#detail")
        assert "upstream unreachable" in detail
        assert "authproxy test" in detail
        assert await page.tab.locator(".waterfall th").all_inner_texts() == ["Credential", "Connection", "All"]
        await here.call("GET", "/nowhere")
        await (await page.row("/nowhere")).click()
        assert "it did not get so far" in await page.text("#detail")

    async def test_copy_as_curl_is_a_request_to_the_proxy(self, page: Page, here: Stage) -> None:
        await page.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await here.call("POST", f"/io/v1/accounts?limit={CALLERS_OWN}", content=b"{}")
        await (await page.row("/io/v1/accounts")).click()
        await page.tab.click("#copy")
        await page.until("document.querySelector('#toast').textContent.startsWith('Copied')")
        copied = await page.tab.evaluate("navigator.clipboard.readText()")
        assert copied == f"curl -i -X POST 'http://{here.app.address}/io/v1/accounts?limit=***' --data-binary @body"
        assert "limit" in await page.text("#toast")


class TestKeyboard:
    async def test_everything_about_requests_can_be_done_without_a_mouse(self, page: Page, here: Stage) -> None:
        for name in ("first", "second", "third"):
            await here.call("GET", f"/io/v1/{name}")
            await page.row(f"/io/v1/{name}")
        focused = "document.activeElement.textContent"
        keys = page.tab.keyboard
        await keys.press("j")
        assert "third" in await page.tab.evaluate(focused)
        await keys.press("ArrowDown")
        assert "second" in await page.tab.evaluate(focused)
        await keys.press("Enter")
        assert "/io/v1/second" in await page.text("#detail h3")
        assert await page.tab.evaluate("document.activeElement.closest('#detail') !== null")
        await keys.press("j")
        assert "/io/v1/first" in await page.text("#detail h3")
        await keys.press("Escape")
        assert not await page.tab.is_visible("#detail")
        assert "first" in await page.tab.evaluate(focused)
        await keys.press("/")
        await keys.type("third")
        assert await page.count(".row") == 1
        await keys.press("Escape")
        await keys.press("Escape")
        assert await page.count(".row") == 3
        await keys.press("p")
        assert await page.tab.get_attribute("#pause", "aria-pressed") == "true"
        await keys.press("p")
        await keys.press("e")
        assert await page.count(".row") == 0
        await keys.press("e")
        await keys.press("?")
        assert await page.tab.is_visible("#keys")
        await keys.press("Escape")
        assert not await page.tab.is_visible("#keys")

    async def test_tab_leads_into_the_list_once_and_out_again(self, page: Page, here: Stage) -> None:
        for _ in range(5):
            await here.call()
        await page.until("document.querySelectorAll('.row').length === 5")
        assert await page.count('.row[tabindex="0"]') == 1


THEMES = [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 26, 33)")]


class TestLooks:
    @pytest.mark.parametrize(("scheme", "card"), THEMES)
    async def test_it_is_light_or_dark_as_the_system_is_and_as_one_wishes(
        self, browser: Any, here: Stage, scheme: str, card: str
    ) -> None:
        colour = "getComputedStyle(document.querySelector('.card.list')).backgroundColor"
        async with opened(browser, here, color_scheme=scheme) as page:
            assert await page.tab.evaluate(colour) == card
            for wanted in (*[colours for _, colours in THEMES], card):
                await page.tab.keyboard.press("t")
                assert await page.tab.evaluate(colour) == wanted
            await page.tab.keyboard.press("t")
            await page.tab.reload()
            await page.tab.wait_for_selector(".provider .pill")
            assert await page.tab.evaluate(colour) == THEMES[0][1]

    @pytest.mark.parametrize("width", [320, 360, 768, 1280])
    async def test_no_width_has_to_be_scrolled_sideways(self, browser: Any, here: Stage, width: int) -> None:
        for path in ("/io/v1/accounts", "/refused/x", "/gone/" + "a-long-name/" * 30, "/io/" + "x" * 300):
            await here.call("GET", path)
        async with opened(browser, here, viewport={"width": width, "height": 740}) as page:
            await page.until("document.querySelectorAll('.row').length === 4")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.tab.evaluate(wide) == 0
            await (await page.row("a-long-name")).click()
            assert await page.tab.evaluate(wide) == 0
            assert await page.tab.evaluate(
                "document.querySelector('#detail').scrollWidth <= document.querySelector('#detail').clientWidth"
            )

    @pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
    async def test_axe_finds_no_fault(self, browser: Any, here: Stage, scheme: str, width: int) -> None:
        """Names for screen readers, roles, contrast, order of headings, and what else can be judged by a program."""
        if not AXE.is_file():
            missing("axe-core: make .venv/.nodes")
        for path in ("/io/v1/accounts", "/refused/x", "/gone/x", "/nowhere"):
            await here.call("GET", path)
        async with opened(browser, here, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
            await page.until("document.querySelectorAll('.row').length === 4")
            await page.until("document.querySelector('.provider[data-state=refused]') !== null")
            faults = await judged(page)
            await (await page.row("/gone/x")).click()
            faults += await judged(page)
            await page.tab.keyboard.press("Escape")
            await page.tab.click("#sign-out")
            await page.tab.wait_for_selector("#sign-in")
            faults += await judged(page)
        assert faults == []


async def judged(page: Page) -> list[str]:
    """What axe says against the page as it is."""
    await page.tab.evaluate(AXE.read_text())
    told = await page.tab.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['html'][:150]}: {node['failureSummary']}"
        for fault in told["violations"]
        for node in fault["nodes"]
    ]


class TestConnection:
    async def test_a_page_that_lost_the_proxy_says_so_and_comes_back_without_telling_anything_twice(
        self, page: Page, here: Stage
    ) -> None:
        await here.call("GET", "/io/v1/one")
        await page.row("/io/v1/one")
        for connection in list(here.app._serving._admin._server.connections):  # type: ignore[union-attr]
            connection.transport.abort()
        await here.call("GET", "/io/v1/two")
        await page.row("/io/v1/two")
        await page.until("document.querySelector('#link').textContent === 'live'")
        assert await page.count(".row") == 2
        page.complaints.clear()
