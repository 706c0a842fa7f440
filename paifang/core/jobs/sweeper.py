"""Takes over the jobs of workers that are gone.

The engine resumes only what the same worker left behind, and resumes anything it is told to,
even what runs. So: one process sweeps at a time, and each lost run is claimed in the database
before it is resumed, which two sweepers can't both do.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import Database, utc_now
from paifang.core.jobs.handover import Running
from paifang.core.jobs.liveness import Roll, Watch, hold_lease, read_roll
from paifang.core.jobs.models import GIVEN_UP, LOST, RESUMED, STOPPED, JobAttempt, Worker

if TYPE_CHECKING:
    from paifang.core.jobs.engine import Engine

log = logging.getLogger("paifang.jobs")

KEEP = timedelta(days=30)
"""How long jobs that have ended, and their take-overs, can be looked up."""
_FORGET_EACH = 3600.0
_LEASE = "jobs.sweep"


class Sweeper:
    """One round is :meth:`sweep`; it does nothing while another process holds the lease."""

    def __init__(
        self, database: Database, engine: "Engine", *, worker: str, watch: Watch, max_attempts: int
    ) -> None:
        self._database = database
        self._engine = engine
        self._worker = worker
        self._watch = watch
        self._max_attempts = max_attempts
        self._forgot = -_FORGET_EACH

    async def sweep(self) -> bool:
        """Take over what is lost; whether this process is the one that sweeps."""
        # Every process watches, so that a new sweeper knows already who is dead.
        roll = await read_roll(self._database)
        alive = self._watch.alive(roll.beats)
        if self._worker not in alive or not await hold_lease(
            self._database, name=_LEASE, worker=self._worker, alive=alive
        ):
            return False
        running = await asyncio.to_thread(self._engine.running)
        if any(job.worker not in alive for job in running):
            await self._take_over(running)
        await self._strike_off(roll, alive, running)
        await self._forget()
        return True

    async def _take_over(self, running: Collection[Running]) -> None:
        # Read after the jobs: a worker joins before it takes one, so each live one is in here.
        roll = await read_roll(self._database)
        # A worker that was struck off while it slept may wake up and join again: watch it too.
        missing = {job.worker: -1 for job in running if job.worker not in roll.left}
        alive = self._watch.alive(missing | roll.beats)
        for job in running:
            if job.worker in alive:
                continue
            reason = STOPPED if job.worker in roll.left else LOST
            outcome = await self._claim(job, reason, alive)
            if outcome == RESUMED:
                await asyncio.to_thread(self._engine.resume, job)
                log.warning(
                    "job %s %s: taken over, its worker %s %s",
                    *(job.name, job.id, job.worker, "died" if reason == LOST else "stopped"),
                )
            elif outcome == GIVEN_UP:
                await asyncio.to_thread(self._engine.cancel, job)
                log.error(
                    "job %s %s: given up, its worker died in each of %d attempts",
                    *(job.name, job.id, self._max_attempts + 1),
                )

    async def _claim(self, job: Running, reason: str, alive: Collection[str]) -> str | None:
        """Claim a lost run for this process.

        Returns:
            What to do with it; None when another process is doing it.
        """
        try:
            async with self._database.transaction() as session:
                claim = await session.get(JobAttempt, (job.id, job.run))
                if claim is not None:
                    return await self._inherit(session, claim, alive)
                outcome = RESUMED
                if reason == LOST and await _lost_runs(session, job.id) >= self._max_attempts:
                    outcome = GIVEN_UP
                session.add(
                    JobAttempt(
                        job_id=job.id,
                        run=job.run,
                        sweeper=self._worker,
                        reason=reason,
                        outcome=outcome,
                    )
                )
                return outcome
        except IntegrityError:
            return None

    async def _inherit(
        self, session: AsyncSession, claim: JobAttempt, alive: Collection[str]
    ) -> str | None:
        """The claim of a sweeper that died, or whose call of the engine failed, is carried out."""
        if claim.sweeper == self._worker:
            return claim.outcome
        if claim.sweeper in alive:
            return None
        taken = await session.execute(
            update(JobAttempt)
            .where(
                JobAttempt.job_id == claim.job_id,
                JobAttempt.run == claim.run,
                JobAttempt.sweeper == claim.sweeper,
            )
            .values(sweeper=self._worker)
        )
        return claim.outcome if taken.rowcount else None  # type: ignore[attr-defined]  # UPDATE

    async def _strike_off(
        self, roll: Roll, alive: Collection[str], running: Collection[Running]
    ) -> None:
        """Remove the rows of workers that are gone, once no job is theirs any more."""
        busy = {job.worker for job in running}
        dead = roll.beats.keys() - set(alive) - busy
        if gone := dead | (roll.left - busy):
            async with self._database.transaction() as session:
                await session.execute(delete(Worker).where(Worker.id.in_(gone)))
        if dead:
            log.warning("workers that died: %s", ", ".join(sorted(dead)))

    async def _forget(self) -> None:
        now = time.monotonic()
        if now - self._forgot < _FORGET_EACH:
            return
        self._forgot = now
        before = utc_now() - KEEP
        while await asyncio.to_thread(self._engine.forget, before) >= 1000:
            pass
        async with self._database.transaction() as session:
            await session.execute(delete(JobAttempt).where(JobAttempt.at < before))


async def _lost_runs(session: AsyncSession, job_id: str) -> int:
    counted = select(func.count()).where(JobAttempt.job_id == job_id, JobAttempt.reason == LOST)
    return (await session.execute(counted)).scalar_one()
