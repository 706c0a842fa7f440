"""Logs: read one, delete old ones. They are written by the flusher alone, found by ``finding``."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.scope import unscoped, visible
from paifang.modules.gateway.logs.errors import LogNotFound
from paifang.modules.gateway.logs.models import JournalPosition, Log

PRUNE_BATCH = 10_000
"""Rows deleted in one transaction: on SQLite nobody else can write meanwhile."""


async def get(session: AsyncSession, *, caller: Principal, request_id: str) -> Log:
    """The log of one call.

    Raises:
        LogNotFound: there is none (yet: a call is logged within a second of its end).
    """
    log = await session.scalar(visible(select(Log).where(Log.request_id == request_id), caller))
    if log is None:
        raise LogNotFound(f"No call of request id {request_id} is in the logs.")
    return log


async def prune(
    session: AsyncSession,
    *,
    caller: Principal,
    older_than: datetime,
    batch: int = PRUNE_BATCH,
) -> int:
    """Delete the oldest ``batch`` logs that the caller sees, of calls that started before
    ``older_than``.

    Says how many; call it again, in a new transaction, until that is less than ``batch``.
    """
    ids = list(
        await session.scalars(
            visible(select(Log.id).where(Log.started_at < older_than), caller)
            .order_by(Log.started_at)
            .limit(batch)
        )
    )
    for start in range(0, len(ids), 1000):  # drivers bound the parameters of one statement
        await session.execute(
            unscoped(
                delete(Log).where(Log.id.in_(ids[start : start + 1000])), "they are from above"
            )
        )
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
