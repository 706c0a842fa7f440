"""Whether a migration may begin: who is listed as serving, and who is alive."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, update

from paifang import migrate
from paifang.core.db import Database
from paifang.modules.gateway.processes import locks
from paifang.modules.gateway.processes.errors import MigrationRefused
from paifang.modules.gateway.processes.guard import place_of
from paifang.modules.gateway.processes.migration import refuse_while_served
from paifang.modules.gateway.processes.models import GatewayProcess

DEAD = 1.0


async def listed(db: Database, home: Path, **values: Any) -> None:
    host, folder = place_of(home)
    known = {"id": "one", "host": host, "pid": 4711, "home": folder, "shares": "redis"}
    async with db.transaction() as session:
        session.add(GatewayProcess(**known | values))


@contextlib.asynccontextmanager
async def beating(db: Database) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            async with db.transaction() as session:
                await session.execute(update(GatewayProcess).values(beats=GatewayProcess.beats + 1))
            await asyncio.sleep(DEAD / 10)

    task = asyncio.create_task(beat())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_nobody_is_in_the_way_of_a_database_that_knows_no_processes(
    empty_database_url: URL, tmp_path: Path
) -> None:
    database = Database(empty_database_url)
    await migrate.upgrade(database, backups=tmp_path, to="0001")
    await refuse_while_served(database, tmp_path, DEAD)
    await migrate.upgrade(database, backups=tmp_path)
    await refuse_while_served(database, tmp_path, DEAD)
    await database.close()


async def test_a_living_process_is_in_the_way_and_a_dead_one_is_not(
    db: Database, tmp_path: Path
) -> None:
    await listed(db, tmp_path)
    lock = locks.ProcessLock(tmp_path, "one")
    with pytest.raises(MigrationRefused, match=r"process 4711 on .* Nothing was changed"):
        await refuse_while_served(db, tmp_path, DEAD)
    lock.release()
    async with asyncio.timeout(DEAD / 2):
        await refuse_while_served(db, tmp_path, DEAD)


async def test_elsewhere_only_signs_of_life_tell(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await listed(db, tmp_path, host="elsewhere")
    began = asyncio.get_running_loop().time()
    await refuse_while_served(db, tmp_path, DEAD)
    assert asyncio.get_running_loop().time() - began >= DEAD
    assert "waiting up to 1 s" in caplog.text
    async with beating(db):
        with pytest.raises(MigrationRefused, match="on elsewhere"):
            await refuse_while_served(db, tmp_path, DEAD)
