"""One's own account: the ways in and back in, its address, its picture, its end.

Mail leaves the house here, and another service vouches for people.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from doubles.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, Somebody
from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble
from doubles.smtp import HOST, Postbox, smtp_server
from e2e.stories.house import PASSWORD, PATIENCE, SETTINGS, House, code_now, open_house
from paifang.modules.accounts.pictures import SIDE

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: own account"),  # one site and one browser for the file
]
KEY_RING = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


@pytest.fixture(scope="module")
def box() -> Postbox:
    """What the mail server has taken."""
    return Postbox()


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    """The other service."""
    with IdentityProvider() as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(  # noqa: PLR0917  # fixtures come by their names
    reference: None,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
    upstream: OpenAIDouble,
    box: Postbox,
    provider: IdentityProvider,
) -> AsyncIterator[House]:
    """A site with a mail server and another service to sign in by."""
    company = {"id": "company", "name": "The Company", "issuer": provider.issuer}
    company |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    async with smtp_server(box) as port:
        settings = {
            **SETTINGS,
            "PAIFANG_MAIL_SMTP_URL": f"smtp://{HOST}:{port}?starttls=never",
            "PAIFANG_OIDC_PROVIDERS": json.dumps([company]),
        }
        installation = Installation(tmp_path_factory.mktemp("house"), **settings)
        async with open_house(installation, browser, upstream.url) as house:
            yield house


async def mailed(box: Postbox, to: str, words: str) -> str:
    """The text of a mail with these words, once it has been sent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for mail in box.received:
                text = str(mail.get_body(("plain",)).get_content())
                if to in mail["to"] and words in text:
                    return text
            await asyncio.sleep(0.05)


async def mailed_link(house: House, box: Postbox, to: str, path: str) -> str:
    """A link of a mail to one of our pages."""
    text = await mailed(box, to, f"{house.url}{path}")
    (link,) = [word for word in text.split() if word.startswith(f"{house.url}{path}")]
    return link


async def test_a_passkey_signs_in_alone(house: House) -> None:
    person = await house.person("Key Holder")
    async with house.inside(person, "/account/security") as page:
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY_RING})
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_label("Name of the passkey").fill("My laptop")
        await page.get_by_role("button", name="Save").click()
        codes = page.get_by_role("dialog", name="Recovery codes")
        await expect(codes.locator("pre")).to_be_visible()
        await codes.get_by_role("button", name="I have kept it").click()
        await expect(page.locator("main")).to_contain_text("My laptop")

        await house.sign_out(page, person)
        await page.goto(f"{house.url}/sign-in?next=/account/security")
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url(f"{house.url}/account/security")
        await expect(page.get_by_role("button", name=person.name)).to_be_visible()

        # The password is the first of two steps now, and the passkey the second.
        await house.sign_out(page, person)
        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        await second_step(page)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url(f"{house.url}/")

        # Without the device nobody comes in by it.
        await house.sign_out(page, person)
        await session.send(
            "WebAuthn.clearCredentials", {"authenticatorId": made["authenticatorId"]}
        )
        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        await second_step(page)
        await page.get_by_role("button", name="Use a recovery code").click()
        await expect(page.get_by_label("Recovery code")).to_be_focused()


async def second_step(page: Page) -> None:
    """The password was right, and is not enough."""
    await expect(page.get_by_role("button", name="Start again")).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_have_count(0)


@dataclass(frozen=True)
class App:
    """An authenticator app, with the code by which it was set up."""

    secret: str
    code: str


async def set_up_an_app(page: Page) -> tuple[App, list[str]]:
    """On the security page; the app, and the recovery codes."""
    await page.get_by_role("button", name="Set it up").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("img")).to_be_visible()
    secret = (await dialog.locator(".secret code").inner_text()).replace(" ", "")
    await dialog.get_by_label("Code from").fill("000000")
    await dialog.get_by_role("button", name="Turn it on").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("not right")
    app = App(secret, code_now(secret))
    await dialog.get_by_label("Code from").fill(app.code)
    await dialog.get_by_role("button", name="Turn it on").click()
    codes = page.get_by_role("dialog", name="Recovery codes")
    shown = (await codes.locator("pre").inner_text()).split()
    await page.keyboard.press("Escape")
    await expect(codes).to_be_visible()
    async with page.expect_download() as waiting:
        await codes.get_by_role("button", name="Save as a file").click()
    file = await (await waiting.value).path()
    assert file.read_text().split() == shown
    await codes.get_by_role("button", name="I have kept it").click()
    await expect(page.locator("main")).to_contain_text("Recovery codes left: 10")
    assert shown[0] not in await page.content(), "codes are shown once"
    return app, shown


async def test_an_app_asks_for_its_code_beside_the_password_and_a_recovery_code_opens_once(
    house: House, box: Postbox
) -> None:
    person = await house.person("App Holder")
    refused = (r"/account/totp/confirm", r"/auth/sign-in/(totp|recovery-code)")
    async with house.inside(person, "/account/security", *refused) as page:
        app, codes = await set_up_an_app(page)
        await house.sign_out(page, person)

        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        code = page.get_by_label("Code from your authenticator app")
        await expect(code).to_be_focused()
        # The code that set the app up has been used.
        await code.fill(app.code)
        await code.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await code.fill(code_now(app.secret, later=1))
        await code.press("Enter")
        await page.wait_for_url(f"{house.url}/")
        await house.sign_out(page, person)

        async def by_recovery_code(value: str) -> None:
            await page.goto(f"{house.url}/sign-in")
            await house.sign_in(page, person)
            await page.get_by_role("button", name="Use a recovery code").click()
            await page.get_by_label("Recovery code").fill(value)
            await page.get_by_role("button", name="Sign in").click()

        await by_recovery_code(codes[0])
        await page.wait_for_url(f"{house.url}/")
        assert await mailed(box, person.email, "recovery code was used")
        await page.goto(f"{house.url}/account/security")
        await expect(page.locator("main")).to_contain_text("Recovery codes left: 9")
        await house.sign_out(page, person)
        await by_recovery_code(codes[0])
        await expect(page.get_by_role("alert")).to_contain_text("has been used")
        await page.get_by_label("Recovery code").fill(codes[1])
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{house.url}/")


async def test_who_needs_a_second_factor_sets_one_up_on_the_way_in(house: House) -> None:
    """Whoever makes the rule must have a second factor; here it is the administrator key's."""
    person = await house.person("Newcomer")
    rule = "/accounts/settings/second-factor"
    await house.call("PUT", rule, {"rule": "everybody"})
    try:
        async with house.visitor().page("/sign-in") as page:
            await house.sign_in(page, person)
            await page.get_by_role("button", name="Set up an authenticator app").click()
            await expect(page.get_by_role("img")).to_be_visible()
            secret = (await page.locator(".secret code").inner_text()).replace(" ", "")
            await page.get_by_label("Code from your authenticator app").fill(code_now(secret))
            await page.get_by_role("button", name="Turn it on").click()
            await expect(page.locator("pre")).to_be_visible()
            await page.get_by_role("button", name="I have kept it").click()
            await page.wait_for_url(f"{house.url}/")
            await expect(page.locator(".lead")).to_contain_text(person.name)
    finally:
        await house.call("PUT", rule, {"rule": "off"})


async def test_a_forgotten_password_is_replaced_by_mail_and_ends_the_sessions_before(
    house: House, box: Postbox
) -> None:
    person = await house.person("Forgetful")
    new = "another long enough sentence"
    async with (
        house.inside(person, "/account", r"/account|/auth/refresh") as before,
        house.visitor(r"/auth/(sign-in|password)").page("/sign-in") as page,
    ):
        await page.get_by_role("link", name="Forgot the password?").click()
        await page.wait_for_url(f"{house.url}/forgot-password")
        for email in ("nobody@example.org", person.email):
            await page.goto(f"{house.url}/forgot-password")
            await page.get_by_label("Email address").fill(email)
            await page.get_by_role("button", name="Send the link").click()
            # The same words, whether there is an account or not.
            told = page.locator("main")
            await expect(told).to_contain_text(f"If there is an account of {email}")
        link = await mailed_link(house, box, person.email, "/reset-password#")
        await page.goto(link)
        await page.get_by_label("New password").fill("short")
        await page.get_by_role("button", name="Use this password").click()
        await expect(page.get_by_role("alert")).to_contain_text("15 characters")
        await page.get_by_label("New password").fill(new)
        await page.get_by_role("button", name="Use this password").click()
        await expect(page.locator("main")).to_contain_text("signed out everywhere")

        await before.get_by_role("button", name="Save").click()
        await expect(before.get_by_role("dialog", name="Sign in to go on")).to_be_visible()

        await page.get_by_role("link", name="Sign in").first.click()
        await house.sign_in(page, person, PASSWORD)
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await house.sign_in(page, person, new)
        await page.wait_for_url(f"{house.url}/")
        await page.goto(link)
        await page.get_by_label("New password").fill("yet another long sentence")
        await page.get_by_role("button", name="Use this password").click()
        await expect(page.get_by_role("alert")).to_contain_text("This link is over")


async def test_after_wrong_passwords_a_proof_of_work_is_done_beside_the_page(house: House) -> None:
    person = await house.person("Fat Fingered")
    answers: list[int] = []
    async with house.visitor(r"/auth/sign-in").page("/sign-in") as page:
        page.on(
            "response",
            lambda answer: answer.url.endswith("/auth/sign-in") and answers.append(answer.status),
        )
        for _ in range(3):
            await house.sign_in(page, person, "not the password")
            await expect(page.get_by_role("alert")).to_contain_text("not right")
        await house.sign_in(page, person)
        await page.wait_for_url(f"{house.url}/")
    # Refused without a proof, and let in when it was sent again with one.
    assert answers[-2:] == [403, 200]


async def test_an_invitation_is_taken_from_its_link_and_not_left_in_the_address(
    house: House,
) -> None:
    invited = {"email": "invited@example.org", "display_name": "Invited"}
    link = (await house.call("POST", "/accounts/users", invited))["invitation_link"]
    settings = await house.call("GET", "/accounts/settings")
    await house.call("PUT", "/accounts/settings", settings | {"registration": "invitation"})
    try:
        async with house.visitor().page(link.removeprefix(house.url)) as page:
            await expect(page.get_by_label("Name")).to_be_visible()
            await expect(page).to_have_url(f"{house.url}/sign-up")
            await expect(page.get_by_label("Invitation")).to_have_count(0)
            await page.get_by_label("Name").fill("Invited")
            await page.get_by_label("Email address").fill("invited@example.org")
            await page.get_by_label("Password", exact=True).fill(PASSWORD)
            await page.get_by_role("button", name="Create the account").click()
            await page.wait_for_url(f"{house.url}/")  # the mail has proved the address
        async with house.visitor().page("/sign-up") as page:
            await expect(page.get_by_label("Invitation")).to_be_visible()
    finally:
        await house.call("PUT", "/accounts/settings", settings)


async def test_another_service_lets_in_who_is_linked_and_the_second_factor_is_asked_for(
    house: House, provider: IdentityProvider
) -> None:
    person = await house.person("Linked")
    provider.person = Somebody(subject="1", email="linked.there@example.com", name="Linked There")
    away = (rf"leaves the site: {provider.url}", r"/auth/(oidc|sign-in)", r"totp/confirm")
    async with house.inside(person, "/account/security", *away) as page:
        await page.get_by_role("button", name="Link", exact=True).click()
        await page.wait_for_url(f"{house.url}/account/security")
        await expect(page.locator("main")).to_contain_text("linked.there@example.com")
        app, _ = await set_up_an_app(page)
        await house.sign_out(page, person)

        with provider.broken(error="access_denied"):
            await page.goto(f"{house.url}/sign-in?next=/account/sessions")
            await page.get_by_role("link", name="Sign in with The Company").click()
            await expect(page.get_by_role("alert")).to_contain_text("did not")
        await page.goto(f"{house.url}/sign-in?next=/account/sessions")
        await page.get_by_role("link", name="Sign in with The Company").click()
        await page.get_by_label("Code from your authenticator app").fill(
            code_now(app.secret, later=1)
        )
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{house.url}/account/sessions")
        # The trip counts once.
        await page.goto(f"{house.url}/sign-in/oidc#sign_in")
        await expect(page.get_by_role("alert")).to_be_visible()


async def test_a_new_address_counts_once_its_mail_is_answered_and_the_old_one_can_take_it_back(
    house: House, box: Postbox
) -> None:
    person = await house.person("Moving")
    new = "moved@example.org"
    async with house.inside(person, "/account", r"/auth/|/account") as page:
        await page.get_by_label("New address").fill(new)
        await page.get_by_role("button", name="Change the address").click()
        await expect(page.locator("main")).to_contain_text(f"A mail is on its way to {new}")
        await page.goto(await mailed_link(house, box, new, "/confirm-email#"))
        await page.get_by_role("button", name="Use this address").click()
        await expect(page.locator("main")).to_contain_text("The new address is in use")
        await page.goto(f"{house.url}/account")
        await expect(page.locator("main")).to_contain_text(new)

        await page.goto(await mailed_link(house, box, person.email, "/keep-email#"))
        await page.get_by_role("button", name="Take the change back").click()
        await expect(page.locator("main")).to_contain_text("The old address is in use again")
        # Whoever changed it may still be there: every session has ended.
        await page.goto(f"{house.url}/account")
        await page.wait_for_url(f"{house.url}/sign-in?next=/account")
        await house.sign_in(page, person)
        await page.wait_for_url(f"{house.url}/account")


async def test_a_picture_is_cut_and_drawn_anew(house: House) -> None:
    person = await house.person("Pictured")
    async with house.inside(person, "/account") as page:
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
        shown = page.locator(".picture img")
        await expect(shown).to_have_js_property("naturalWidth", SIDE)
        await page.reload()
        await expect(shown).to_have_js_property("naturalWidth", SIDE)
        broken = {"name": "me.png", "mimeType": "image/png", "buffer": b"no picture"}
        await page.locator("input[type=file]").set_input_files(broken)
        await expect(page.get_by_role("alert")).to_contain_text("can't be read")


async def test_deleting_the_account_wants_its_address_typed_and_is_for_good(house: House) -> None:
    person = await house.person("Leaving")
    async with house.inside(person, "/account/data", r"/auth/") as page:
        await page.get_by_role("button", name="Delete my account").click()
        dialog = page.get_by_role("dialog")
        do_it = dialog.get_by_role("button", name="Delete my account")
        await expect(do_it).to_be_disabled()
        await dialog.get_by_role("textbox").fill(person.email)
        await do_it.click()
        await page.wait_for_url(f"{house.url}/")
        await expect(page.get_by_text("Your account is deleted.")).to_be_visible()
        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        await expect(page.get_by_role("alert")).to_contain_text("not right")


async def test_a_page_that_fails_shows_the_request_id_and_can_be_tried_again(house: House) -> None:
    person = await house.person("Unlucky")
    failure = {"status": 500, "code": "internal", "title": "", "detail": "", "request_id": "4" * 32}
    async with house.inside(person, "/account", r"status of 500") as page:
        sessions = "**/api/v1/account/sessions"
        await page.route(
            sessions,
            lambda route: route.fulfill(
                status=500, json=failure, content_type="application/problem+json"
            ),
        )
        await page.goto(f"{house.url}/account/sessions")
        failed = page.get_by_role("alert")
        await expect(failed).to_contain_text(f"Request ID {'4' * 32}", timeout=30_000)
        await page.unroute(sessions)
        await page.get_by_role("button", name="Try again").click()
        await expect(failed).to_have_count(0)
        await expect(page.locator("main")).to_contain_text("This one")
