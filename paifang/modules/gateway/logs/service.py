"""Logs: read, find, delete. They are written by the flusher alone."""

from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.modules.gateway.logs.errors import LogNotFound
from paifang.modules.gateway.logs.models import JournalPosition, Log

PRUNE_BATCH = 10_000
"""Rows deleted in one transaction: on SQLite nobody else can write meanwhile."""


class Filters(TypedDict, total=False):
    """What logs may be narrowed by; None and absent mean the same."""

    group_id: str | None
    token_id: str | None
    channel_id: str | None
    model: str | None
    outcome: str | None
    request_id: str | None
    status: str | None
    """``4xx``: the class of the HTTP status."""
    started_from: datetime | None
    """At or after this."""
    started_to: datetime | None
    """Before this."""


_EQUAL = {
    "group_id": Log.group_id,
    "token_id": Log.token_id,
    "channel_id": Log.channel_id,
    "model": Log.model,
    "outcome": Log.outcome,
    "request_id": Log.request_id,
}


def _filtered(filters: Filters) -> Select[Log]:
    statement = select(Log)
    for name, value in filters.items():
        if value is not None and name in _EQUAL:
            statement = statement.where(_EQUAL[name] == value)
    if status := filters.get("status"):
        lowest = int(status[0]) * 100
        statement = statement.where(Log.status >= lowest, Log.status < lowest + 100)
    if (started_from := filters.get("started_from")) is not None:
        statement = statement.where(Log.started_at >= started_from)
    if (started_to := filters.get("started_to")) is not None:
        statement = statement.where(Log.started_at < started_to)
    return statement


async def find(
    session: AsyncSession,
    *,
    before: int | None = None,
    limit: int = 20,
    **filters: Unpack[Filters],
) -> tuple[list[Log], int | None]:
    """Logs, newest first, and the id to give as ``before`` for the next page (None: no more)."""
    statement = _filtered(filters)
    if before is not None:
        statement = statement.where(Log.id < before)
    rows = list(await session.scalars(statement.order_by(Log.id.desc()).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, rows[-1].id if more else None


async def get(session: AsyncSession, *, request_id: str) -> Log:
    """The log of one call.

    Raises:
        LogNotFound: there is none (yet: a call is logged within a second of its end).
    """
    log = await session.scalar(select(Log).where(Log.request_id == request_id))
    if log is None:
        raise LogNotFound(f"No call of request id {request_id} is in the logs.")
    return log


async def prune(session: AsyncSession, *, older_than: datetime, batch: int = PRUNE_BATCH) -> int:
    """Delete the oldest ``batch`` logs of calls that started before ``older_than``.

    Says how many; call it again, in a new transaction, until that is less than ``batch``.
    """
    ids = list(
        await session.scalars(
            select(Log.id).where(Log.started_at < older_than).order_by(Log.started_at).limit(batch)
        )
    )
    for start in range(0, len(ids), 1000):  # drivers bound the parameters of one statement
        await session.execute(delete(Log).where(Log.id.in_(ids[start : start + 1000])))
    return len(ids)


async def prune_positions(session: AsyncSession, *, older_than: datetime) -> int:
    """Drop positions of journal segments that nobody has read from since ``older_than``.

    They are left when a process dies between removing a segment and forgetting its position.
    """
    statement = delete(JournalPosition).where(JournalPosition.updated_at < older_than)
    result = await session.execute(statement)
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it


def record_deletion(session: AsyncSession, *, actor: Principal, before: datetime) -> None:
    """Note in the audit trail that somebody deletes logs."""
    audit.record(
        session,
        actor=actor,
        action="gateway.log.delete",
        subject_type="log",
        subject_id="*",
        changes={"before": before.isoformat()},
    )
