"""A reader of the pages, who notices everything that goes wrong in the browser."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from playwright.async_api import Browser, BrowserContext, Page

from paifang.core.runtime import Runtime

ADMIN_KEY = "pf_admin_of_the_browser_tests_0123"
VIOLATIONS = """
    addEventListener("securitypolicyviolation", (event) =>
        console.error("CSP violation", event.effectiveDirective, event.blockedURI));
"""


PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


class Address(Protocol):
    """Whatever has pages."""

    @property
    def url(self) -> str:
        """Where they are."""


@dataclass
class Site:
    """A running Paifang."""

    url: str
    runtime: Runtime
    token: str = ""


@dataclass
class Visitor:
    """Opens pages as one kind of reader, and collects what goes wrong in them."""

    site: Address
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Patterns of complaints that belong to the test."""

    @asynccontextmanager
    async def page(self, path: str = "/", **options) -> AsyncIterator[Page]:
        """A page in a context of its own; complaints of it are failures."""
        options.setdefault("locale", "en-US")
        context = await self.browser.new_context(**options)
        try:
            page = await self.open(context, path)
            yield page
        finally:
            await context.close()
        unexpected = [
            text
            for text in self.complaints
            if not any(re.search(pattern, text) for pattern in self.expected)
        ]
        assert unexpected == []

    async def open(self, context: BrowserContext, path: str) -> Page:
        """One more page in a context."""
        await context.add_init_script(VIOLATIONS)
        page = await context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)
        await page.goto(self.site.url + path)
        return page

    def _console(self, message) -> None:
        if message.type in {"error", "warning"}:
            place = message.location["url"].removeprefix(self.site.url)
            self.complaints.append(f"{message.type}: {message.text} ({place})")

    def _request(self, request) -> None:
        if not request.url.startswith((self.site.url, "data:", "blob:")):
            self.complaints.append(f"a request leaves the site: {request.url}")


async def too_wide(page: Page) -> int:
    """How many pixels a page is wider than its window."""
    return int(
        await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    )
