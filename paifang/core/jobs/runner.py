"""Runs jobs on the engine's own loop, with a database of that loop."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from paifang.core.db import Database
from paifang.core.jobs.job import Job
from paifang.core.jobs.models import LOST, JobAttempt
from paifang.core.jobs.run import Checkpoint, Run

if TYPE_CHECKING:
    from paifang.core.runtime import Runtime

log = logging.getLogger("paifang.jobs")

DatabaseFactory = Callable[[], Database]


class Runner:
    """Calls job functions. Everything here but :meth:`stop` runs on the engine's loop."""

    def __init__(
        self, runtime: "Runtime", make_database: DatabaseFactory, checkpoint: Checkpoint
    ) -> None:
        self._outer = runtime
        self._make_database = make_database
        self._checkpoint = checkpoint
        self._inner: Runtime | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let running jobs finish their current step and start no further one. Thread-safe."""
        self._stopping.set()

    async def __call__(self, job: Job, job_id: str, arguments: dict[str, Any]) -> None:
        """Run a job. Cancelled at a stop: it stays the worker's, and others take it over."""
        task = asyncio.current_task()
        if task is None or self._stopping.is_set():
            raise asyncio.CancelledError("the worker is stopping")
        self._tasks.add(task)
        try:
            await self._run(job, job_id, arguments)
        except asyncio.CancelledError:
            if not self._stopping.is_set() and not task.cancelling():
                # Left as it is, the job would stay "running" for as long as this worker lives.
                log.exception("job %s %s: failed, it let a cancellation out", job.name, job_id)
                raise RuntimeError("the job let a cancellation of its own out") from None
            log.info("job %s %s: interrupted by the stop of its worker", job.name, job_id)
            raise
        finally:
            self._tasks.discard(task)

    async def _run(self, job: Job, job_id: str, arguments: dict[str, Any]) -> None:
        runtime = self._runtime()
        started = time.monotonic()
        try:
            attempt = 1 + await _take_overs(runtime.db, job_id)
            log.info("job %s %s: started, attempt %d", job.name, job_id, attempt)
            run = Run(
                job,
                id=job_id,
                attempt=attempt,
                runtime=runtime,
                checkpoint=self._checkpoint,
                stopping=self._stopping,
            )
            await job.function(run, **arguments)
        except Exception:
            log.exception("job %s %s: failed", job.name, job_id)
            raise
        log.info("job %s %s: done in %.2f s", job.name, job_id, time.monotonic() - started)

    def _runtime(self) -> "Runtime":
        if self._inner is None:
            # A pool of connections belongs to the loop that opened them.
            database = self._make_database()
            self._inner = replace(self._outer, db=database)
            self._keeper = asyncio.create_task(self._keep(database), name="paifang-jobs-database")
        return self._inner

    async def _keep(self, database: Database) -> None:
        """Close the database when the engine cancels what is left on its loop, after the jobs."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            await database.close()


async def _take_overs(database: Database, job_id: str) -> int:
    async with database.reading() as session:
        counted = select(func.count()).where(JobAttempt.job_id == job_id, JobAttempt.reason == LOST)
        return (await session.execute(counted)).scalar_one()
