"""What jobs do, for the doctor and for pages; works in processes that run none themselves."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, func, select

from paifang.core.db import Database, utc_now
from paifang.core.jobs.job import COMPUTE
from paifang.core.jobs.models import GIVEN_UP, LOST, JobAttempt, Worker
from paifang.core.jobs.store import store_url
from paifang.core.module import Finding
from paifang.core.outbox import Outbox
from paifang.core.settings import CoreSettings

if TYPE_CHECKING:
    from dbos import WorkflowStatus

_STATES: Final = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
_COUNTED: Final = 10_000


@dataclass(frozen=True)
class JobState:
    """A job as people see it."""

    id: str
    name: str
    state: str
    """``waiting`` (in the outbox), ``queued``, ``running``, ``done``, ``failed``, ``cancelled``,
    or ``given_up``: its worker died in each attempt."""
    queue: str | None
    worker: str | None
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class WorkerState:
    """A worker as people see it."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    store: str
    alive: bool
    """Seen lately, by the clocks of the two machines: good enough to look at."""
    started_at: datetime
    seen_at: datetime


async def list_jobs(
    settings: CoreSettings, database: Database, *, limit: int = 50
) -> list[JobState]:
    """The latest jobs, newest first; what still waits in the outbox comes before all."""
    async with database.reading() as session:
        waiting = (
            await session.scalars(select(Outbox).order_by(Outbox.id.desc()).limit(limit))
        ).all()
    states = await _read(store_url(settings), limit=limit, sort_desc=True, load_input=False)
    lost = await _attempts(database, [state.workflow_id for state in states])
    kept = {state.workflow_id for state in states}
    shown = [
        JobState(row.id, row.job, "waiting", None, None, 0, row.created_at, None, None)
        for row in waiting
        if row.id not in kept
    ]
    shown += [_state(state, lost.get(state.workflow_id, [])) for state in states]
    return shown[:limit]


async def count_jobs(settings: CoreSettings, database: Database) -> dict[str, int]:
    """How many jobs are in each state but ``done``, of the latest 10,000."""
    async with database.reading() as session:
        waiting = (await session.execute(select(func.count(Outbox.id)))).scalar_one()
        given_up = set(
            await session.scalars(select(JobAttempt.job_id).where(JobAttempt.outcome == GIVEN_UP))
        )
    states = await _read(
        store_url(settings),
        status=["ENQUEUED", "DELAYED", "PENDING", "ERROR", "CANCELLED"],
        limit=_COUNTED,
        sort_desc=True,
        load_input=False,
        load_output=False,
    )
    counts = Counter(
        "given_up" if state.workflow_id in given_up else _STATES[state.status] for state in states
    )
    counts["waiting"] = waiting
    return {state: count for state, count in sorted(counts.items()) if count}


async def list_workers(settings: CoreSettings, database: Database) -> list[WorkerState]:
    """The processes that run jobs, and those that died lately."""
    async with database.reading() as session:
        rows = (await session.scalars(select(Worker).order_by(Worker.started_at))).all()
    silent = utc_now() - timedelta(seconds=settings.jobs.dead_after)
    return [
        WorkerState(
            id=row.id,
            host=row.host,
            pid=row.pid,
            queues=tuple(filter(None, row.queues.split(","))),
            store=row.store,
            alive=row.left_at is None and row.seen_at > silent,
            started_at=row.started_at,
            seen_at=row.seen_at,
        )
        for row in rows
    ]


async def findings(settings: CoreSettings, database: Database) -> list[Finding]:
    """What the doctor says about jobs."""
    counts = await count_jobs(settings, database)
    workers = [worker for worker in await list_workers(settings, database) if worker.alive]
    found = [_workers_finding(workers, counts)]
    stores = sorted({worker.store for worker in workers})
    if len(stores) > 1:
        found.append(
            Finding(
                "error",
                "jobs",
                f"workers keep jobs in different places: {', '.join(stores)}",
                "Set the same PAIFANG_JOBS_DB_URL (PostgreSQL) for all of them.",
            )
        )
    bad = {state: counts[state] for state in ("failed", "given_up") if state in counts}
    if bad:
        text = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in bad.items())
        found.append(
            Finding(
                "warning", "jobs", f"jobs that did not succeed: {text}", "See the log for each."
            )
        )
    return found


def _workers_finding(workers: Sequence[WorkerState], counts: dict[str, int]) -> Finding:
    open_jobs = counts.get("waiting", 0) + counts.get("queued", 0)
    if not workers:
        return Finding(
            "warning" if open_jobs else "off",
            "jobs",
            f"no process runs jobs; {open_jobs} wait",
            "Run paifang up, or paifang serve --only worker.",
        )
    busy = f"{len(workers)} at work, {counts.get('running', 0)} running, {open_jobs} waiting"
    if not any(COMPUTE in worker.queues for worker in workers):
        return Finding("ok", "jobs", f"{busy}; none of them takes jobs that compute")
    return Finding("ok", "jobs", busy)


async def _read(url: URL, **filters: Any) -> "list[WorkflowStatus]":
    def call() -> "list[WorkflowStatus]":
        # The engine takes half a second to import: only where it is needed.
        from paifang.core.jobs import engine  # noqa: PLC0415  # half a second to import

        return engine.read(url, **filters)

    return await asyncio.to_thread(call)


async def _attempts(database: Database, ids: list[str]) -> dict[str, list[JobAttempt]]:
    found: dict[str, list[JobAttempt]] = {}
    async with database.reading() as session:
        rows = await session.scalars(select(JobAttempt).where(JobAttempt.job_id.in_(ids)))
        for row in rows:
            found.setdefault(row.job_id, []).append(row)
    return found


def _state(state: "WorkflowStatus", attempts: list[JobAttempt]) -> JobState:
    given_up = any(row.outcome == GIVEN_UP for row in attempts)
    started = state.dequeued_at is not None or bool(attempts)
    resumed = sum(row.reason == LOST and row.outcome != GIVEN_UP for row in attempts)
    error = str(state.error) if state.error else None
    if given_up:
        error = "its worker died in each attempt"
    return JobState(
        id=state.workflow_id,
        name=state.name,
        state="given_up" if given_up else _STATES[state.status],
        queue=state.queue_name,
        worker=state.executor_id if state.status == "PENDING" else None,
        attempts=resumed + 1 if started else 0,
        created_at=_moment(state.created_at) or utc_now(),
        ended_at=_moment(state.completed_at),
        error=error,
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
