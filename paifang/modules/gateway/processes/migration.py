"""No migration under a gateway process: it goes on with the tables as they were."""

import asyncio
import logging
from pathlib import Path

from sqlalchemy import inspect, select

from paifang.core.db import Base, Database
from paifang.core.runtime import Runtime
from paifang.modules.gateway.processes import locks
from paifang.modules.gateway.processes.errors import MigrationRefused
from paifang.modules.gateway.processes.guard import DEAD_SECONDS, LOOK_SECONDS, Watch, place_of
from paifang.modules.gateway.processes.models import GatewayProcess

log = logging.getLogger(__name__)

_COLUMNS = ("id", "host", "pid", "home", "beats", "started_at")
"""Those of the first version of the table: the database may be at any."""


async def look_first(runtime: Runtime) -> None:
    """Refuse a migration while a gateway process is alive.

    Raises:
        MigrationRefused: one is.
    """
    await refuse_while_served(runtime.db, runtime.settings.home)


async def refuse_while_served(
    database: Database, home: Path, dead_seconds: float = DEAD_SECONDS
) -> None:
    """Wait until every process that is listed is dead for certain.

    Args:
        database: At any schema.
        home: The home folder.
        dead_seconds: Who gives no sign of life for so long is dead.

    Raises:
        MigrationRefused: one is alive.
        SQLAlchemyError: the database is away.
    """
    watch = Watch(dead_seconds)
    told = False
    while True:
        listed = await _listed(database)
        watch.look(listed)
        waiting = False
        for process in listed:
            here = (process.host, process.home) == place_of(home)
            held = locks.is_held(home, process.id) if here else None
            if watch.is_alive(process) if held is None else held:
                raise MigrationRefused(process.place)
            waiting |= held is None and not watch.is_silent(process)
        if not waiting:
            return
        if not told:
            told = True
            log.warning(
                "waiting up to %.0f s for a sign of life of a gateway process: %s",
                dead_seconds,
                listed[0].place,
            )
        await asyncio.sleep(min(LOOK_SECONDS, dead_seconds / 8))


async def _listed(database: Database) -> list[GatewayProcess]:
    table = Base.metadata.tables[GatewayProcess.__tablename__]
    async with database.reading() as session:
        connection = await session.connection()
        if not await connection.run_sync(lambda c: inspect(c).has_table(table.name)):
            return []
        rows = await session.execute(select(*(table.c[name] for name in _COLUMNS)))
        return [GatewayProcess(**row) for row in rows.mappings()]
