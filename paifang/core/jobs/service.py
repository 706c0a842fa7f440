"""The jobs of one process: engine, dispatcher, heartbeat, sweep and schedules together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from paifang.core import outbox
from paifang.core.db import Database
from paifang.core.ids import uuid7
from paifang.core.jobs.dispatcher import SWEEP, Dispatcher
from paifang.core.jobs.job import DEFAULT, Job
from paifang.core.jobs.liveness import Membership, Watch
from paifang.core.jobs.loops import forever
from paifang.core.jobs.runner import DatabaseFactory, Runner
from paifang.core.jobs.schedules import Scheduler
from paifang.core.jobs.store import store_name, store_url
from paifang.core.jobs.sweeper import Sweeper
from paifang.core.module import Module, load

if TYPE_CHECKING:
    from paifang.core.jobs.engine import Engine
    from paifang.core.runtime import Runtime

log = logging.getLogger("paifang.jobs")


def collect(modules: Iterable[Module], extra: Iterable[Job] = ()) -> dict[str, Job]:
    """All jobs by name: the modules', their subscribers, and core's own.

    Raises:
        ValueError: two jobs have one name.
    """
    jobs: dict[str, Job] = {}
    for job in [*extra, *(job for module in modules for job in _of(module))]:
        other = jobs.setdefault(job.name, job)
        if other.function is not job.function:
            raise ValueError(f"two jobs are named {job.name}")
        if job.cron is not None:
            jobs[job.name] = job
    return jobs


def _of(module: Module) -> list[Job]:
    subscribers = (job for jobs in module.subscribers.values() for job in load(jobs))
    return [*load(module.jobs), *subscribers]


class Jobs:
    """Runs jobs in this process. At most one is started at a time per process.

    A process that only asks for jobs needs none of this: :func:`enqueue` writes a row, and a
    worker finds it.

    Args:
        runtime: This process's parts. Its database serves the dispatcher and the sweep.
        queues: What to work on: ``default``, ``compute``, both, or nothing. ``compute`` is for
            processes that do not relay calls.
        extra: Jobs that no module brings.
        database: Makes the database that jobs use, on their own loop; by the settings.
        grace: Seconds that running steps get to finish when this stops.
    """

    def __init__(
        self,
        runtime: "Runtime",
        *,
        queues: Sequence[str] = (DEFAULT,),
        extra: Iterable[Job] = (),
        database: DatabaseFactory | None = None,
        grace: float = 5.0,
    ) -> None:
        self.worker = str(uuid7())
        self.jobs = collect(runtime.modules, extra)
        self._runtime = runtime
        self._queues = tuple(queues)
        self._make_database = database or (lambda: Database.from_settings(runtime.settings))
        self._grace = grace
        self._wake = asyncio.Event()
        self._engine: Engine | None = None
        self._runner: Runner | None = None
        self._membership: Membership | None = None
        self._heart: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._waker: outbox.Waker = self._wake.set

    async def start(self) -> None:
        """Join the workers, launch the engine on threads of its own, start the loops.

        Raises:
            UnsupportedDatabaseError: jobs can't be kept where the settings say.
        """
        # The engine takes half a second to import: not in every command.
        from paifang.core.jobs.engine import Engine, checkpoint  # noqa: PLC0415  # half a second to import

        settings, database = self._runtime.settings, self._runtime.db
        url = store_url(settings)
        self._runner = Runner(self._runtime, self._make_database, checkpoint)
        self._engine = Engine(
            url=url,
            worker=self.worker,
            jobs=self.jobs.values(),
            invoke=self._runner,
            concurrency=settings.jobs.concurrency,
        )
        self._membership = Membership(
            database, worker=self.worker, queues=",".join(self._queues), store=store_name(url)
        )
        await self._membership.join()
        self._heart = self._loop("heartbeat", self._membership.beat, settings.jobs.heartbeat)
        try:
            await asyncio.to_thread(self._engine.launch, self._queues)
        except BaseException:
            self._engine = None
            await _cancel([self._heart])
            await self._membership.leave()
            raise
        self._start_loops(self._engine)
        log.info(
            "jobs: worker %s runs %d kinds of jobs from %s",
            *(self.worker, len(self.jobs), ", ".join(self._queues) or "no queue"),
        )

    def _start_loops(self, engine: "Engine") -> None:
        settings, database = self._runtime.settings.jobs, self._runtime.db
        dispatcher = Dispatcher(database, engine, self.jobs)
        scheduler = Scheduler(database, self.jobs.values())
        sweeper = Sweeper(
            database,
            engine,
            worker=self.worker,
            watch=Watch(settings.dead_after),
            max_attempts=settings.max_attempts,
        )

        async def sweep() -> None:
            if await sweeper.sweep():
                await scheduler.tick()

        self._loops = [
            self._loop("dispatcher", dispatcher.dispatch, SWEEP, self._wake),
            self._loop("sweep", sweep, settings.heartbeat),
        ]
        loop = asyncio.get_running_loop()
        self._waker = lambda: _set_soon(loop, self._wake)
        outbox.register_waker(self._waker)

    async def stop(self) -> None:
        """Stop: no job is started any more, running ones finish their current step.

        What is unfinished then is taken over by other workers, or by the next start. Takes the
        grace period and a few seconds at most.
        """
        if self._engine is None or self._runner is None or self._membership is None:
            return
        outbox.unregister_waker(self._waker)
        await _cancel(self._loops)
        self._runner.stop()
        # The heart beats until the engine has stopped: until then the jobs are this worker's.
        await asyncio.to_thread(self._engine.shutdown, self._grace)
        if self._heart is not None:
            await _cancel([self._heart])
        self._engine = None
        await self._membership.leave()
        log.info("jobs: worker %s stopped", self.worker)

    def _loop(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        interval: float,
        wake: asyncio.Event | None = None,
    ) -> asyncio.Task[None]:
        loop = forever(f"jobs: {name}", work, interval=interval, wake=wake)
        return asyncio.create_task(loop, name=f"paifang-jobs-{name}")


def _set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    # Jobs ask for jobs too, on another loop's thread. A closed loop has nothing to wake.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
