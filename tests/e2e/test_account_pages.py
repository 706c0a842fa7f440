"""Coming in and my account, in a real browser, with a double in the accounts' place."""

import base64
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from docs.markdown import ROOT
from doubles.accounts_api import CODE, PASSWORD, AccountsDouble, accounts_router, problem
from e2e.visitor import PHONE, VIOLATIONS, too_wide
from paifang.core.headers import SecurityHeaders
from paifang.core.http import install_error_handlers
from paifang.pages import install_missing_page, pages_router
from paifang.server import listen

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: account"),  # one site and one browser for the file
    pytest.mark.usefixtures("reference"),
]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
EMAIL = "mei@example.org"


@dataclass
class House:
    """The pages with the double behind them, and what went wrong in the browser."""

    url: str
    api: AccountsDouble
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def page(self, path: str = "/", **options) -> AsyncIterator[Page]:
        """A page in a browser of its own."""
        context = await self.browser.new_context(**{"locale": "en-US", **options})
        await context.add_init_script(VIOLATIONS)
        page = await context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        try:
            await page.goto(self.url + path)
            yield page
        finally:
            await context.close()
        assert self.complaints == []

    def _console(self, message) -> None:
        # A refused call is what these tests are about: the browser's own line is no complaint.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


class Front:
    """What the server serves: another app for each test."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def pages_before(double: AccountsDouble) -> ASGIApp:
    """The pages, with a double behind them."""
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    api.include_router(accounts_router(double))
    api.include_router(pages_router)

    @api.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    install_error_handlers(api)
    install_missing_page(api)
    return SecurityHeaders(api)


@pytest.fixture(scope="module")
def _front() -> Iterator[tuple[str, Front]]:
    front, sock = Front(), listen("127.0.0.1", 0)
    config = uvicorn.Config(front, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    yield f"http://localhost:{sock.getsockname()[1]}", front
    server.should_exit = True
    thread.join(30)
    sock.close()


@pytest.fixture
def house(_front: tuple[str, Front], browser: Browser) -> House:
    """The pages, with a double that knows nothing yet."""
    url, front = _front
    double = AccountsDouble()
    front.app = pages_before(double)
    return House(url, double, browser)


async def sign_in(page: Page, password: str = PASSWORD) -> None:
    await page.get_by_label("Email address").fill(EMAIL)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in").click()


@asynccontextmanager
async def inside(house: House, path: str = "/account", **options) -> AsyncIterator[Page]:
    """A page of somebody who has signed in."""
    async with house.page(f"/sign-in?next={path}", **options) as page:
        await sign_in(page)
        await page.wait_for_url(f"{house.url}{path}")
        yield page


async def test_who_signs_in_goes_where_they_wanted_and_stays_signed_in(house: House) -> None:
    async with house.page("/account/sessions") as page:
        await expect(page).to_have_url(f"{house.url}/sign-in?next=/account/sessions")
        await sign_in(page, "wrong")
        await expect(page.get_by_role("alert")).to_have_text(
            "That is not right. Check it and try again."
        )
        await sign_in(page)
        await page.wait_for_url(f"{house.url}/account/sessions")
        await page.reload()
        await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        stored = await page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        assert not any(token in stored for token in house.api.tokens)


async def test_a_second_factor_is_asked_and_a_recovery_code_does_as_well(house: House) -> None:
    house.api.totp = True
    async with house.page("/sign-in") as page:
        await sign_in(page)
        code = page.get_by_label("Code from your authenticator app")
        await expect(code).to_be_focused()
        await code.fill("000000")
        await code.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await page.get_by_role("button", name="Use a recovery code").click()
        await page.get_by_label("Recovery code").fill(CODE)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{house.url}/")
        await expect(page.locator(".lead")).to_have_text("Welcome back, A Reader.")


async def test_who_needs_a_second_factor_sets_one_up_on_the_way_in(house: House) -> None:
    house.api.needs_factor = True
    async with house.page("/sign-in") as page:
        await sign_in(page)
        await page.get_by_role("button", name="Set up an authenticator app").click()
        await expect(page.get_by_role("img")).to_be_visible()
        await page.get_by_label("Code from your authenticator app").fill(CODE)
        await page.get_by_role("button", name="Turn it on").click()
        await expect(page.locator("pre")).to_contain_text("0a2b-0c3d-0e4f")
        await page.get_by_role("button", name="I have kept it").click()
        await page.wait_for_url(f"{house.url}/")


async def test_who_comes_back_from_another_service_is_in_or_is_told_why_not(house: House) -> None:
    async with house.page("/sign-in/oidc#sign_in") as page:
        await expect(page.get_by_role("alert")).to_contain_text("did not confirm who you are")
        await page.goto(house.url + "/")
        await page.goto(house.url + "/sign-in/oidc#over")
        await expect(page.get_by_role("alert")).to_contain_text("it took too long")
        house.api.totp = True
        house.api.arrived = {
            "signed_in": None,
            "factor": house.api.ticket(),
            "next": "/account/sessions",
        }
        await page.goto(house.url + "/")
        await page.goto(house.url + "/sign-in/oidc#sign_in")
        await page.get_by_label("Code from your authenticator app").fill(CODE)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{house.url}/account/sessions")
        await page.goto(house.url + "/sign-in/oidc#link")
        await page.wait_for_url(f"{house.url}/account/security")
        await expect(page.locator("main")).to_contain_text("mei-on-github")


async def test_a_challenge_is_solved_beside_the_page(house: House) -> None:
    wanted = problem(403, "challenge_required", challenge=house.api.challenge())
    house.api.refuse["/auth/sign-in"] = deque([wanted])
    async with house.page("/sign-in") as page:
        await sign_in(page)
        await page.wait_for_url(f"{house.url}/")
    (_, _, first), (_, _, second) = [c for c in house.api.calls if c[1] == "/auth/sign-in"]
    assert "challenge" not in first
    assert second["challenge"]


async def test_a_passkey_is_made_and_signs_in_alone(house: House) -> None:
    async with inside(house, "/account/security") as page:
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_label("Name of the passkey").fill("My laptop")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("main")).to_contain_text("My laptop")
        await page.get_by_role("button", name="A Reader").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(f"{house.url}/")
        await page.goto(house.url + "/sign-in")
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url(f"{house.url}/")


async def test_signing_up_says_to_look_into_the_mail_and_shows_what_is_wrong(house: House) -> None:
    async with house.page("/sign-up") as page:
        await page.get_by_label("Name").fill("A Reader")
        await page.get_by_label("Email address").fill(EMAIL)
        await page.get_by_label("Password", exact=True).fill("short")
        await page.get_by_role("button", name="Create the account").click()
        await expect(page.get_by_role("alert")).to_have_text("use at least 15 characters")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Create the account").click()
        await expect(page.get_by_role("heading")).to_have_text("Look into your mail")
        await page.get_by_role("button", name="Send it again").click()
        await expect(page.get_by_role("status")).to_contain_text("another mail is on its way")
    sent = [body for _, path, body in house.api.calls if path == "/auth/sign-up"][-1]
    assert (sent["locale"], sent["display_name"]) == ("en", "A Reader")


async def test_an_invitation_is_taken_from_its_link_and_not_left_in_the_address(
    house: House,
) -> None:
    house.api.policy["registration"] = "invitation"
    async with house.page("/sign-up#invitation=secret-invitation") as page:
        await expect(page.get_by_label("Name")).to_be_visible()
        assert page.url == f"{house.url}/sign-up"
        await expect(page.get_by_label("Invitation")).to_have_count(0)
        await page.goto(house.url + "/")
        await page.goto(house.url + "/sign-up")
        await expect(page.get_by_label("Invitation")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "button"), [("/verify", "Open the account"), ("/confirm-email", "Use this address")]
)
async def test_a_link_from_a_mail_does_nothing_until_its_button_is_pressed(
    house: House, path: str, button: str
) -> None:
    async with house.page(f"{path}#token=good") as page:
        await expect(page.get_by_role("button", name=button)).to_be_visible()
        assert not any(method == "POST" for method, _, _ in house.api.calls)
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("button", name=button)).to_have_count(0)
    async with house.page(f"{path}#token=old") as page:
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("alert")).to_contain_text("This link is over")
    async with house.page(path) as page:
        await expect(page.locator("main")).to_contain_text("The link is not whole")


async def test_a_forgotten_password_is_replaced(house: House) -> None:
    async with house.page("/sign-in") as page:
        await page.get_by_role("link", name="Forgot the password?").click()
        await page.wait_for_url(f"{house.url}/forgot-password")
        await page.get_by_label("Email address").fill("nobody@example.org")
        await page.get_by_role("button", name="Send the link").click()
        await expect(page.locator("main")).to_contain_text("If there is an account of nobody")
        await page.goto(house.url + "/reset-password#token=good")
        await page.get_by_label("New password").fill(PASSWORD)
        await page.get_by_role("button", name="Use this password").click()
        await expect(page.locator("main")).to_contain_text("signed out everywhere")


async def test_the_first_administrator_is_made_by_the_link(house: House) -> None:
    async with house.page("/setup#token=good") as page:
        await page.get_by_label("Name").fill("A Reader")
        await page.get_by_label("Email address").fill(EMAIL)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Create the administrator").click()
        await page.wait_for_url(f"{house.url}/")


async def test_a_change_that_asks_who_it_is_waits_and_is_then_made(house: House) -> None:
    house.api.reauthenticate = True
    async with inside(house, "/account/security") as page:
        await page.get_by_role("button", name="Change the password").click()
        await page.get_by_label("New password").fill("another long enough password")
        await page.get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog", name="Is it you?")
        await dialog.get_by_label("Password").fill("wrong")
        await dialog.get_by_role("button", name="Go on").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("not right")
        await dialog.get_by_label("Password").fill(PASSWORD)
        await dialog.get_by_role("button", name="Go on").click()
        await expect(page.get_by_text("The new password is in use.")).to_be_visible()
    assert house.api.password == "another long enough password"


async def test_an_authenticator_app_is_set_up_and_its_recovery_codes_are_shown_once(
    house: House,
) -> None:
    async with inside(house, "/account/security") as page:
        await page.get_by_role("button", name="Set it up").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("img")).to_be_visible()
        await dialog.get_by_label("Code from").fill(CODE)
        await dialog.get_by_role("button", name="Turn it on").click()
        codes = page.get_by_role("dialog", name="Recovery codes")
        await expect(codes.locator("pre")).to_contain_text("0a2b-0c3d-0e4f")
        await page.keyboard.press("Escape")
        await expect(codes).to_be_visible()
        async with page.expect_download() as waiting:
            await codes.get_by_role("button", name="Save as a file").click()
        assert (await waiting.value).suggested_filename == "paifang-recovery-codes.txt"
        await codes.get_by_role("button", name="I have kept it").click()
        await expect(page.locator("main")).to_contain_text("Recovery codes left: 10")
        assert "0a2b" not in await page.content()


async def test_a_session_that_ends_loses_nothing_that_was_typed(house: House) -> None:
    async with inside(house) as page:
        name = page.get_by_label("Name")
        await name.fill("Typed before it ended")
        house.api.end()
        await page.get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog", name="Sign in to go on")
        await expect(dialog.get_by_label("Email address")).to_have_value(EMAIL)
        await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        await expect(name).to_have_value("Typed before it ended")
    assert house.api.profile["display_name"] == "Typed before it ended"


async def test_many_tabs_share_one_refresh_and_one_sign_out(house: House) -> None:
    async with inside(house) as page:
        others = [await page.context.new_page() for _ in range(4)]
        for other in others:
            await other.goto(house.url + "/account")
            await expect(other.get_by_label("Name")).to_have_value("A Reader")
        house.api.expire()
        house.api.calls.clear()
        for tab in [page, *others]:
            await tab.evaluate("document.querySelector('form').requestSubmit()")
        for tab in [page, *others]:
            await expect(tab.get_by_text("Saved")).to_be_visible()
        assert sum(path == "/auth/refresh" for _, path, _ in house.api.calls) == 1
        await page.get_by_role("button", name="A Reader").click()
        await page.get_by_role("button", name="Sign out").click()
        for tab in [page, *others]:
            await expect(tab).to_have_url(f"{house.url}/")
            await expect(tab.locator("header").get_by_role("link", name="Sign in")).to_be_visible()


async def test_a_picture_is_cut_and_drawn_anew(house: House) -> None:
    async with inside(house) as page:
        png = await page.evaluate(
            """() => { const c = document.createElement("canvas"); c.width = 300; c.height = 120;
            const x = c.getContext("2d"); x.fillStyle = "teal"; x.fillRect(0, 0, 300, 120);
            return c.toDataURL("image/png").split(",")[1]; }"""
        )
        picture = {"name": "me.png", "mimeType": "image/png", "buffer": base64.b64decode(png)}
        await page.locator("input[type=file]").set_input_files(picture)
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("img").press("ArrowLeft")
        await dialog.get_by_role("button", name="Use this picture").click()
        await expect(page.locator(".picture img")).to_be_visible()
        broken = {"name": "me.png", "mimeType": "image/png", "buffer": b"no picture"}
        await page.locator("input[type=file]").set_input_files(broken)
        await expect(page.get_by_role("alert")).to_contain_text("can't be read")


async def test_deleting_the_account_wants_its_address_typed(house: House) -> None:
    async with inside(house, "/account/data") as page:
        await page.get_by_role("button", name="Delete my account").click()
        dialog = page.get_by_role("dialog")
        do_it = dialog.get_by_role("button", name="Delete my account")
        await expect(do_it).to_be_disabled()
        await dialog.get_by_role("textbox").fill(EMAIL)
        await do_it.click()
        await page.wait_for_url(f"{house.url}/")
        await expect(page.get_by_text("Your account is deleted.")).to_be_visible()


async def test_a_page_that_fails_shows_the_request_id_and_can_be_tried_again(house: House) -> None:
    house.api.refuse["/account/sessions"] = deque([problem(500, "internal") for _ in range(3)])
    async with inside(house, "/account/sessions") as page:
        failed = page.get_by_role("alert")
        await expect(failed).to_have_text(re.compile("Request ID [0-9a-f]{32}"))
        await page.get_by_role("button", name="Try again").click()
        await expect(failed).to_have_count(0)


OPEN = ["/", "/start", "/sign-in", "/sign-up", "/forgot-password", "/reset-password#token=good"]
OPEN += ["/verify#token=good", "/setup#token=good", "/nowhere"]
OWN = ["/account", "/account/security", "/account/sessions", "/account/data", "/console"]


async def check(page: Page) -> None:
    """No barrier that axe knows (WCAG 2.2 A and AA), and nothing wider than the window."""
    await page.wait_for_load_state("networkidle")
    await page.evaluate(AXE.read_text() + "; undefined")
    found = await page.evaluate(
        """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
        "wcag22aa", "best-practice"] })).violations.map((v) => [v.id, v.nodes.map((n) =>
        n.html.slice(0, 160))])"""
    )
    assert found == [], page.url
    assert await too_wide(page) == 0, page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
async def test_no_page_has_a_barrier(house: House, scheme: str, *, phone: bool) -> None:
    house.api.sessions = [
        {
            "id": str(number),
            "created_at": "2026-11-20T08:00:00Z",
            "used_at": "2026-11-29T20:00:00Z",
            "expires_at": "2027-01-01T00:00:00Z",
            "authenticated_at": "2026-11-20T08:00:00Z",
            "methods": ["password"],
            "address": "2001:db8:85a3::8a2e:370:7334",
            "agent": "Mozilla/5.0",
            "device": "Firefox on Linux",
            "place": None,
            "current": number == 0,
        }
        for number in range(2)
    ]
    house.api.profile["display_name"] = "A Person With A Rather Long Name " * 2
    pages = {"id": "gateway.tokens", "kind": "page", "titles": {"en": "Tokens"}, "icon": "key"}
    house.api.menu = [
        {**pages, "name": "gateway.tokens", "path": "/gateway/tokens", "children": []}
    ]
    options = {**(PHONE if phone else {}), "color_scheme": scheme}
    async with house.page("/", **options) as page:
        for path in OPEN:
            await page.goto(house.url + path)
            await check(page)
        await page.goto(house.url + "/sign-in")
        await sign_in(page)
        await page.wait_for_url(f"{house.url}/")
        for path in OWN:
            await page.goto(house.url + path)
            await check(page)
        await page.keyboard.press("Control+K")
        await check(page)
