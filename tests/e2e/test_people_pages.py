"""The console's pages about people, in a real browser before a real installation."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from docs.markdown import ROOT
from e2e.visitor import ADMIN_KEY, PHONE, Site, Visitor, too_wide

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: people"),  # one site and one browser for the file
    pytest.mark.usefixtures("reference"),
]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
BARRIERS = """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
    "wcag22aa", "best-practice"] })).violations.map((v) => [v.id, v.nodes.map((n) =>
    n.html.slice(0, 160))])"""
LOOKED = """const send = fetch; globalThis.fetch = async (request) => {
    if (request.url.endsWith("/look")) globalThis.looked = await request.clone().json();
    return send(request); };"""
"""Keeps what is sent to look at an invitation: the browser tells nobody else."""
PASSWORD = "seven lanterns over the old gate"
OWNER = "owner@example.org"
USERS = "/console/accounts/users"
INVITATIONS = "/console/accounts/invitations"
SETTINGS = "/console/accounts/settings"
REFUSED = r"status of 4\d\d "
"""The browser's own line about a call that was refused."""


async def call(site: Site, method: str, path: str, body: Any = None) -> Any:
    """One call with the administrator key; what it answers."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=f"{site.url}/api/v1", headers=headers) as client:
        answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


async def make(site: Site, email: str, name: str) -> dict[str, Any]:
    """An account that waits for its person."""
    body = {"email": email, "display_name": name}
    made: dict[str, Any] = await call(site, "POST", "/accounts/users", body)
    return made


async def make_waiting(site: Site, email: str, name: str) -> None:
    """Somebody who has confirmed an address and waits for approval."""
    await make(site, email, name)
    with sqlite3.connect(site.runtime.settings.home / "paifang.db") as db:
        db.execute("UPDATE users SET email_verified_at = created_at WHERE email = ?", (email,))
    db.close()


async def status_of(site: Site, email: str) -> str | None:
    found = await call(site, "GET", f"/accounts/users?search={email}")
    return found["items"][0]["status"] if found["items"] else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(site: Site, browser: Browser) -> None:
    """An administrator, who has come in by the link of an invitation."""
    made = await make(site, OWNER, "An Owner")
    [role] = [
        role["id"]
        for role in (await call(site, "GET", "/access/roles"))["items"]
        if role["code"] == "administrator"
    ]
    path = f"/accounts/users/{made['user']['id']}/roles"
    await call(site, "PUT", path, {"role_ids": [role]})
    context = await browser.new_context(locale="en-US")
    page = await context.new_page()
    await page.goto(f"{site.url}/sign-up#{made['invitation_link'].partition('#')[2]}")
    await page.get_by_label("Name").fill("An Owner")
    await page.get_by_label("Email address").fill(OWNER)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create the account").click()
    await page.wait_for_url(f"{site.url}/")
    await context.close()


async def sign_in(page: Page) -> None:
    await page.get_by_label("Email address").fill(OWNER)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


@asynccontextmanager
async def console(visitor: Visitor, path: str, **options: Any) -> AsyncIterator[Page]:
    """A page of the console, as the owner has it."""
    visitor.expected.append(REFUSED)
    async with visitor.page(f"/sign-in?next={path}", **options) as page:
        await sign_in(page)
        await page.wait_for_url(visitor.site.url + path)
        yield page


async def test_a_service_without_an_administrator_says_where_the_first_one_comes_from(
    visitor: Visitor,
) -> None:
    assert (await call(visitor.site, "GET", "/auth/policy"))["setup"] is True
    for path in ("/sign-in", "/start"):
        async with visitor.page(path) as page:
            await expect(page.get_by_text("paifang accounts setup-link")).to_be_visible()


@pytest.mark.usefixtures("owner")
async def test_with_an_administrator_nobody_is_told_of_the_set_up_link(visitor: Visitor) -> None:
    for path in ("/sign-in", "/start"):
        async with visitor.page(path) as page:
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await page.wait_for_load_state("networkidle")
            await expect(page.get_by_text("setup-link")).to_have_count(0)


@pytest.mark.usefixtures("owner")
async def test_the_secret_of_a_link_is_in_no_address_while_one_signs_in(visitor: Visitor) -> None:
    secret = "an-invitation-that-nobody-else-may-read-12345"
    visitor.expected.append(REFUSED)
    addresses: list[str] = []
    async with visitor.page("/") as page:
        page.on("request", lambda request: addresses.append(request.url))
        await page.add_init_script(LOOKED)
        await page.goto(f"{visitor.site.url}/join#token={secret}")
        await page.wait_for_url(f"{visitor.site.url}/sign-in?next=/join")
        await sign_in(page)
        await page.wait_for_url(f"{visitor.site.url}/join")
        await expect(page.get_by_role("alert")).to_contain_text("no such invitation")
        assert await page.evaluate("looked") == {"secret": secret}
        assert secret not in await page.evaluate("JSON.stringify(sessionStorage) + location.href")
    asked = [url for url in addresses if not url.startswith(f"{visitor.site.url}/join#")]
    assert asked
    assert not any(secret in url for url in asked)


@pytest.mark.usefixtures("owner")
async def test_who_waits_is_let_in_or_refused_where_an_owner_sees_them(
    visitor: Visitor, site: Site
) -> None:
    for name in ("one", "two", "three"):
        await make_waiting(site, f"{name}@example.org", f"Reader {name}")
    async with console(visitor, USERS) as page:
        waiting = page.get_by_role("region", name="Waiting for approval")
        first = waiting.get_by_role("listitem").filter(has_text="Reader one")
        await first.get_by_role("button", name="Approve").click()
        await expect(first).to_have_count(0)
        second = waiting.get_by_role("listitem").filter(has_text="Reader two")
        await second.get_by_role("button", name="Refuse").click()
        await page.get_by_role("dialog").get_by_role("button", name="Refuse").click()
        await expect(second).to_have_count(0)
        await waiting.get_by_role("button", name="Approve").click()
        await expect(waiting).to_have_count(0)
        row = page.get_by_role("row").filter(has_text="three@example.org")
        await expect(row).to_contain_text("Active")
    assert [await status_of(site, f"{name}@example.org") for name in ("one", "two", "three")] == [
        "active",
        None,
        "active",
    ]


@pytest.mark.usefixtures("owner")
async def test_somebody_is_invited_and_the_link_is_shown_once(visitor: Visitor, site: Site) -> None:
    async with console(visitor, USERS) as page:
        await page.get_by_role("button", name="Invite somebody").click()
        form = page.get_by_role("dialog", name="Invite somebody")
        await form.get_by_label("Email address").fill("friend@example.org")
        await form.get_by_label("Name").fill("A Friend")
        await form.get_by_role("button", name="Create").click()
        link = page.get_by_role("dialog", name="The invitation")
        await expect(link.locator("pre")).to_contain_text("/sign-up#invitation=")
        await link.get_by_role("button", name="I have kept it").click()
        row = page.get_by_role("row").filter(has_text="friend@example.org")
        await expect(row).to_contain_text("Address not confirmed")
        await page.reload()
        await expect(row).to_be_visible()
        assert "#invitation=" not in await page.content()
        # The same address once more is told at its field.
        await page.get_by_role("button", name="Invite somebody").click()
        await form.get_by_label("Email address").fill("friend@example.org")
        await form.get_by_label("Name").fill("A Friend")
        await form.get_by_role("button", name="Create").click()
        await expect(form.get_by_role("alert")).to_contain_text("has this mail address")


@pytest.mark.usefixtures("owner")
async def test_a_person_is_changed_shut_out_and_deleted(visitor: Visitor, site: Site) -> None:
    await make_waiting(site, "somebody@example.org", "Some Body")
    body = {"ids": [(await call(site, "GET", "/accounts/users?search=somebody"))["items"][0]["id"]]}
    await call(site, "POST", "/accounts/users/batch", {**body, "action": "approve"})
    async with console(visitor, f"{USERS}?search=somebody") as page:
        row = page.get_by_role("row").filter(has_text="somebody@example.org")
        await row.hover()
        await row.get_by_role("button", name="Edit").click()
        form = page.get_by_role("dialog", name="Change a person")
        await form.get_by_label("Name").fill("Somebody Else")
        await form.get_by_role("button", name="Save").click()
        await row.get_by_role("button", name="Somebody Else").click()
        details = page.get_by_role("dialog", name="Somebody Else", exact=True)
        await details.get_by_role("button", name="Disable", exact=True).click()
        asked = page.get_by_role("dialog", name="Disable Somebody Else?")
        await asked.get_by_label("Reason").fill("sold tokens")
        await asked.get_by_role("button", name="Disable").click()
        await expect(details).to_contain_text("sold tokens")
        await expect(row).to_contain_text("Disabled")
        await details.get_by_role("button", name="Delete").click()
        sure = page.get_by_role("dialog", name="Delete Somebody Else?")
        await expect(sure.get_by_role("button", name="Delete")).to_be_disabled()
        await sure.get_by_label("Type").fill("somebody@example.org")
        await sure.get_by_role("button", name="Delete").click()
        await expect(details).to_have_count(0)
    assert await status_of(site, "somebody@example.org") is None


@pytest.mark.usefixtures("owner")
async def test_a_session_of_somebody_is_seen_and_ended(visitor: Visitor) -> None:
    async with console(visitor, f"{USERS}?search=owner") as page:
        await page.get_by_role("main").get_by_role("button", name="An Owner").click()
        details = page.get_by_role("dialog", name="An Owner")
        here = details.get_by_role("listitem").filter(has_text="this one")
        await expect(here).to_contain_text("Chrome")
        await expect(here.get_by_role("button")).to_have_count(0)
        others = details.get_by_role("listitem").filter(
            has=page.get_by_role("button", name="End", exact=True)
        )
        count = await others.count()
        assert count > 0, "each sign-in of these tests has begun one"
        await others.first.get_by_role("button").click()
        await expect(others).to_have_count(count - 1)
        await expect(details.get_by_role("button", name="Delete")).to_have_count(0)


@pytest.mark.usefixtures("owner")
async def test_an_invitation_is_made_and_taken_back(visitor: Visitor) -> None:
    async with console(visitor, INVITATIONS) as page:
        await page.get_by_role("button", name="Invite somebody").first.click()
        form = page.get_by_role("dialog", name="Invite somebody")
        await form.get_by_label("Note").fill("for the reading club")
        await form.get_by_role("button", name="Create").click()
        link = page.get_by_role("dialog", name="The invitation")
        await expect(link).to_contain_text("Whoever opens this link first")
        await link.get_by_role("button", name="I have kept it").click()
        row = page.get_by_role("row").filter(has_text="for the reading club")
        await expect(row).to_contain_text("Open")
        await row.hover()
        await row.get_by_role("button", name="Take back").click()
        await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
        await expect(row).to_have_count(0)


@pytest.mark.usefixtures("owner")
async def test_an_owner_decides_who_may_come_in_and_with_what(visitor: Visitor, site: Site) -> None:
    async with console(visitor, SETTINGS) as page:
        save = page.get_by_role("button", name="Save").first
        await expect(save).to_be_disabled()
        await page.get_by_role("radio", name="Everybody").first.check()
        await page.get_by_label("Quota").fill("many")
        await save.click()
        await expect(page.get_by_label("Quota")).to_be_focused()
        await page.get_by_label("Quota").fill("2.5")
        await page.get_by_label("Other models").click()
        await page.get_by_role("option", name="All").click()
        await expect(page.get_by_text("Strangers can spend")).to_be_visible()
        await page.get_by_role("radio", name="By approval").check()
        await expect(page.get_by_text("Strangers can spend")).to_have_count(0)
        await save.click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("radio", name="By approval")).to_be_checked()
    found = await call(site, "GET", "/accounts/settings")
    assert found["registration"] == "approval"
    assert (found["new_person"]["models"], found["new_person"]["quota"]) == (None, "2.5")
    await call(site, "PUT", "/accounts/settings", {**found, "registration": "invitation"})


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
async def test_no_page_about_people_has_a_barrier(
    visitor: Visitor, scheme: str, *, phone: bool
) -> None:
    options = {"color_scheme": scheme, **(PHONE if phone else {})}
    async with console(visitor, USERS, **options) as page:
        for path in (USERS, INVITATIONS, SETTINGS, f"{USERS}?search=owner"):
            await page.goto(visitor.site.url + path)
            await page.wait_for_load_state("networkidle")
            if "search" in path:
                await page.get_by_role("main").get_by_role("button", name="An Owner").click()
                await expect(page.get_by_role("heading", name="Signed in")).to_be_visible()
            await page.evaluate(AXE.read_text() + "; undefined")
            found = await page.evaluate(BARRIERS)
            assert found == [], path
            assert await too_wide(page) == 0, path
