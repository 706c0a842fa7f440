"""A whole Paifang as people meet it: the command they type, its pages, its mails, its API."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.async_api import Browser, Page, expect

from docs.markdown import ROOT
from doubles.installation import ADMIN_KEY, Installation, Running, running
from e2e.visitor import Visitor, too_wide
from modules.accounts.people import solved
from paifang.modules.accounts.totp import algorithm

PASSWORD = "seven lanterns over the old gate"
SETTINGS = {
    "PAIFANG_GATEWAY_WELCOME": "false",  # its one channel is the test's
    "PAIFANG_ACCOUNTS_CHALLENGE_NUMBER": "500",  # asked for and solved, without the half second
}
MODEL = "chat"
PRICE = {"model": MODEL, "input": "2500", "output": "10000"}
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 20


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    id: str
    email: str
    name: str


@dataclass
class House:
    """One running Paifang with open sign-up, and a browser in front of it."""

    installation: Installation
    up: Running
    browser: Browser
    api: httpx.AsyncClient
    """Of the administrator key."""

    @property
    def url(self) -> str:
        """Where people open it: by a name, as passkeys want it."""
        return self.up.url

    def visitor(self, *expected: str) -> Visitor:
        """Somebody who opens pages; ``expected`` are patterns of what the browser may complain of.

        A browser reports every refused call; which may be refused is part of a story.
        """
        return Visitor(self, self.browser, expected=list(expected))

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """An administrator's act that has to succeed."""
        answer = await self.api.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def person(self, name: str) -> Person:
        """An account with :data:`PASSWORD`, made by an invitation."""
        email = f"{name.lower().replace(' ', '.')}@example.org"
        made = await self.call("POST", "/accounts/users", {"email": email, "display_name": name})
        body = {
            "email": email,
            "display_name": name,
            "password": PASSWORD,
            "locale": "en",
            "invitation": made["invitation_link"].partition("#invitation=")[2],
        }
        async with httpx.AsyncClient(base_url=self.api.base_url, timeout=30) as stranger:
            body["challenge"] = await solved(stranger)
            answer = await stranger.post("/auth/sign-up", json=body)
        assert answer.is_success, answer.text
        return Person(made["user"]["id"], email, name)

    async def has_mail(self, to: str) -> None:
        """The site's own worker has brought a mail of theirs to the inbox."""
        inbox = f"/system/mail/inbox?search={to}"
        async with asyncio.timeout(PATIENCE):
            while True:
                if (await self.call("GET", inbox))["items"]:
                    return
                await asyncio.sleep(0.05)

    async def sign_in(self, page: Page, person: Person, password: str = PASSWORD) -> None:
        """Fill the form in and send it; what comes then is the test's."""
        form = page.locator("main form")  # whatever the language
        await form.locator("input[type=email]").fill(person.email)
        await form.locator("input[autocomplete=current-password]").fill(password)
        await form.locator("button[type=submit]").click()

    async def sign_out(self, page: Page, person: Person) -> None:
        """By the menu of the person."""
        await page.get_by_role("button", name=person.name).click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("header").get_by_role("link", name="Sign in")).to_be_visible()

    @asynccontextmanager
    async def inside(
        self, person: Person, path: str = "/", *expected: str, **options: Any
    ) -> AsyncIterator[Page]:
        """A page of somebody who has signed in by the form."""
        async with self.visitor(*expected).page(f"/sign-in?next={path}", **options) as page:
            await self.sign_in(page, person)
            await page.wait_for_url(f"{self.url}{path}")
            yield page


@asynccontextmanager
async def open_house(
    installation: Installation, browser: Browser, upstream: str
) -> AsyncIterator[House]:
    """Start it, open it to everybody, and lead it to an upstream; it is gone afterwards."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        running(installation) as up,
        httpx.AsyncClient(base_url=f"{up.url}/api/v1", headers=headers, timeout=30) as api,
    ):
        house = House(installation, up, browser, api)
        new = {"models": None, "local_models": True, "quota": "5"}
        new |= {"rpm": None, "tpm": None, "concurrency": None}
        body = {"registration": "open", "new_person": new}
        await house.call("PUT", "/accounts/settings", body)
        channel = {"name": "double", "provider": "openai", "base_url": upstream, "models": [MODEL]}
        await house.call("POST", "/gateway/channels", channel)
        await house.call("POST", "/gateway/prices", PRICE)
        yield house
        assert await up.terminate() == 0, up.text


def code_now(secret: str, later: int = 0) -> str:
    """The code that an authenticator app shows, so many steps of 30 s later."""
    return algorithm.code_at(secret, int(time.time()) // 30 + later)


async def to(page: Page, path: str) -> None:
    """Go to a page of the app within it, as one of its links would: nothing is loaded anew."""
    await page.evaluate(
        """(path) => { history.pushState(history.state, "", path);
        dispatchEvent(new PopStateEvent("popstate", { state: history.state })); }""",
        path,
    )


async def has_no_barrier(page: Page) -> None:
    """No barrier that axe knows (WCAG 2.2 A and AA), and nothing wider than the window."""
    await page.wait_for_load_state("networkidle")
    await page.evaluate(AXE.read_text() + "; undefined")
    found = await page.evaluate(
        """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
        "wcag22aa", "best-practice"] })).violations.map((v) => [v.id, v.nodes.map((n) =>
        n.html.slice(0, 160))])"""
    )
    assert found == [], f"{page.url}: {found}"
    assert await too_wide(page) == 0, page.url
