"""One run of a job, as its function sees it."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.jobs.job import Job

if TYPE_CHECKING:
    from paifang.core.runtime import Runtime

log = logging.getLogger("paifang.jobs")

P = ParamSpec("P")
T = TypeVar("T")

Checkpoint = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Runs a step under a name and keeps its result, or gives back the kept one."""


class StepFailedError(Exception):
    """A step raised, on each of its tries. The same on a replay as on the first run.

    Attributes:
        step: The step's name.
        kind: The class name of what it raised.
        message: The text of what it raised.
    """

    def __init__(self, step: str, kind: str, message: str) -> None:
        super().__init__(f"step {step}: {kind}: {message}")
        self.step = step
        self.kind = kind
        self.message = message
        # Kept with the step by this name, so that a replay can raise the same.
        self.data = {"step": step, "kind": kind, "message": message}


class Run:
    """What a job's function gets: its id, its steps, and this process's parts.

    Jobs run on a loop of their own. ``run.runtime`` therefore holds a database of that loop;
    what modules keep in ``run.runtime.parts`` belongs to the other loop and is not for jobs.

    Attributes:
        id: The job's id, the one :func:`enqueue` returned.
        attempt: 1, and one more for each take-over.
        runtime: This process's parts.
    """

    def __init__(
        self,
        job: Job,
        *,
        id: str,  # noqa: A002  the name every other record here has
        attempt: int,
        runtime: "Runtime",
        checkpoint: Checkpoint,
        stopping: threading.Event,
    ) -> None:
        self.id = id
        self.attempt = attempt
        self.runtime = runtime
        self._job = job
        self._checkpoint = checkpoint
        self._stopping = stopping

    async def step(
        self,
        function: Callable[Concatenate["Run", P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run ``function(run, ...)`` as a step, or give back what it returned before.

        Steps run one after the other and in the same order each time. What a step returns is
        kept as JSON, so it is small and made of text, numbers, lists and maps.

        Raises:
            StepFailedError: it raised on every try.
        """
        if self._stopping.is_set():
            raise asyncio.CancelledError("the worker is stopping")
        name = function.__qualname__

        async def attempts() -> T:
            return await self._try(name, lambda: function(self, *args, **kwargs))

        result: T = await self._checkpoint(name, attempts)
        return result

    async def _try(self, name: str, function: Callable[[], Awaitable[T]]) -> T:
        left, pause = self._job.tries, self._job.backoff
        while True:
            try:
                return await function()
            except Exception as error:
                left -= 1
                if left <= 0:
                    raise StepFailedError(name, type(error).__name__, str(error)) from error
                log.warning(
                    "job %s %s: step %s failed, next try in %.1f s",
                    *(self._job.name, self.id, name, pause),
                    exc_info=error,
                )
            await asyncio.sleep(pause)
            pause *= 2
            if self._stopping.is_set():
                raise asyncio.CancelledError("the worker is stopping")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends and rolls back when it raises."""
        async with self.runtime.db.transaction() as session:
            yield session

    def idempotency_key(self, step: str) -> str:
        """A key for an effect on the outside: the same whenever this job repeats this step."""
        return f"paifang-{self.id}-{step}"
