"""Access as a client sees it, on a real database, and people to ask about."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from doubles.callers import person_by_header
from modules.access.people import AsPerson, People, client_of
from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings
from paifang.modules.access.roles.service import seed
from paifang.registry import MODULES


@pytest.fixture
def actor() -> Principal:
    """Whoever changes things through the services."""
    return Principal(id="tester", name="Tester", all_permissions=True)


@pytest.fixture
def people(db: Database) -> People:
    return People(db)


@pytest.fixture
async def seeded(db: Database) -> None:
    """The built-in roles, as a start makes them."""
    await seed(db, MODULES)


@pytest.fixture
def runtime(settings: CoreSettings, db: Database) -> Runtime:
    """A process on this test's database, without its parts that run beside requests."""
    return Runtime(
        settings=settings,
        db=db,
        secrets=open_secrets(settings),
        modules=MODULES,
        authenticators=(
            person_by_header,
            *(a for module in MODULES for a in module.authenticators),
        ),
    )


@pytest.fixture
async def api(runtime: Runtime, seeded: None) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the administrator key; paths begin below ``/api/v1/access``."""
    key = runtime.settings.admin_key.get_secret_value()
    async with client_of(runtime, {"Authorization": f"Bearer {key}"}) as client:
        yield client


@pytest.fixture
async def as_person(runtime: Runtime) -> AsyncIterator[AsPerson]:
    """``as_person(user_id)`` is a client of somebody who has signed in."""
    async with contextlib.AsyncExitStack() as stack:
        yield AsPerson(runtime, stack)
