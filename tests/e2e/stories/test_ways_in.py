"""The ways into an account beside a password, and the way back into it; mail leaves the house."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble
from doubles.smtp import HOST, Postbox, smtp_server
from e2e.stories.house import PASSWORD, PATIENCE, SETTINGS, House, code_now, open_house

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: ways in"),  # one site and one browser for the file
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    reference: None,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
    upstream: OpenAIDouble,
    box: Postbox,
) -> AsyncIterator[House]:
    """A site with a mail server."""
    async with smtp_server(box) as port:
        settings = {**SETTINGS, "PAIFANG_MAIL_SMTP_URL": f"smtp://{HOST}:{port}?starttls=never"}
        installation = Installation(tmp_path_factory.mktemp("house"), **settings)
        async with open_house(installation, browser, upstream.url) as house:
            yield house


async def mailed(box: Postbox, to: str, subject: str) -> str:
    """The text of a mail, once it has been sent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for mail in box.received:
                if to in mail["to"] and subject in mail["subject"]:
                    return str(mail.get_body(("plain",)).get_content())
            await asyncio.sleep(0.05)


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
        await session.send("WebAuthn.clearCredentials", {"authenticatorId": made["authenticatorId"]})
        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        await second_step(page)
        await page.get_by_role("button", name="Use a recovery code").click()
        await expect(page.get_by_label("Recovery code")).to_be_focused()


async def second_step(page: Page) -> None:
    """The password was right, and is not enough."""
    await expect(page.get_by_role("button", name="Start again")).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_have_count(0)


async def set_up_an_app(page: Page) -> tuple[str, list[str]]:
    """On the security page; the app's secret, and the recovery codes."""
    await page.get_by_role("button", name="Set it up").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("img")).to_be_visible()
    secret = (await dialog.locator(".secret code").inner_text()).replace(" ", "")
    await dialog.get_by_label("Code from").fill("000000")
    await dialog.get_by_role("button", name="Turn it on").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("not right")
    await dialog.get_by_label("Code from").fill(code_now(secret))
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
    return secret, shown


async def test_an_app_asks_for_its_code_beside_the_password_and_a_recovery_code_opens_once(
    house: House, box: Postbox
) -> None:
    person = await house.person("App Holder")
    refused = (r"/account/totp/confirm", r"/auth/sign-in/(totp|recovery-code)")
    async with house.inside(person, "/account/security", *refused) as page:
        secret, codes = await set_up_an_app(page)
        await house.sign_out(page, person)

        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person)
        code = page.get_by_label("Code from your authenticator app")
        await expect(code).to_be_focused()
        # The code that set the app up has been used.
        await code.fill(code_now(secret))
        await code.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await code.fill(code_now(secret, later=1))
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
        assert await mailed(box, person.email, "recovery code")  # whoever used it, they are told
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
        text = await mailed(box, person.email, "password")
        (link,) = [word for word in text.split() if word.startswith(house.url)]
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
