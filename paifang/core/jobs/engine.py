"""DBOS, the engine that keeps jobs: all of Paifang's knowledge of it is in this file.

Its calls block, and launched under a running loop it would run jobs on that loop. So every
method here is called on a thread that has none (``asyncio.to_thread``).
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from dbos import (
    DBOS,
    DBOSClient,
    DBOSPortableJSONSerializer,
    PortableWorkflowError,
    SetWorkflowID,
    WorkflowStatus,
)
from sqlalchemy import URL
from sqlalchemy.exc import ProgrammingError

from paifang.core.jobs.handover import Handover, Running
from paifang.core.jobs.job import COMPUTE, DEFAULT, Job
from paifang.core.jobs.run import StepFailedError
from paifang.core.jobs.store import prepare, store_path

# One constant version: DBOS's own, a hash of the code, would strand what an older one queued.
_VERSION: Final = "1"
_NAME: Final = "paifang"
_POLL: Final = 0.2

Invoke = Callable[[Job, str, dict[str, Any]], Awaitable[None]]
"""Runs a job on the engine's loop: the job, its id, its arguments."""


class Engine:
    """DBOS in this process. There is one per process: DBOS is a singleton."""

    def __init__(
        self, *, url: URL, worker: str, jobs: Iterable[Job], invoke: Invoke, concurrency: int
    ) -> None:
        self._url = url
        self._worker = worker
        self._jobs = {job.name: job for job in jobs}
        self._invoke = invoke
        self._concurrency = concurrency
        self._workflows: dict[str, Callable[..., Any]] = {}

    def launch(self, queues: Sequence[str]) -> None:
        """Start working on ``queues``; with none, only hand over and sweep."""
        prepare(self._url)
        _quiet_logger()
        threads = self._concurrency + 8
        DBOS(
            config={
                "name": _NAME,
                "system_database_url": self._url.render_as_string(hide_password=False),
                "executor_id": self._worker,
                "application_version": _VERSION,
                "max_executor_threads": threads,
                "sys_db_pool_size": min(threads, 16),
                "enable_otlp": False,
                "log_level": "WARNING",
                # JSON in the store instead of pickles: readable, and nothing there is executed.
                "serializer": DBOSPortableJSONSerializer(),
                # Schedules are ours and waits for messages are not used.
                "scheduler_polling_interval_sec": 600.0,
                "notification_listener_polling_interval_sec": 0.2,
            }
        )
        try:
            self._workflows = {job.name: self._workflow(job) for job in self._jobs.values()}
            DBOS.listen_queues(queues)
            DBOS.launch()
            # What computes runs alone: two at a time would only share the core.
            for queue, at_once in ((DEFAULT, self._concurrency), (COMPUTE, 1)):
                DBOS.register_queue(
                    queue,
                    worker_concurrency=at_once,
                    polling_interval_sec=_POLL,
                    on_conflict="always_update",
                )
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise

    def shutdown(self, grace: float) -> None:
        """Take no more jobs, wait up to ``grace`` seconds for the running ones, stop them."""
        # With no time at all it would close the loop under the threads that hand jobs to it.
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=max(1, round(grace)))

    def hand_over(self, rows: Iterable[Handover]) -> None:
        """Queue jobs under their rows' ids; an id that is known already is left alone."""
        for row in rows:
            job = self._jobs[row.job]
            with SetWorkflowID(row.id):
                DBOS.enqueue_workflow(job.queue, self._workflows[job.name], **row.arguments)

    def running(self) -> list[Running]:
        """Every job that some worker has."""
        return [
            _running(state)
            for state in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        ]

    def resume(self, lost: Running) -> None:
        """Queue a job again whose worker is gone, if it is still that worker's.

        Finished steps are not run again.
        """
        # The engine resumes whatever it is told to, even what runs: hence the last look.
        if self._still(lost):
            DBOS.resume_workflow(lost.id, queue_name=lost.queue)

    def cancel(self, lost: Running) -> None:
        """Give a job up whose worker is gone, if it is still that worker's."""
        if self._still(lost):
            DBOS.cancel_workflow(lost.id)

    def forget(self, before: datetime) -> int:
        """Delete jobs that ended before ``before``, a thousand at most; how many there were."""
        old = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            load_input=False,
            load_output=False,
            limit=1000,
        )
        if old:
            DBOS.delete_workflows([state.workflow_id for state in old])
        return len(old)

    @staticmethod
    def _still(lost: Running) -> bool:
        found = DBOS.list_workflows(
            workflow_ids=[lost.id], status="PENDING", load_input=False, load_output=False
        )
        return [_running(state) for state in found] == [lost]

    def _workflow(self, job: Job) -> Callable[..., Any]:
        async def workflow(**arguments: Any) -> None:
            await self._invoke(job, str(DBOS.workflow_id), arguments)

        workflow.__qualname__ = job.name
        # Attempts are counted by the sweep: the engine's own count is reset by each resume.
        return DBOS.workflow(name=job.name, max_recovery_attempts=None)(workflow)


async def checkpoint(name: str, step: Callable[[], Awaitable[Any]]) -> Any:
    """Run a step of the current job and keep what it returns; on a replay give that back."""

    async def body() -> Any:
        return await step()

    try:
        return await DBOS.run_step_async({"name": name}, body)
    except PortableWorkflowError as kept:
        # A step that failed before: the same exception as on the first run.
        raise _revived(kept) from kept


def _revived(kept: PortableWorkflowError) -> Exception:
    data = kept.data
    if kept.name == StepFailedError.__name__ and isinstance(data, dict):
        return StepFailedError(str(data["step"]), str(data["kind"]), str(data["message"]))
    return kept


def read(url: URL, **filters: Any) -> list[WorkflowStatus]:
    """List jobs of a store without running an engine; empty if there is no store yet."""
    path = store_path(url)
    if path is not None and not path.exists():
        return []
    client = DBOSClient(
        system_database_url=url.render_as_string(hide_password=False),
        serializer=DBOSPortableJSONSerializer(),
        system_database_pool_size=1,
        application_name=_NAME,
        retry_connection_errors=False,
    )
    try:
        return client.list_workflows(**filters)
    except ProgrammingError:
        # PostgreSQL, before the first worker has made the engine's tables there.
        return []
    finally:
        client.destroy()


def _running(state: WorkflowStatus) -> Running:
    return Running(
        id=state.workflow_id,
        name=state.name,
        queue=state.queue_name or DEFAULT,
        worker=state.executor_id or "",
        run=f"{state.executor_id}@{state.dequeued_at}",
    )


def _quiet_logger() -> None:
    """Let DBOS log through our handlers instead of one of its own."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    if _without_job_errors not in logger.filters:
        logger.addFilter(_without_job_errors)
    logger.propagate = True


def _without_job_errors(record: logging.LogRecord) -> bool:
    # A failed job is logged by us, with its name and id; a cancelled one is no news at a stop.
    return not str(record.msg).startswith(
        ("Exception encountered in asynchronous workflow", "Asyncio task cancelled for workflow")
    )
