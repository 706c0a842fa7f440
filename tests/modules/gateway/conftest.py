"""The gateway's API as a client sees it, on a real database."""

from collections.abc import AsyncIterator

import httpx
import pytest

from doubles.api import api_of
from modules.gateway.people import People, opened
from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings
from paifang.registry import MODULES


@pytest.fixture
def actor() -> Principal:
    """Whoever changes things through the services."""
    return Principal(id="tester", name="Tester", all_permissions=True)


@pytest.fixture
def runtime(settings: CoreSettings, db: Database) -> Runtime:
    """A process on this test's database, without its parts that run beside requests."""
    return Runtime(
        settings=settings,
        db=db,
        secrets=open_secrets(settings),
        modules=MODULES,
        authenticators=tuple(a for module in MODULES for a in module.authenticators),
    )


@pytest.fixture
async def api(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the administrator key; paths begin below ``/api/v1/gateway``."""
    key = runtime.settings.admin_key.get_secret_value()
    app = api_of(runtime)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://paifang.test/api/v1/gateway",
        headers={"Authorization": f"Bearer {key}"},
    ) as client:
        yield client


@pytest.fixture
async def people(runtime: Runtime, db: Database) -> AsyncIterator[People]:
    """Makes people who call; the administrator key goes on working."""
    async for found in opened(runtime, db):
        yield found
