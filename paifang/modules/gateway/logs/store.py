"""One batch of finished calls into the database, in one transaction, exactly once.

Each request id is logged and counted once: a row that is there already is skipped, and what is
skipped is not counted again. How far the segment has been read is stored in the same
transaction, so that a batch that was committed is never read again, even after its rows have
been pruned.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Table,
    Uuid,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from paifang.core.db import Database, utc_now
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.logs.rows import MAX_BIGINT, Row
from paifang.modules.gateway.tokens.models import Token

CHUNK = 50
"""Rows of one INSERT: preparing them keeps the event loop for under a millisecond."""

_LOGS: Table = Log.__table__  # type: ignore[assignment]  # a mapped table is a Table
_POSITIONS: Table = JournalPosition.__table__  # type: ignore[assignment]  # the same


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one segment that lie side by side, as rows."""

    segment: str
    start: int
    """Offset of the first."""
    end: int
    """Offset behind the last."""
    rows: Sequence[Row]


class Moved(Exception):
    """The segment has been read by somebody else meanwhile; go on at ``position``."""

    def __init__(self, position: int) -> None:
        super().__init__(f"the segment has been read up to {position}")
        self.position = position


async def store(database: Database, batch: Batch, *, before_commit: Callable[[], None]) -> int:
    """Insert the rows that are new, count them, and move the position; says how many were new.

    ``before_commit`` is called when everything else has succeeded.

    Raises:
        Moved: the stored position is not the batch's start; nothing was changed.
        SQLAlchemyError: the database refused or is away; nothing was changed, unless the answer
            to the COMMIT itself was lost (the next try then finds the position moved).
    """
    async with database.transaction() as session:
        connection = await session.connection()
        known = await _position(connection, batch.segment)
        if (known or 0) != batch.start:
            raise Moved(known or 0)
        rows = await _new(connection, batch.rows)
        for start in range(0, len(rows), CHUNK):
            await connection.execute(insert(_LOGS), rows[start : start + CHUNK])
        await _count(connection, rows)
        await _move(connection, batch, known)
        before_commit()
    return len(rows)


async def forget(database: Database, segments: Iterable[str]) -> None:
    """Drop the positions of segments that are gone."""
    async with database.transaction() as session:
        await session.execute(delete(_POSITIONS).where(_POSITIONS.c.segment.in_(list(segments))))


def is_refusal(error: Exception) -> bool:
    """Whether the database refused what is in a row, as opposed to being away or busy."""
    if isinstance(error, DataError | IntegrityError | ValueError | OverflowError):
        return True
    if isinstance(error, DBAPIError):
        # asyncpg's data exceptions reach us as the base class; SQLSTATE class 22 tells them.
        # Its ValueErrors are values that it can't send.
        return _sqlstate(error).startswith("22") or (
            error.orig is not None and isinstance(error.orig.__cause__, ValueError)
        )
    return isinstance(error, StatementError)  # a value that could not even be bound


def is_race(error: Exception) -> bool:
    """Whether another transaction was in the way: the same one may succeed at once."""
    if isinstance(error, IntegrityError):
        return True
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    # Serialization failure and deadlock, by SQLSTATE (PostgreSQL) and by number (MariaDB).
    return _sqlstate(error).startswith("40") or error.orig.args[:1] == (1213,)


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


async def _position(connection: AsyncConnection, segment: str) -> int | None:
    statement = select(_POSITIONS.c.position).where(_POSITIONS.c.segment == segment)
    found: int | None = await connection.scalar(statement.with_for_update())
    return found


async def _new(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """The rows whose request id is not in the logs, each id once."""
    by_id: dict[str, Row] = {}
    for row in rows:
        by_id.setdefault(row["request_id"], row)
    if not by_id:
        return []
    column = _LOGS.c.request_id
    known = set(await connection.scalars(select(column).where(column.in_(by_id))))
    return [row for request_id, row in by_id.items() if request_id not in known]


async def _move(connection: AsyncConnection, batch: Batch, known: int | None) -> None:
    values = {"position": batch.end, "updated_at": utc_now()}
    if known is None:
        await connection.execute(insert(_POSITIONS).values(segment=batch.segment, **values))
    else:
        await connection.execute(
            update(_POSITIONS).where(_POSITIONS.c.segment == batch.segment).values(**values)
        )


class _Counter:
    """Adds to the counters of a table's rows; sums stay within a bigint, times go forward."""

    def __init__(self, field: str, table: Table) -> None:
        self.field = field
        self._uuids = isinstance(table.c.id.type, Uuid)
        self._timed = "last_used_at" in table.c
        used = bindparam("add_used", type_=BigInteger)
        values: dict[str, Any] = {
            "used": case(
                (table.c.used > MAX_BIGINT - used, MAX_BIGINT),
                else_=table.c.used + used,
            ),
            "requests": table.c.requests + bindparam("add_requests", type_=BigInteger),
            "updated_at": table.c.updated_at,  # counting is no change to the thing itself
        }
        if self._timed:
            last = table.c.last_used_at
            at = bindparam("at", type_=last.type)
            values["last_used_at"] = case((or_(last.is_(None), last < at), at), else_=last)
        self.statement = update(table).where(table.c.id == bindparam("key")).values(**values)

    def changes(self, rows: Sequence[Row]) -> list[Row]:
        """The statement's parameters, in the order of their keys."""
        sums: dict[Any, list[Row]] = defaultdict(list)
        for row in rows:
            key = _uuid(row[self.field]) if self._uuids else row[self.field]
            if key is not None:
                sums[key].append(row)
        return [self._sum(key, sums[key]) for key in sorted(sums)]

    def _sum(self, key: Any, rows: Sequence[Row]) -> Row:
        change: Row = {
            "key": key,
            "add_used": min(sum(row["cost"] or 0 for row in rows), MAX_BIGINT),
            "add_requests": len(rows),
        }
        if self._timed:
            change["at"] = max(row["started_at"] for row in rows)
        return change


# The order of tables and of keys is always the same: transactions that count at the same time
# wait for each other instead of locking each other out.
_COUNTERS: tuple[_Counter, ...] = (
    _Counter("group_id", Group.__table__),  # type: ignore[arg-type]  # a mapped table is a Table
    _Counter("token_id", Token.__table__),  # type: ignore[arg-type]  # the same
    _Counter("channel_id", Channel.__table__),  # type: ignore[arg-type]  # the same
)


async def _count(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Add what the calls cost. A group, token or channel that is gone is not counted."""
    for counter in _COUNTERS:
        if changes := counter.changes(rows):
            await connection.execute(counter.statement, changes)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
