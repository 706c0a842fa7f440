"""The console's pages about access in a real browser: who may do what, given and explained."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from docs.markdown import ROOT
from e2e.visitor import ADMIN_KEY, PHONE, Site, Visitor, too_wide

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: access"),  # one site and one browser for the file
    pytest.mark.usefixtures("reference"),
]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "seven lanterns over the old gate"
CONSOLE = "/console/access"
REFUSED = r"status of 409"


@dataclass
class People:
    """Who is in the house."""

    api: httpx.AsyncClient
    ids: dict[str, str]

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the administrator key that has to succeed."""
        answer = await self.api.request(method, path, json=body)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json() if answer.content else None

    async def enter(self, site: Site, browser: Browser, name: str) -> None:
        """Make an account and sign up by its invitation, as anybody does."""
        email = f"{name}@example.org"
        made = await self.call("POST", "/accounts/users", {"email": email, "display_name": name})
        context = await browser.new_context(locale="en-US")
        page = await context.new_page()
        _, _, invitation = made["invitation_link"].partition("#")
        await page.goto(f"{site.url}/sign-up#{invitation}")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Email address").fill(email)
        await page.locator("input[type=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile(r"^(?!.*sign-up)"))
        self.ids[name] = made["user"]["id"]
        await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(site: Site, browser: Browser) -> AsyncIterator[People]:
    """An owner, and a member without any role."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=f"{site.url}/api/v1", headers=headers) as api:
        found = People(api, {})
        for name in ("owner", "reader"):
            await found.enter(site, browser, name)
        roles = (await found.call("GET", "/access/roles"))["items"]
        ids = [role["id"] for role in roles if role["code"] == "administrator"]
        await found.call("PUT", f"/accounts/users/{found.ids['owner']}/roles", {"role_ids": ids})
        yield found


@asynccontextmanager
async def signed_in(visitor: Visitor, name: str, path: str, **options) -> AsyncIterator[Page]:
    """A page as somebody sees it who has signed in."""
    async with visitor.page(f"/sign-in?next={path}", **options) as page:
        await page.get_by_label("Email address").fill(f"{name}@example.org")
        await page.locator("input[type=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{visitor.site.url}{path}")
        yield page


def row(page: Page, text: str) -> Any:
    return page.locator("tbody tr").filter(has_text=text)


async def press(page: Page, text: str, action: str) -> None:
    """An action of a row; they show where the pointer is."""
    await row(page, text).hover()
    await row(page, text).get_by_role("button", name=action, exact=True).click()


@pytest.mark.usefixtures("people")
async def test_a_role_is_made_by_keyboard_given_and_explained(visitor: Visitor) -> None:
    async with signed_in(visitor, "owner", f"{CONSOLE}/roles") as page:
        await page.get_by_role("button", name="New role").click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Name", exact=True).fill("Log reader")
        await form.get_by_label("Code").fill("log-reader")
        await form.get_by_placeholder("Search permissions").fill("logs")
        await expect(form.locator(".tree section")).to_have_count(1)
        await page.keyboard.press("ArrowDown")  # the gateway, then its logs
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Space")
        await expect(form.get_by_text(re.compile(r"^2 of"))).to_be_visible()
        await form.get_by_role("button", name="Create").click()
        await expect(row(page, "log-reader").locator("td").nth(3)).to_have_text("2")

        await press(page, "log-reader", "Who holds it")
        drawer = page.get_by_role("dialog")
        await drawer.get_by_label("Give it to").fill("reader")
        await page.get_by_role("option").filter(has_text="reader@example.org").click()
        await drawer.get_by_role("button", name="Give", exact=True).click()
        await expect(drawer.get_by_role("listitem")).to_contain_text("reader@example.org")
        await drawer.get_by_role("link", name="Why?").click()
        answer = page.get_by_role("article")
        await expect(answer.get_by_role("heading").first).to_have_text("reader may do this")
        await expect(answer).to_contain_text("It holds for their own rows.")
        await expect(answer.get_by_role("link", name="Log reader")).to_be_visible()


async def test_departments_are_made_moved_and_kept_while_something_is_in_them(
    visitor: Visitor, people: People
) -> None:
    visitor.expected = [REFUSED]
    async with signed_in(visitor, "owner", f"{CONSOLE}/departments") as page:
        await page.get_by_role("button", name="New department").click()
        await page.get_by_label("Name", exact=True).fill("House")
        await page.get_by_role("button", name="Create").click()
        for name in ("East", "West"):
            await press(page, "House", "New department below")
            await page.get_by_label("Name", exact=True).fill(name)
            await page.get_by_role("button", name="Create").click()
            await expect(row(page, name)).to_be_visible()
        await press(page, "West", "Move up")
        await expect(page.locator("tbody tr").nth(1)).to_contain_text("West")
        await press(page, "House", "Delete")
        question = page.get_by_role("alertdialog").or_(page.get_by_role("dialog"))
        await question.get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("Still here: departments (2).")).to_be_visible()
        await page.get_by_role("button", name="Fold all").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
    for one in (await people.call("GET", "/access/departments"))[0]["children"]:
        await people.call("DELETE", f"/access/departments/{one['id']}")


@pytest.mark.usefixtures("people")
async def test_the_menu_takes_another_title_and_gives_it_back(visitor: Visitor) -> None:
    async with signed_in(visitor, "owner", f"{CONSOLE}/menus") as page:
        side = page.get_by_role("complementary")
        await press(page, "/gateway/logs", "Edit")
        await page.get_by_label("English").fill("What was called")
        await page.get_by_role("button", name="Save").click()
        await expect(side.get_by_role("link", name="What was called")).to_be_visible()
        await press(page, "/gateway/logs", "Reset to default")
        await expect(side.get_by_role("link", name="Logs")).to_be_visible()


async def test_a_member_is_shown_no_console(visitor: Visitor, people: People) -> None:
    await people.call("PUT", f"/accounts/users/{people.ids['reader']}/roles", {"role_ids": []})
    async with signed_in(visitor, "reader", "/tokens") as page:
        await page.get_by_role("button", name="reader").click()
        await expect(page.get_by_role("link", name="My account")).to_be_visible()
        await expect(page.get_by_role("link", name="Console")).to_have_count(0)
        await page.goto(f"{visitor.site.url}/console")
        await page.get_by_role("main").get_by_role("link", name="Portal").click()
        await expect(page).to_have_url(f"{visitor.site.url}/")


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
async def test_no_page_has_a_barrier(visitor: Visitor, people: People, *, phone: bool) -> None:
    options = PHONE if phone else {}
    question = f"explain?user={people.ids['owner']}&permission=access.roles:read"
    async with signed_in(visitor, "owner", f"{CONSOLE}/roles", **options) as page:
        for name in ("roles", "departments", "positions", "menus", question):
            await page.goto(f"{visitor.site.url}{CONSOLE}/{name}")
            await page.wait_for_load_state("networkidle")
            await without_barrier(page)
        await page.goto(f"{visitor.site.url}{CONSOLE}/roles")
        await page.get_by_role("button", name="New role").click()
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()
        await without_barrier(page)


async def without_barrier(page: Page) -> None:
    """Nothing that axe knows (WCAG 2.2 A and AA), and nothing wider than the window."""
    await page.evaluate(AXE.read_text() + "; undefined")
    found = await page.evaluate(
        """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
        "wcag22aa"] })).violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 160))])"""
    )
    assert found == [], page.url
    assert await too_wide(page) == 0, page.url
