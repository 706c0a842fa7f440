"""How it looks and reads with data in it: languages, day and night, a phone, and no barriers."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from doubles.installation import ADMIN_KEY, Installation
from doubles.openai_upstream import OpenAIDouble
from e2e.stories.house import (
    SETTINGS,
    House,
    Person,
    has_no_barrier,
    open_house,
)
from e2e.visitor import PHONE, too_wide
from scripts.seed import Seed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: looks"),  # one site and one browser for the file
]
CHINESE = re.compile("[\u4e00-\u9fff]|Team A")  # the team has no other name
OPEN = ["/", "/start", "/sign-in", "/sign-up", "/forgot-password", "/reset-password#token=x"]
OPEN += ["/verify#token=x", "/setup#token=x", "/nowhere"]
PORTAL = ["/", "/tokens", "/models", "/usage", "/logs", "/teams", "/teams/{team}"]
PORTAL += ["/account", "/account/security", "/account/sessions", "/account/data"]
CONSOLE = ["overview", "groups", "groups/{team}", "tokens", "channels", "models", "logs"]
INSIDE = ["/console", *(f"/console/gateway/{page}" for page in CONSOLE)]
INSIDE += ["/console/system/mail/inbox", "/console/system/mail/outgoing", "/forbidden"]


@dataclass
class Seeded:
    """The house with a week's work in it."""

    house: House
    owner: Person
    team: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded(
    reference: None,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
    upstream: OpenAIDouble,
) -> AsyncIterator[Seeded]:
    installation = Installation(
        tmp_path_factory.mktemp("house"), **SETTINGS | {"PAIFANG_ACCOUNTS_CHALLENGE_NUMBER": "0"}
    )
    async with open_house(installation, browser, upstream.url) as house:
        with Seed(house.url, installation.home, ADMIN_KEY, days=7, calls_a_day=20) as seed:
            made = await asyncio.to_thread(seed.all)
        yield Seeded(house, Person("", made["administrator"], "The Owner"), made["team"])


async def paint(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def test_a_language_and_a_theme_are_kept_over_reloads_and_signing_in(seeded: Seeded) -> None:
    house = seeded.house
    words = {"en": "My tokens", "zh-CN": "我的令牌", "zh-TW": "我的權杖"}
    async with house.visitor().page("/sign-in?next=/tokens", color_scheme="light") as page:
        day = await paint(page)
        await page.get_by_role("button", name="Dark").click()
        night = await paint(page)
        assert night != day
        await page.locator("[data-language=zh-TW]").click()
        await house.sign_in(page, seeded.owner)
        await page.wait_for_url(f"{house.url}/tokens")
        for language, heading in words.items():
            await page.locator(f"[data-language={language}] >> visible=true").click()
            for path, where in (("/tokens", "h1"), ("/console/gateway/tokens", "h1")):
                await page.goto(house.url + path)
                await page.reload()
                assert await page.locator("html").get_attribute("lang") == language
                await expect(page.locator(where).first).to_be_visible()
                assert await paint(page) == night
            await page.goto(f"{house.url}/tokens")
            await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        await page.locator("button.theme").click()
        await page.reload()
        assert await paint(page) == day


@pytest.mark.parametrize(("language", "paths"), [("zh-CN", PORTAL), ("zh-TW", INSIDE)])
async def test_every_page_fits_a_phone_in_chinese(
    seeded: Seeded, language: str, paths: list[str]
) -> None:
    house = seeded.house
    async with house.inside(seeded.owner, locale=language, **PHONE) as page:
        for path in paths:
            await page.goto(house.url + path.format(team=seeded.team))
            await page.wait_for_load_state("networkidle")
            await expect(page.get_by_role("heading", level=1)).to_have_text(CHINESE)
            assert await too_wide(page) == 0, path


@pytest.mark.parametrize(
    ("scheme", "phone"), [("light", False), ("dark", True)], ids=["wide by day", "phone by night"]
)
async def test_no_page_has_a_barrier_or_scrolls_sideways(
    seeded: Seeded, scheme: str, *, phone: bool
) -> None:
    house = seeded.house
    options: dict[str, Any] = {**(PHONE if phone else {}), "color_scheme": scheme}
    async with house.visitor(r"status of 404").page("/", **options) as page:
        for path in OPEN:
            await page.goto(house.url + path)
            await has_no_barrier(page)
    async with house.inside(seeded.owner, "/", **options) as page:
        for path in PORTAL + INSIDE:
            await page.goto(house.url + path.format(team=seeded.team))
            await has_no_barrier(page)
        # What opens above a page.
        await page.goto(f"{house.url}/tokens")
        await page.get_by_role("button", name="Make a token").first.click()
        await page.get_by_label("Name", exact=True).fill(f"desk {scheme}")
        await has_no_barrier(page)
        await page.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_role("dialog", name=f"The key of desk {scheme}")).to_be_visible()
        await has_no_barrier(page)
        for place in ("gateway/logs", "system/mail/inbox"):
            await page.goto(f"{house.url}/console/{place}")
            await page.locator("tbody").get_by_role("button").first.click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await has_no_barrier(page)
        await page.goto(f"{house.url}/console")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.keyboard.press("Control+K")
        await page.get_by_role("dialog").get_by_role("combobox").fill("team")
        await has_no_barrier(page)
