"""The first start, also when several processes have it at the same time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import URL, func, select

from paifang import migrate
from paifang.app import open_runtime
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings, Secret
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.tokens.models import Token
from paifang.modules.gateway.welcome import welcome


@pytest.fixture
async def runtimes(settings: CoreSettings, empty_database_url: URL) -> AsyncIterator[list[Runtime]]:
    """Three processes' worth of runtimes on one migrated database."""
    url = empty_database_url.render_as_string(hide_password=False)
    here = replace(settings, db=replace(settings.db, url=Secret(url)))
    found = [open_runtime(here) for _ in range(3)]
    await migrate.upgrade(found[0].db, backups=settings.home)
    yield found
    for runtime in found:
        await runtime.db.close()


@pytest.mark.usefixtures("local_model")
async def test_several_first_starts_make_one_token_and_one_channel(
    runtimes: list[Runtime],
) -> None:
    notes = await asyncio.gather(*(welcome(runtime) for runtime in runtimes))
    assert sum("pf_live_" in "\n".join(lines) for lines in notes) == 1, "one of them shows the key"
    async with runtimes[0].db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Token)) == 1
        assert await session.scalar(select(func.count()).select_from(Channel)) == 1
