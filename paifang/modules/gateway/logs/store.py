"""One batch of finished calls into the database, in one transaction, exactly once.

Each request id is logged and counted once: a row that is there already is skipped, and what is
skipped is not counted again. How far the segment has been read is stored in the same
transaction, so that a batch that was committed is never read again, even after its rows have
been pruned.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
from paifang.modules.gateway.logs.columns import Columns, chosen, to_moment
from paifang.modules.gateway.logs.inserts import Execution, append, inserts
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.logs.pace import Paced
from paifang.modules.gateway.logs.rows import MAX_BIGINT, Row
from paifang.modules.gateway.tokens.models import Token

KNOWN = 50
"""Request ids that are looked up at once. With hundreds, PostgreSQL may compare each of them with
each row instead of asking its index."""

PIECE = 2
"""SQLite's statements that are run at a stretch: a third of a millisecond."""

FREED = 8
"""Statements' parameters that are freed at once: of SQLite's, 7,000 values, 0.2 ms."""

_LOGS: Table = Log.__table__  # type: ignore[assignment]  # a mapped table is a Table
_POSITIONS: Table = JournalPosition.__table__  # type: ignore[assignment]  # the same


@dataclass(slots=True)
class Use:
    """What the calls of one group, token and channel came to."""

    group_id: str
    token_id: str | None
    channel_id: str | None
    cost: int = 0
    requests: int = 0
    last: str = ""
    """When the latest began, as the columns hold it."""


class Rows:
    """Calls, ready to be stored in a kind of database.

    Attributes:
        kind: As :attr:`paifang.core.db.Database.kind`.
        careful: Whether to look, before storing them, for those that are there already. Nearly
            always none is, and to try is cheaper: the whole is then refused if one is.
        count: How many they are.
        columns: What they are, part by part; only if ``careful``, since it doubles the memory.
        inserts: What stores them.
        uses: What is to be counted, by group, token and channel.
    """

    def __init__(self, kind: str, *, careful: bool) -> None:
        self.kind = kind
        self.careful = careful
        self.count = 0
        self.columns: list[Columns] = []
        self.inserts: list[Execution] = []
        self.uses: dict[tuple[Any, ...], Use] = {}

    def add(self, columns: Columns) -> None:
        """Prepare some more; this takes about a microsecond each."""
        self.count += len(columns["request_id"])
        if self.careful:
            self.columns.append(columns)
        append(self.inserts, inserts(self.kind, columns))
        owners = zip(columns["group_id"], columns["token_id"], columns["channel_id"], strict=True)
        for owner, cost, at in zip(owners, columns["cost"], columns["started_at"], strict=True):
            use = self.uses.get(owner)
            if use is None:
                use = self.uses[owner] = Use(*owner)
            use.cost += cost or 0
            use.requests += 1
            if at > use.last:  # noqa: PLR1730 - max() takes twice as long
                use.last = at

    async def let_go(self) -> None:
        """Free the parameters, in turns: of thousands of calls at once, that would keep the event
        loop for milliseconds.
        """
        while self.inserts:
            _statement, parameters = self.inserts.pop()
            while isinstance(parameters, list) and parameters:
                del parameters[-FREED:]
                await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one segment that lie side by side, as rows."""

    segment: str
    start: int
    """Offset of the first."""
    end: int
    """Offset behind the last."""
    last: bool
    """Nothing lay behind it when it was read."""
    rows: Rows


class Moved(Exception):
    """The segment has been read by somebody else meanwhile; go on at ``position``."""

    def __init__(self, position: int) -> None:
        super().__init__(f"the segment has been read up to {position}")
        self.position = position


async def store(
    database: Database, batch: Batch, *, before_commit: Callable[[], None], rest: float = 0.0
) -> int:
    """Insert the rows that are new, count them, and move the position; says how many were new.

    ``before_commit`` is called when everything else has succeeded. The batch is then used up.
    ``rest`` is how long to rest between statements, as a multiple of the work, where that work
    is done in this process (on SQLite); the transaction takes longer by as much.

    Raises:
        IntegrityError: a row is there already, and the batch was made for another hope; nothing
            was changed. (Or the table refuses a row, as any of the errors below may say.)
        Moved: the stored position is not the batch's start; nothing was changed.
        SQLAlchemyError: the database refused or is away; nothing was changed, unless the answer
            to the COMMIT itself was lost (the next try then finds the position moved).
    """
    async with database.transaction() as session:
        connection = await session.connection()
        await _move(connection, batch)
        rows = await _new(connection, batch.rows) if batch.rows.careful else batch.rows
        for statement, parameters in rows.inserts:
            many = rest and isinstance(parameters, list)
            # No variable of ours keeps the copy: its tuples are to be freed in turns, below.
            await connection.exec_driver_sql(
                statement, Paced(parameters, rest, PIECE) if many else parameters
            )
        await _count(connection, rows.uses.values())
        before_commit()
    await batch.rows.let_go()
    return rows.count


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


async def _move(connection: AsyncConnection, batch: Batch) -> None:
    """Move the position, and keep others from doing so until the transaction ends."""
    values = {"position": batch.end, "updated_at": utc_now()}
    moved = await connection.execute(_MOVE, {**values, "of": batch.segment, "start": batch.start})
    if moved.rowcount == 1:
        return
    known = await connection.scalar(_POSITION, {"of": batch.segment})
    if known is not None or batch.start:
        raise Moved(known or 0)
    await connection.execute(insert(_POSITIONS), {"segment": batch.segment, **values})


_POSITION = select(_POSITIONS.c.position).where(_POSITIONS.c.segment == bindparam("of"))
_MOVE = update(_POSITIONS).where(
    _POSITIONS.c.segment == bindparam("of"), _POSITIONS.c.position == bindparam("start")
)


async def _new(connection: AsyncConnection, rows: Rows) -> Rows:
    """The rows whose request id is not in the logs, each id once."""
    column = _LOGS.c.request_id
    new, seen = Rows(rows.kind, careful=True), set[str]()
    for columns in rows.columns:
        ids = columns["request_id"]
        for start in range(0, len(ids), KNOWN):
            some = ids[start : start + KNOWN]
            seen.update(await connection.scalars(select(column).where(column.in_(some))))
        which = []
        for request_id in ids:
            which.append(request_id not in seen)
            seen.add(request_id)
        new.add(chosen(columns, which))
    return new


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

    def changes(self, uses: Iterable[Use]) -> list[Row]:
        """The statement's parameters, in the order of their keys."""
        of: dict[Any, list[Use]] = defaultdict(list)
        for use in uses:
            owner = getattr(use, self.field)
            key = _uuid(owner) if self._uuids else owner
            if key is not None:
                of[key].append(use)
        return [self._change(key, of[key]) for key in sorted(of)]

    def _change(self, key: Any, uses: Sequence[Use]) -> Row:
        change: Row = {
            "key": key,
            "add_used": min(sum(use.cost for use in uses), MAX_BIGINT),
            "add_requests": sum(use.requests for use in uses),
        }
        if self._timed:
            change["at"] = to_moment(max(use.last for use in uses))
        return change


# The order of tables and of keys is always the same: transactions that count at the same time
# wait for each other instead of locking each other out.
_COUNTERS: tuple[_Counter, ...] = (
    _Counter("group_id", Group.__table__),  # type: ignore[arg-type]  # a mapped table is a Table
    _Counter("token_id", Token.__table__),  # type: ignore[arg-type]  # the same
    _Counter("channel_id", Channel.__table__),  # type: ignore[arg-type]  # the same
)


async def _count(connection: AsyncConnection, uses: Collection[Use]) -> None:
    """Add what the calls cost. A group, token or channel that is gone is not counted."""
    for counter in _COUNTERS:
        if changes := counter.changes(uses):
            await connection.execute(counter.statement, changes)


@lru_cache(maxsize=1024)
def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
