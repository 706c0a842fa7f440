"""Sums the logs up by the hour, in the background, a piece at a time.

It follows the logs by their ids and never looks at one twice: the position moves in the same
transaction. An id may be committed after a later one, so it stays some minutes behind.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Insert, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from paifang.core.db import utc_now
from paifang.core.scope import unscoped
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.usage.models import KEYS, SUMS, UsageHour, UsagePosition
from paifang.modules.gateway.usage.sums import log_keys, log_sums

PIECE = 5_000
"""Logs of one transaction: on SQLite nobody else can write meanwhile, for about a tenth of a
second."""
SETTLED = timedelta(minutes=4)
"""After this, every log below the newest one of that moment is committed: no statement, and no
wait for a lock, lasts as long."""
_HOURS: Table = UsageHour.__table__  # type: ignore[assignment]  # a mapped table is a Table


async def roll(session: AsyncSession, *, settled: timedelta = SETTLED) -> int:
    """Sum one piece up; says how many logs it was. Call it again while that is :data:`PIECE`."""
    position = await session.get(UsagePosition, 1, with_for_update=True)
    newest = await session.scalar(unscoped(select(func.max(Log.id)), "all are summed up")) or 0
    now = utc_now()
    if position is None:
        session.add(UsagePosition(id=1, log_id=0, seen_id=newest, seen_at=now))
        await session.flush()
        position = await session.get_one(UsagePosition, 1)
    if now - position.seen_at < settled:
        return 0
    first, last = position.log_id, min(position.seen_id, position.log_id + PIECE)
    if first < last:
        await _add(await session.connection(), first, last)
        position.log_id = last
    if last >= position.seen_id:
        position.seen_id, position.seen_at = newest, now
        return 0
    return PIECE


async def _add(connection: AsyncConnection, first: int, last: int) -> None:
    keys, sums = log_keys(), log_sums()
    columns = [value.label(name) for name, value in (keys | sums).items()]
    statement = unscoped(
        select(*columns).where(Log.id > first, Log.id <= last).group_by(*keys.values()),
        "all are summed up",
    )
    rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
    if rows:
        await connection.execute(_adding(connection.dialect.name), rows)


def _adding(kind: str) -> Insert:
    """An insert that adds to a row that is there."""
    if kind == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # for PostgreSQL alone

        new: Any = postgresql.insert(_HOURS)
    elif kind == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415  # for SQLite alone

        new = sqlite.insert(_HOURS)
    else:
        from sqlalchemy.dialects import mysql  # noqa: PLC0415  # for MariaDB alone

        new = mysql.insert(_HOURS)
        return new.on_duplicate_key_update(  # type: ignore[no-any-return]  # it is an Insert
            {name: _HOURS.c[name] + new.inserted[name] for name in SUMS}
        )
    return new.on_conflict_do_update(  # type: ignore[no-any-return]  # it is an Insert
        index_elements=list(KEYS),
        set_={name: _HOURS.c[name] + new.excluded[name] for name in SUMS},
    )


async def forget(session: AsyncSession, *, before_hour: int) -> int:
    """Drop hours that began before one, whole hours from 1970; says how many rows."""
    statement = unscoped(delete(UsageHour).where(UsageHour.hour < before_hour), "old ones go")
    result = await session.execute(statement)
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
