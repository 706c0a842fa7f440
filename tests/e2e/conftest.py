"""A whole Paifang on a port of its own, and a browser that looks at it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, async_playwright, expect

from doubles.openai_upstream import OpenAIDouble
from e2e.visitor import ADMIN_KEY, Site, Visitor
from paifang.app import Application, open_runtime
from paifang.core.db import Database
from paifang.core.settings import CoreSettings, load
from paifang.migrate import upgrade
from paifang.pages.router import REFERENCE, WEB
from paifang.registry import MODULES, settings_areas
from paifang.server import listen

expect.set_options(timeout=20_000)  # milliseconds; a busy machine draws slowly

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _serve(settings: CoreSettings) -> Iterator[Site]:
    runtime = open_runtime(settings)
    sock = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        Application(runtime), lifespan="on", ws="none", log_config=None, access_log=False
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="site")
    thread.start()
    try:
        assert server.ready.wait(30), "the site did not start"
        yield Site(f"http://127.0.0.1:{sock.getsockname()[1]}", runtime)
    finally:
        server.should_exit = True
        thread.join(30)
        sock.close()
    assert not thread.is_alive(), "the site did not stop"


@pytest.fixture(scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    environ = {
        "PAIFANG_ENV": "test",
        "PAIFANG_HOME": str(folder / "home"),
        "PAIFANG_ADMIN_KEY": ADMIN_KEY,
        "PAIFANG_GATEWAY_WELCOME": "false",
    }
    settings = load(settings_areas(MODULES), environ=environ, folder=folder)
    settings.home.mkdir(mode=0o700)

    async def migrate() -> None:
        database = Database.from_settings(settings)
        await upgrade(database, backups=settings.home / "backups")
        await database.close()

    asyncio.run(migrate())
    yield from _serve(settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[OpenAIDouble]:
    """What the site's one channel leads to."""
    async with OpenAIDouble() as double:
        yield double


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(_site: Site, upstream: OpenAIDouble) -> Site:
    """A running Paifang with one channel and one token."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    base = f"{_site.url}/api/v1/gateway"
    channel = {
        "name": "double",
        "provider": "openai",
        "base_url": upstream.url,
        "models": ["chat", "another"],
    }
    async with httpx.AsyncClient(base_url=base, headers=headers) as client:
        (await client.post("/channels", json=channel)).raise_for_status()
        (await client.post("/groups", json={"id": "readers"})).raise_for_status()
        made = await client.post("/tokens", json={"group_id": "readers", "name": "page"})
        _site.token = made.raise_for_status().json()["key"]
    return _site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for a file of tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def visitor(site: Site, browser: Browser) -> Visitor:
    """Opens pages."""
    return Visitor(site, browser)


@pytest.fixture(scope="session")
def reference() -> None:
    """The built app and API reference."""
    if not ((REFERENCE / "redoc.standalone.js").is_file() and (WEB / "index.html").is_file()):
        pytest.skip("not run: the web app is not built; 'make web' builds it")
