"""Starts jobs at set times, once whatever the number of processes."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

# croniter ships no types.
from croniter import croniter  # type: ignore[import-untyped]  # has no types
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from paifang.core.db import Database, utc_now
from paifang.core.jobs.job import Job, enqueue
from paifang.core.jobs.models import JobSchedule

log = logging.getLogger("paifang.jobs")


def next_time(cron: str, after: datetime) -> datetime:
    """The first moment of a cron expression after a moment, in UTC."""
    moment: datetime = croniter(cron, after).get_next(datetime)
    return moment


class Scheduler:
    """Moves a schedule on and asks for its job in one transaction, so both happen or neither."""

    def __init__(
        self, database: Database, jobs: Iterable[Job], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._jobs = {job.name: job for job in jobs if job.cron is not None}
        self._now = now

    async def tick(self) -> None:
        """Start what is due. Of several missed times only one is made up for."""
        async with self._database.reading() as session:
            kept = {row.job: row for row in await session.scalars(select(JobSchedule))}
        for name, job in self._jobs.items():
            row = kept.get(name)
            if row is None:
                await self._add(job)
            elif row.cron != job.cron:
                await self._move(job, row, start=False)
            elif row.next_at <= self._now():
                await self._move(job, row, start=True)
        if gone := kept.keys() - self._jobs.keys():
            async with self._database.transaction() as session:
                await session.execute(delete(JobSchedule).where(JobSchedule.job.in_(gone)))

    async def _add(self, job: Job) -> None:
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    insert(JobSchedule).values(job=job.name, cron=job.cron, next_at=self._next(job))
                )
        except IntegrityError:
            log.debug("schedule %s: another process has added it", job.name)

    async def _move(self, job: Job, row: JobSchedule, *, start: bool) -> None:
        async with self._database.transaction() as session:
            moved = await session.execute(
                update(JobSchedule)
                .where(
                    JobSchedule.job == row.job,
                    JobSchedule.cron == row.cron,
                    JobSchedule.next_at == row.next_at,
                )
                .values(cron=job.cron, next_at=self._next(job, row.next_at if start else None))
            )
            # Whoever moved the row starts the job; the other finds it moved.
            if start and moved.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result has it
                enqueue(session, job)

    def _next(self, job: Job, due: datetime | None = None) -> datetime:
        # Never the same time again, should this machine's clock be a little behind.
        now = self._now()
        return next_time(str(job.cron), max(now, due) if due else now)
