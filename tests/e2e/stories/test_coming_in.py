"""From the first start to the first call that is answered and counted, on SQLite and PostgreSQL.

The command people type, its link, its mails by its own worker, and the ``openai`` package.
"""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from playwright.async_api import Browser, Locator, Page, expect

from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble
from e2e.stories.house import MODEL, PASSWORD, SETTINGS, House, Person, open_house
from plugins.databases import own_database
from plugins.others import empty

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: coming in"),  # its sites and one browser for the file
]
BOTH = [
    pytest.param("sqlite", marks=pytest.mark.needs("sqlite"), id="sqlite"),
    pytest.param(
        "postgresql", marks=pytest.mark.needs("postgresql", "redis"), id="postgresql and redis"
    ),
]
LINK = re.compile(r"http://localhost:\d+/setup#token=\S+")
OWNER = Person("", "owner@example.org", "An Owner")
GUEST = Person("", "guest@example.org", "A Guest")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BOTH)
async def house(
    request: pytest.FixtureRequest,
    reference: None,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
    upstream: OpenAIDouble,
) -> AsyncIterator[House]:
    """``paifang up`` in an empty folder; once with PostgreSQL and Redis."""
    folder = tmp_path_factory.mktemp("house")
    if request.param == "sqlite":
        async with open_house(Installation(folder, **SETTINGS), browser, upstream.url) as house:
            yield house
        return
    redis = request.getfixturevalue("_redis_database")
    name = f"{request.getfixturevalue('worker_name')}_stories"
    async with own_database("postgresql", name) as url:
        address = url.render_as_string(hide_password=False)
        grown = {**SETTINGS, "PAIFANG_DB_URL": address, "PAIFANG_REDIS_URL": redis}
        async with open_house(Installation(folder, **grown), browser, upstream.url) as house:
            yield house
        empty(redis)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(house: House) -> AsyncIterator[Page]:
    """The first administrator, made by the link that the start has printed."""
    found = LINK.search(house.up.text)
    assert found, f"no link was printed:\n{house.up.text}"
    async with house.visitor().page(found[0].removeprefix(house.url)) as page:
        await page.get_by_label("Name").fill(OWNER.name)
        await page.get_by_label("Email address").fill(OWNER.email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Create the administrator").click()
        await page.wait_for_url(f"{house.url}/")
        yield page


async def test_the_printed_link_makes_an_administrator_once_and_leads_into_the_console(
    house: House, owner: Page
) -> None:
    await owner.goto(house.url)
    await owner.get_by_role("button", name=OWNER.name).click()
    await owner.get_by_role("link", name="Console").click()
    menu = owner.get_by_role("navigation", name="Menu")
    for name in ("Overview", "Channels", "Models and prices", "Mail inbox"):
        await expect(menu.get_by_role("link", name=name, exact=True)).to_be_visible()
    await menu.get_by_role("link", name="Channels").click()
    await expect(owner.get_by_role("row").filter(has_text="double")).to_be_visible()

    found = LINK.search(house.up.text)
    assert found
    async with house.visitor(r"/auth/setup").page(found[0].removeprefix(house.url)) as page:
        await expect(page).to_have_url(f"{house.url}/setup")  # the secret stays in no address
        await page.get_by_label("Name").fill("Another")
        await page.get_by_label("Email address").fill("another@example.org")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Create the administrator").click()
        await expect(page.get_by_role("alert")).to_contain_text("This link is over")
    status, text = await house.installation.command("accounts", "setup-link")
    assert status == 1
    assert "administrator" in text
    assert not LINK.search(text)


async def test_who_signs_up_gets_a_mail_opens_the_account_with_it_and_signs_in(
    house: House, owner: Page
) -> None:
    async with house.visitor(r"/auth/(sign-up|verify|refresh)").page() as page:
        await page.get_by_role("link", name="Create an account").click()
        await page.get_by_label("Name").fill(GUEST.name)
        await page.get_by_label("Email address").fill(GUEST.email)
        await page.get_by_label("Password", exact=True).fill("short")
        await page.get_by_role("button", name="Create the account").click()
        await expect(page.get_by_role("alert")).to_contain_text("15 characters")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Create the account").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")

        # The administrator finds the mail in the console and reads its link.
        await house.has_mail(GUEST.email)
        await owner.goto(f"{house.url}/console/system/mail/inbox")
        await owner.get_by_role("row").filter(has_text=GUEST.email).get_by_role("button").click()
        links = owner.get_by_role("list", name="Links in this mail").get_by_role("link")
        link = await links.first.get_attribute("href")
        assert link

        # A program that looks through mails opens the link, and opens nothing else.
        await page.goto(link)
        await expect(page).to_have_url(f"{house.url}/verify")  # the secret stays in no address
        opened = page.get_by_role("button", name="Open the account")
        await expect(opened).to_be_visible()
        (waiting,) = (await house.call("GET", "/accounts/users?search=guest"))["items"]
        assert (waiting["status"], waiting["email_verified_at"]) == ("pending", None)
        await opened.click()
        await page.wait_for_url(f"{house.url}/")
        await expect(page.locator(".lead")).to_contain_text(GUEST.name)

        await house.sign_out(page, GUEST)
        await page.goto(link)
        await page.get_by_role("button", name="Open the account").click()
        await expect(page.get_by_role("alert")).to_contain_text("This link is over")

        await page.goto(f"{house.url}/account/sessions")
        await page.wait_for_url(f"{house.url}/sign-in?next=/account/sessions")
        await house.sign_in(page, GUEST)
        await page.wait_for_url(f"{house.url}/account/sessions")
        await page.reload()
        await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        assert "eyJ" not in kept, "an access token is in the browser's storage"


async def test_a_token_of_the_portal_is_answered_and_its_call_is_in_usage_and_logs(
    house: House,
) -> None:
    writer = await house.person("A Writer")
    async with house.inside(writer, "/tokens") as page:
        await page.get_by_role("button", name="Make a token").first.click()
        await page.get_by_label("Name", exact=True).fill("laptop")
        await page.get_by_role("button", name="Create", exact=True).click()
        shown = page.get_by_role("dialog", name="The key of laptop")
        key = await shown.locator("pre").first.inner_text()
        await shown.get_by_role("button", name="I have kept it").click()
        await expect(page.get_by_role("row").filter(has_text="laptop")).to_be_visible()
        assert key not in await page.content(), "a key is shown once"

        async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0) as client:
            assert [model.id async for model in client.models.list()] == [MODEL]
            answer = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "What is a paifang?"}]
            )
        assert answer.choices[0].message.content == "word0 word1 word2 "
        assert answer.usage
        cost = (answer.usage.prompt_tokens * 25 + answer.usage.completion_tokens * 100) / 10_000

        await page.get_by_role("link", name="Logs", exact=True).click()
        call = page.get_by_role("row").filter(has_text=MODEL)
        await _seen(page, call)
        await expect(call).to_contain_text("laptop")
        await expect(call).to_contain_text(f"{cost:.2f}")

        await page.get_by_role("link", name="Usage", exact=True).click()
        await expect(page.get_by_role("button", name="Cost")).to_contain_text(f"{cost:.2f}")
        await expect(page.get_by_role("button", name="Calls")).to_contain_text("1")
        await expect(page.locator("main")).to_contain_text(MODEL)

        await page.get_by_role("link", name="Tokens", exact=True).click()
        row = page.get_by_role("row").filter(has_text="laptop")
        await expect(row).to_contain_text(f"{cost:.2f}")


async def _seen(page: Page, call: Locator) -> None:
    """A call is in the logs a moment after its answer: look again until it is."""
    none_yet = page.get_by_text("No calls yet")
    await expect(call.or_(none_yet)).to_be_visible()
    while await none_yet.is_visible():
        await page.reload()
        await expect(call.or_(none_yet)).to_be_visible()
