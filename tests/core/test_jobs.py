"""Jobs in one process, on the real engine and each database."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from paifang.core import events
from paifang.core.db import Database
from paifang.core.events import Events, publish
from paifang.core.jobs import COMPUTE, DEFAULT, Job, Run, StepFailedError, enqueue, job
from paifang.core.jobs.models import Worker
from paifang.core.jobs.service import Jobs
from paifang.core.jobs.view import count_jobs, findings, list_jobs, list_workers
from paifang.core.module import Module
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings

Make = Callable[..., Awaitable[Jobs]]

# Where the database makes no difference, one kind is enough.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


class Told:
    """What jobs of a test have said, heard from their loop's thread."""

    def __init__(self) -> None:
        self._said: list[Any] = []
        self._more = threading.Condition()

    def __call__(self, what: Any) -> None:
        with self._more:
            self._said.append(what)
            self._more.notify_all()

    async def until(self, count: int) -> list[Any]:
        return await asyncio.to_thread(self._wait, count)

    def _wait(self, count: int) -> list[Any]:
        with self._more:
            assert self._more.wait_for(lambda: len(self._said) >= count, timeout=20)
            return list(self._said)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def runtime(settings: CoreSettings, db: Database) -> AsyncIterator[Runtime]:
    quick = replace(settings.jobs, heartbeat=0.2, dead_after=2.0)
    settings = replace(settings, jobs=quick)
    yield Runtime(settings=settings, db=db, secrets=open_secrets(settings))
    if db.kind == "postgresql":
        async with db.transaction() as session:
            await session.execute(text("drop schema if exists dbos cascade"))


@pytest.fixture
async def start(runtime: Runtime) -> AsyncIterator[Make]:
    """Starts jobs, and stops them at the end of the test."""
    started: list[Jobs] = []

    async def make(*jobs: Job, **options: Any) -> Jobs:
        made = Jobs(runtime, extra=jobs, **options)
        started.append(made)
        await made.start()
        return made

    yield make
    for made in started:
        await made.stop()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        # What the engine's threads write to the database comes with no event.
        while not await true():  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.05)


async def ended(runtime: Runtime, job_id: str, state: str) -> None:
    async def has_ended() -> bool:
        found = await list_jobs(runtime.settings, runtime.db)
        return (job_id, state) in {(kept.id, kept.state) for kept in found}

    await until(has_ended)


async def has_rows(db: Database, model: type, rows: int) -> bool:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) == rows


async def test_a_committed_job_runs_its_steps_once_and_a_rolled_back_one_never(
    runtime: Runtime, start: Make, told: Told
) -> None:
    here = threading.get_ident()

    async def first(run: Run, *, what: str) -> dict[str, Any]:
        async with run.transaction() as session:
            assert (await session.execute(text("select 1"))).scalar_one() == 1
        return {"what": what, "key": run.idempotency_key("first")}

    async def second(run: Run, kept: dict[str, Any]) -> None:
        # Not on the caller's loop, which a blocking job would hold up.
        told((run.id, run.attempt, kept, threading.get_ident() == here))

    @job("test.two_steps")
    async def two_steps(run: Run, *, what: str) -> None:
        await run.step(second, await run.step(first, what=what))

    await start(two_steps)
    with pytest.raises(ZeroDivisionError):
        async with runtime.db.transaction() as session:
            enqueue(session, two_steps, what="never")
            await session.flush()
            raise ZeroDivisionError
    async with runtime.db.transaction() as session:
        job_id = enqueue(session, two_steps, what="once")
    await ended(runtime, job_id, "done")
    kept = {"what": "once", "key": f"paifang-{job_id}-first"}
    assert await told.until(1) == [(job_id, 1, kept, False)]
    assert await has_rows(runtime.db, Outbox, 0)
    (state,) = await list_jobs(runtime.settings, runtime.db)
    assert (state.name, state.queue, state.attempts) == ("test.two_steps", "default", 1)
    (worker,) = await list_workers(runtime.settings, runtime.db)
    assert (worker.alive, worker.queues) == (True, ("default",))
    assert await count_jobs(runtime.settings, runtime.db) == {}


async def test_an_event_with_two_subscribers_starts_two_jobs(
    runtime: Runtime, start: Make, told: Told
) -> None:
    @dataclass(frozen=True)
    class Paid:
        order_id: str

    async def say(run: Run, name: str, order_id: str) -> None:
        told((name, order_id))

    @job("test.receipt")
    async def receipt(run: Run, *, order_id: str) -> None:
        await run.step(say, "receipt", order_id)

    @job("test.credit")
    async def credit(run: Run, *, order_id: str) -> None:
        await run.step(say, "credit", order_id)

    module = Module(name="test", subscribers={Paid: (receipt, credit)})
    runtime.modules = (module,)
    events.install(Events((module,)))
    try:
        await start()
        async with runtime.db.transaction() as session:
            ids = publish(session, Paid(order_id="o1"))
    finally:
        events.install(None)
    for job_id in ids:
        await ended(runtime, job_id, "done")
    assert sorted(await told.until(2)) == [("credit", "o1"), ("receipt", "o1")]


@on_sqlite
async def test_a_job_asks_for_another_job_in_its_own_transaction(
    runtime: Runtime, start: Make, told: Told
) -> None:
    @job("test.after")
    async def after(run: Run) -> None:
        told("after")

    async def ask(run: Run) -> None:
        async with run.transaction() as session:
            enqueue(session, after)

    @job("test.before")
    async def before(run: Run) -> None:
        await run.step(ask)

    await start(before, after)
    async with runtime.db.transaction() as session:
        enqueue(session, before)
    assert await told.until(1) == ["after"]


@on_sqlite
async def test_rows_of_another_process_are_found_without_being_announced(
    runtime: Runtime, start: Make, told: Told
) -> None:
    @job("test.quiet")
    async def quiet(run: Run, *, number: int) -> None:
        told(number)

    async with runtime.db.transaction() as session:
        enqueue(session, quiet, number=1)
    await start(quiet)
    await told.until(1)
    async with runtime.db.transaction() as session:
        session.add(Outbox(id="x" * 36, job="test.quiet", arguments={"number": 2}))
    assert await told.until(2) == [1, 2]


@on_sqlite
async def test_a_failing_step_is_tried_again_and_then_the_job_fails_loudly(
    runtime: Runtime, start: Make, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(run: Run) -> None:
        told("tried")
        raise PermissionError("the provider said no")

    @job("test.refused", tries=3, backoff=0.01)
    async def refused(run: Run) -> None:
        try:
            await run.step(refuse)
        except StepFailedError as error:
            told((error.step.rpartition(".")[2], error.kind, error.message))
            raise

    @job("test.cancelled")
    async def cancelled(run: Run) -> None:
        # Let out, it would leave the job "running" for as long as its worker lives.
        raise asyncio.CancelledError

    await start(refused, cancelled)
    async with runtime.db.transaction() as session:
        ids = [enqueue(session, refused), enqueue(session, cancelled)]
    for job_id in ids:
        await ended(runtime, job_id, "failed")
    refusal = ("refuse", "PermissionError", "the provider said no")
    assert await told.until(4) == ["tried", "tried", "tried", refusal]
    reasons = {state.name: state.error for state in await list_jobs(runtime.settings, runtime.db)}
    assert "PermissionError: the provider said no" in str(reasons["test.refused"])
    assert "cancellation" in str(reasons["test.cancelled"])
    assert await count_jobs(runtime.settings, runtime.db) == {"failed": 2}
    levels = [found.level for found in await findings(runtime.settings, runtime.db)]
    assert levels == ["ok", "warning"]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.name for record in errors} == {"paifang.jobs"}
    assert [sum(job_id in r.getMessage() for r in errors) for job_id in ids] == [1, 1]


@on_sqlite
async def test_a_stop_lets_the_step_finish_and_the_next_start_goes_on_after_it(
    runtime: Runtime, start: Make, told: Told
) -> None:
    go_on = threading.Event()

    async def slow(run: Run) -> int:
        told("slow began")
        await asyncio.to_thread(go_on.wait, 10)
        told("slow ended")
        return run.attempt

    async def last(run: Run, attempt: int) -> None:
        told(("last", attempt, run.attempt))

    async def refuse(run: Run) -> None:
        raise PermissionError("no")

    @job("test.interrupted")
    async def interrupted(run: Run) -> None:
        with pytest.raises(StepFailedError) as refused:
            await run.step(refuse)
        told((refused.value.kind, refused.value.message))
        await run.step(last, await run.step(slow))

    connections: list[str] = []

    def watched() -> Database:
        database = Database.from_settings(runtime.settings)
        engine = database.engine.sync_engine
        event.listen(engine, "connect", lambda *_: connections.append("open"))
        event.listen(engine, "close", lambda *_: connections.append("close"))
        return database

    first = await start(interrupted, database=watched)
    async with runtime.db.transaction() as session:
        job_id = enqueue(session, interrupted)
    await told.until(2)
    stopping = asyncio.create_task(first.stop())
    await asyncio.sleep(0.2)
    go_on.set()
    await stopping
    refusal = ("PermissionError", "no")
    assert await told.until(3) == [refusal, "slow began", "slow ended"]
    assert [w.alive for w in await list_workers(runtime.settings, runtime.db)] == [False]
    assert connections == ["open", "close"]
    left = [thread.name for thread in threading.enumerate()]
    assert not any("dbos" in name or "queue" in name for name in left), left

    await start(interrupted)
    await ended(runtime, job_id, "done")
    # Steps give back what they gave, also a refusal; it is still the first attempt, since no
    # worker died.
    assert (await told.until(5))[3:] == [refusal, ("last", 1, 1)]
    await until(lambda: has_rows(runtime.db, Worker, 1))


@on_sqlite
async def test_a_step_that_outlasts_the_grace_is_cut_off_and_run_again(
    runtime: Runtime, start: Make, told: Told
) -> None:
    cut_off = threading.Event()

    async def endless(run: Run) -> None:
        told("began")
        if not cut_off.is_set():
            cut_off.set()
            await asyncio.sleep(60)

    @job("test.endless")
    async def long(run: Run) -> None:
        await run.step(endless)

    first = await start(long, grace=1.0)
    async with runtime.db.transaction() as session:
        job_id = enqueue(session, long)
    await told.until(1)
    async with asyncio.timeout(10):
        await first.stop()
    await start(long)
    await ended(runtime, job_id, "done")
    assert await told.until(2) == ["began", "began"]


@on_sqlite
async def test_a_job_that_computes_waits_for_a_process_that_takes_such_jobs(
    runtime: Runtime, start: Make, told: Told
) -> None:
    @job("test.compute", compute=True)
    async def compute(run: Run) -> None:
        told("computed")

    @job("test.light")
    async def light(run: Run) -> None:
        told("light")

    gateway = await start(compute, light)
    async with runtime.db.transaction() as session:
        job_id = enqueue(session, compute)
        enqueue(session, light)
    assert await told.until(1) == ["light"]
    await ended(runtime, job_id, "queued")
    (found,) = await findings(runtime.settings, runtime.db)
    assert "none of them takes jobs that compute" in found.message
    await gateway.stop()
    await start(compute, light, queues=(DEFAULT, COMPUTE))
    assert await told.until(2) == ["light", "computed"]


@on_sqlite
async def test_a_job_at_set_times_starts_by_itself(
    runtime: Runtime, start: Make, told: Told
) -> None:
    @job("test.each_second")
    async def each_second(run: Run) -> None:
        told("tick")

    await start(each_second.every("* * * * * *"))
    await told.until(2)


@on_sqlite
async def test_a_row_of_an_unknown_job_stays_and_is_reported(
    runtime: Runtime, start: Make, caplog: pytest.LogCaptureFixture
) -> None:
    @job("test.known")
    async def known(run: Run) -> None:
        """Does nothing."""

    async with runtime.db.transaction() as session:
        session.add(Outbox(id="x" * 36, job="test.unknown", arguments={}))
        job_id = enqueue(session, known)
    await start(known)
    await ended(runtime, job_id, "done")
    assert await has_rows(runtime.db, Outbox, 1)
    assert "jobs named test.unknown" in caplog.text
    waiting, _done = await list_jobs(runtime.settings, runtime.db)
    assert (waiting.name, waiting.state) == ("test.unknown", "waiting")
