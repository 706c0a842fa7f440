"""At work while something changes underneath: sessions end, tokens expire, roles come and go."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from doubles.stepped_clock import Clock
from e2e.stories.house import PASSWORD, House, Person, to

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: staying in"),  # one site and one browser for the file
]
REFUSED = r"status of 401"
AN_HOUR = 3_600


class Hours:
    """The site's clock, which goes on by whole hours: every access token is too old then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._passed = 0

    def pass_by(self, hours: int = 1) -> None:
        """So many hours later."""
        self._passed += hours
        self._clock.step(self._passed * AN_HOUR)


@pytest.fixture(scope="module")
def hours(clock: Clock) -> Hours:
    return Hours(clock)


async def name_of(house: House, person: Person) -> str:
    """A person's name, as the server has it."""
    found = await house.call("GET", f"/accounts/users/{person.id}")
    return str(found["display_name"])


async def sign_in_again(page: Page) -> None:
    """The dialog above the page; it knows who has to."""
    dialog = page.get_by_role("dialog", name="Sign in to go on")
    await expect(dialog.get_by_label("Email address")).not_to_be_editable()
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog).to_have_count(0)


async def test_who_is_kicked_signs_in_again_and_nothing_typed_is_lost(house: House) -> None:
    person = await house.person("Kicked")
    async with house.inside(person, "/tokens", REFUSED) as page:
        await page.get_by_role("button", name="Make a token").first.click()
        form = page.get_by_role("dialog", name="Make a token")
        await form.get_by_label("Name", exact=True).fill("typed before the kick")
        await form.get_by_label("Quota").fill("1.25")
        await house.call("POST", f"/accounts/users/{person.id}/sign-out")

        await form.get_by_role("button", name="Create", exact=True).click()
        again = page.get_by_role("dialog", name="Sign in to go on")
        await expect(again.get_by_label("Email address")).to_have_value(person.email)
        await again.get_by_label("Password", exact=True).fill("not the password")
        await again.get_by_role("button", name="Sign in").click()
        await expect(again.get_by_role("alert")).to_contain_text("not right")
        await expect(form.get_by_label("Name", exact=True)).to_have_value("typed before the kick")
        await sign_in_again(page)

        # The call that was refused has been made once more, and once alone.
        shown = page.get_by_role("dialog", name="The key of typed before the kick")
        await shown.get_by_role("button", name="I have kept it").click()
        await expect(page.get_by_role("row").filter(has_text="typed before")).to_have_count(1)
        await expect(page.get_by_role("row").filter(has_text="1.25")).to_have_count(1)


async def test_nothing_can_be_typed_before_it_is_known_whose_it_will_be(house: House) -> None:
    """A form that opens too early is gone as soon as the answer is here."""
    person = await house.person("Quick")
    async with house.inside(person, "/account") as page:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def slowly(route: Route) -> None:
            asked.set()
            await answered.wait()
            await route.continue_()

        await page.route("**/api/v1/gateway/groups?*", slowly)
        await to(page, "/tokens")
        await asked.wait()
        making = page.get_by_role("button", name="Make a token").first
        await expect(page.get_by_role("status", name="Loading").first).to_be_visible()
        await expect(making).to_have_count(0)
        answered.set()
        await making.click()
        await page.get_by_label("Name", exact=True).fill("typed at once")
        await page.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_role("dialog", name="The key of typed at once")).to_be_visible()


async def test_who_is_kicked_in_the_console_keeps_what_its_tabs_hold(house: House) -> None:
    person = await house.person("Kicked Clerk")
    await hold(house, person, "clerk", ["gateway.groups:read", "gateway.groups:write"])
    async with house.inside(person, "/console/gateway/groups", REFUSED) as page:
        await page.get_by_role("button", name="Make a group").first.click()
        form = page.get_by_role("dialog", name="Make a group")
        await form.get_by_label("Name", exact=True).fill("Half typed")
        await house.call("POST", f"/accounts/users/{person.id}/sign-out")
        await form.get_by_role("button", name="Create", exact=True).click()
        await sign_in_again(page)
        await expect(page.get_by_role("row").filter(has_text="Half typed")).to_be_visible()


async def test_an_access_token_that_expires_at_work_is_renewed_unseen(
    house: House, hours: Hours
) -> None:
    person = await house.person("Slow Writer")
    async with house.inside(person, "/account", REFUSED) as page:
        name = page.get_by_label("Name")
        await name.fill("Typed for an hour")
        hours.pass_by()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        await expect(name).to_have_value("Typed for an hour")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert await name_of(house, person) == "Typed for an hour"


async def test_a_session_that_was_left_for_weeks_still_loses_nothing_typed(
    house: House, hours: Hours
) -> None:
    person = await house.person("On Holiday")
    async with house.inside(person, "/account", REFUSED) as page:
        await page.get_by_label("Name").fill("Typed weeks ago")
        hours.pass_by(15 * 24)
        await page.get_by_role("button", name="Save").click()
        await sign_in_again(page)
        await expect(page.get_by_text("Saved")).to_be_visible()
        await expect(page.get_by_label("Name")).to_have_value("Typed weeks ago")
        assert await name_of(house, person) == "Typed weeks ago"


async def test_a_change_that_asks_who_it_is_waits_for_the_proof_and_is_then_made(
    house: House, hours: Hours
) -> None:
    person = await house.person("Careful")
    new = "another long enough sentence"
    expected = (REFUSED, r"status of 40[03] .*/account/(password|reauthenticate)")
    async with house.inside(person, "/account/security", *expected) as page:
        hours.pass_by()
        await page.get_by_role("button", name="Change the password").click()
        await page.get_by_label("New password").fill(new)
        await page.get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog", name="Is it you?")
        await dialog.get_by_label("Password").fill("not the password")
        await dialog.get_by_role("button", name="Go on").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("not right")
        await dialog.get_by_label("Password").fill(PASSWORD)
        await dialog.get_by_role("button", name="Go on").click()
        await expect(page.get_by_text("The new password is in use.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Passkeys")).to_be_visible()
        await house.sign_out(page, person)
        await page.goto(f"{house.url}/sign-in")
        await house.sign_in(page, person, new)
        await page.wait_for_url(f"{house.url}/")


async def hold(house: House, person: Person, code: str, permissions: list[str]) -> None:
    """Make a role for somebody, and give it to them."""
    role = {"code": code, "name": code.title(), "data_scope": "all", "permissions": permissions}
    made = await house.call("POST", "/access/roles", role)
    await give(house, person, [made["id"]])


async def give(house: House, person: Person, roles: list[str]) -> None:
    await house.call("PUT", f"/accounts/users/{person.id}/roles", {"role_ids": roles})


async def test_a_role_that_is_given_at_work_opens_its_pages_and_one_that_is_taken_shuts_them(
    house: House,
) -> None:
    person = await house.person("Promoted")
    expected = r"status of 403 .*/gateway/"
    async with house.inside(person, "/tokens", expected) as page:
        closed = page.get_by_role("heading", name="This gate is closed")
        await to(page, "/console/gateway/channels")
        await expect(closed).to_be_visible()
        await to(page, "/tokens")
        await expect(page.get_by_role("heading", name="My tokens")).to_be_visible()

        await hold(house, person, "operator", ["gateway.channels:read"])
        # Nothing was loaded anew: the page opens, and the menu has it.
        await to(page, "/console/gateway/channels")
        await expect(page.get_by_role("row").filter(has_text="double")).to_be_visible()
        menu = page.get_by_role("navigation", name="Menu")
        await expect(menu.get_by_role("link", name="Channels")).to_be_visible()

        await give(house, person, [])
        await page.get_by_role("button", name="Refresh").click()
        await expect(page.get_by_role("alert")).to_contain_text("not permitted")
        await expect(menu.get_by_role("link", name="Channels")).to_have_count(0)
        await expect(page.get_by_role("row").filter(has_text="double")).to_have_count(0)
        await to(page, "/tokens")
        await expect(page.get_by_role("heading", name="My tokens")).to_be_visible()
        await to(page, "/console/gateway/channels")
        await expect(closed).to_be_visible()


WITHOUT_LOCKS = """
    Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
    delete globalThis.BroadcastChannel;
"""


@pytest.mark.parametrize("plain", [False, True], ids=["one for the other", "each on its own"])
async def test_tabs_that_refresh_at_the_same_time_stay_signed_in(
    house: House, hours: Hours, *, plain: bool
) -> None:
    """By plain HTTP in a network there are no locks between tabs: each refreshes by itself."""
    person = await house.person(f"Tabbed {plain}")
    async with house.inside(person, "/account", REFUSED) as page:
        if plain:
            await page.context.add_init_script(WITHOUT_LOCKS)
            await page.reload()
        other = await page.context.new_page()
        await other.goto(f"{house.url}/account")
        tabs = [page, other]
        for tab in tabs:
            await expect(tab.get_by_label("Name")).to_have_value(person.name)
        refreshed: list[str] = []
        page.context.on("request", lambda request: refreshed.append(request.url))
        for round_ in range(2):
            hours.pass_by()
            for tab in tabs:
                await tab.get_by_label("Phone").fill(f"+886 2 5550 010{round_}")
            save = "document.querySelector('form').requestSubmit()"
            await asyncio.gather(*(tab.evaluate(save) for tab in tabs))
            for tab in tabs:
                await expect(tab.get_by_text("Saved").last).to_be_visible()
                await tab.reload()
                await expect(tab.get_by_label("Phone")).to_have_value(f"+886 2 5550 010{round_}")
        asked = sum(url.endswith("/auth/refresh") for url in refreshed)
        reloads = 4
        assert asked == reloads + (4 if plain else 2)
        await house.sign_out(page, person)
        if not plain:
            await expect(
                other.locator("header").get_by_role("link", name="Sign in")
            ).to_be_visible()
