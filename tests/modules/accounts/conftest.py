"""People on a real database, and a browser's side of the API."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL

from conftest import ADMIN_KEY
from doubles.api import api_of
from modules.accounts.people import People
from paifang.core import events
from paifang.core.db import Database
from paifang.core.events import Events
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings, load
from paifang.modules.access.roles.service import seed
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.registry import MODULES, settings_areas


@pytest.fixture
def settings(tmp_path: Path, database_url: URL) -> CoreSettings:
    """Settings of a test installation: cheap hashes, easy challenges."""
    return load(
        settings_areas(MODULES),
        environ={
            "PAIFANG_ENV": "test",
            "PAIFANG_HOME": str(tmp_path / "home"),
            "PAIFANG_ADMIN_KEY": ADMIN_KEY,
            "PAIFANG_DB_URL": database_url.render_as_string(hide_password=False),
            "PAIFANG_ACCOUNTS_ARGON2_MEMORY_MIB": "12",
            "PAIFANG_ACCOUNTS_ARGON2_PASSES": "3",
            "PAIFANG_ACCOUNTS_CHALLENGE_NUMBER": "50",
        },
        folder=tmp_path,
    )


@pytest.fixture
async def runtime(settings: CoreSettings, db: Database) -> AsyncIterator[Runtime]:
    """A process on this test's database, without its parts that run beside requests."""
    found = Runtime(
        settings=settings,
        db=db,
        secrets=open_secrets(settings),
        modules=MODULES,
        authenticators=tuple(a for module in MODULES for a in module.authenticators),
    )
    events.install(Events(MODULES))
    await seed(db, MODULES)
    yield found
    events.install(None)
    hasher_of(found).close()


@pytest.fixture
async def browser(runtime: Runtime) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes browsers: clients with cookies of their own, by HTTPS unless told otherwise."""
    app = api_of(runtime)
    opened: list[httpx.AsyncClient] = []

    def open_browser(
        *, scheme: str = "https", address: str = "203.0.113.7", **more: Any
    ) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(address, 50000)),
            base_url=f"{scheme}://paifang.test/api/v1",
            headers={"user-agent": FIREFOX, "sec-fetch-site": "same-origin"},
            **more,
        )
        opened.append(client)
        return client

    yield open_browser
    for client in opened:
        await client.aclose()


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def people(runtime: Runtime) -> People:
    """Makes people."""
    return People(runtime)
