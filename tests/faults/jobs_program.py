"""The processes that the fault tests of jobs kill: ``jobs_program.py <story> <home> <url>...``.

The first process imports everything once and forks the others, so that starting one costs
little. Each story prints what it found as JSON. Steps leave a mark in the database, in a
transaction of their own: a step that ran twice has left two.
"""

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Integer, String, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, Database
from paifang.core.jobs import Job, Run, engine, enqueue, job
from paifang.core.jobs.dispatcher import Dispatcher
from paifang.core.jobs.models import JobAttempt, Worker
from paifang.core.jobs.service import Jobs
from paifang.core.jobs.view import count_jobs, list_jobs
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings, load

HANDING_OVER = ("before commit", "before dispatch", "before delete", "before start")
RUNNING = ("after step 1", "after step 2", "after step 3")
LONG_STEP = 3.0
MAX_ATTEMPTS = 2 if "give_up" in sys.argv else 50


class Mark(Base):
    """Left by a step."""

    __tablename__ = "test_marks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    label: Mapped[str] = mapped_column(String(64))
    step: Mapped[str] = mapped_column(String(16))
    pid: Mapped[int]
    attempt: Mapped[int]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Victim:
    """Where this process dies, and for which job."""

    point = ""
    label = ""
    job_id = ""

    @classmethod
    def at(cls, point: str, label: str) -> None:
        if (cls.point, cls.label) == (point, label):
            die()


async def mark(run: Run, label: str, step: str) -> None:
    async with run.transaction() as session:
        await session.execute(
            insert(Mark).values(label=label, step=step, pid=os.getpid(), attempt=run.attempt)
        )


@job("test.three_steps")
async def three_steps(run: Run, *, label: str) -> None:
    if Victim.label not in {"", label}:
        # A victim touches no other job: its kill would hit a step of that one.
        await asyncio.sleep(60)
    for step in ("1", "2", "3"):
        await run.step(mark, label, step)
        Victim.at(f"after step {step}", label)


async def slow_mark(run: Run, label: str, step: str) -> None:
    await asyncio.sleep(LONG_STEP)
    await mark(run, label, step)


@job("test.long")
async def long(run: Run, *, label: str) -> None:
    await run.step(mark, label, "1")
    await run.step(slow_mark, label, "2")
    await run.step(mark, label, "3")


async def fatal(run: Run) -> None:
    await mark(run, "deadly", "1")
    die()


@job("test.deadly")
async def deadly(run: Run) -> None:
    await run.step(fatal)


JOBS = (three_steps, long, deadly)


def runtime_of(url: str, home: str) -> Runtime:
    settings = load(
        {},
        environ={
            "PAIFANG_HOME": home,
            "PAIFANG_DB_URL": url,
            "PAIFANG_JOBS_HEARTBEAT": "0.2",
            "PAIFANG_JOBS_DEAD_AFTER": "1.5",
            "PAIFANG_JOBS_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        },
        folder=Path(home),
    )
    return Runtime(settings, Database.from_settings(settings), open_secrets(settings))


def fork(main: Callable[[Runtime], Awaitable[None]], url: str, home: str) -> int:
    """Run ``main`` in a process of its own; its id."""
    Path(home).mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        asyncio.run(_in_child(main, url, home))
        code = 0
    finally:
        logging.shutdown()
        os._exit(code)


async def _in_child(main: Callable[[Runtime], Awaitable[None]], url: str, home: str) -> None:
    runtime = runtime_of(url, home)
    try:
        async with asyncio.timeout(60):
            await main(runtime)
    finally:
        await runtime.db.close()


def ending(pid: int) -> int:
    """How a child ended: its exit code, or the negative number of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(45):
        # What other processes write to the database comes with no event.
        while not await true():  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.05)


async def marks(db: Database) -> list[list[Any]]:
    async with db.reading() as session:
        rows = await session.execute(
            select(Mark.label, Mark.step, Mark.pid, Mark.attempt).order_by(Mark.id)
        )
        return [list(row) for row in rows]


async def ask(db: Database, wanted: Job, **arguments: str) -> str:
    async with db.transaction() as session:
        return enqueue(session, wanted, **arguments)


def dying_dispatcher(job_id: Callable[[], str]) -> None:
    """Let the dispatcher die around its two halves, for the victim's own row only."""
    hand_over, delete = engine.Engine.hand_over, Dispatcher._delete

    def handing_over(self: engine.Engine, rows: Iterable[engine.Handover]) -> None:
        rows = list(rows)
        own = any(row.id == job_id() for row in rows)
        if own and Victim.point == "before dispatch":
            die()
        hand_over(self, rows)
        if own and Victim.point == "before delete":
            die()

    async def deleting(self: Dispatcher, ids: list[str]) -> None:
        await delete(self, ids)
        if job_id() in ids and Victim.point == "before start":
            die()

    engine.Engine.hand_over = handing_over  # type: ignore[method-assign]  # a kill point
    Dispatcher._delete = deleting  # type: ignore[method-assign]  # a kill point


def victim(point: str, label: str) -> Callable[[Runtime], Awaitable[None]]:
    """Asks for one job and dies at a point of its way."""

    async def main(runtime: Runtime) -> None:
        Victim.point, Victim.label = point, label
        dying_dispatcher(lambda: Victim.job_id)
        # Without a queue nothing is begun, so the kill comes before the start for sure.
        queues = ("default",) if point in RUNNING else ()
        await Jobs(runtime, extra=JOBS, queues=queues).start()
        async with runtime.db.transaction() as session:
            Victim.job_id = enqueue(session, three_steps, label=label)
            await session.flush()
            if point == "before commit":
                die()
        await asyncio.sleep(30)

    return main


async def set_up(runtime: Runtime) -> None:
    async with runtime.db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def finisher(expected: int) -> Callable[[Runtime], Awaitable[None]]:
    """Works until that many jobs have ended and nothing waits, then reports."""

    async def main(runtime: Runtime) -> None:
        jobs = Jobs(runtime, extra=JOBS)
        await jobs.start()

        async def finished() -> bool:
            open_jobs = await count_jobs(runtime.settings, runtime.db)
            ended = await list_jobs(runtime.settings, runtime.db, limit=1000)
            return not open_jobs and len(ended) == expected

        await until(finished)
        # Time for whatever would start a second time.
        await asyncio.sleep(1)
        await jobs.stop()
        states = await list_jobs(runtime.settings, runtime.db, limit=1000)
        async with runtime.db.reading() as session:
            waiting = await session.scalar(select(func.count()).select_from(Outbox))
        report(
            marks=await marks(runtime.db),
            waiting=waiting,
            states=[state.state for state in states],
            attempts=[state.attempts for state in states],
        )

    return main


def report(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def kill_points(home: str, *urls: str) -> None:
    """All on the way to the engine on one database, all in the engine on another."""
    for points, url in zip((HANDING_OVER, RUNNING), urls, strict=True):
        own = f"{home}/{points[0].replace(' ', '_')}"
        assert ending(fork(set_up, url, own)) == 0
        for point in points:
            assert ending(fork(victim(point, point), url, own)) == -signal.SIGKILL, point
        assert ending(fork(finisher(3), url, own)) == 0


def take_over(home: str, url: str) -> None:
    """A dies in the second step; B and C live, and one of them ends the job."""
    assert ending(fork(set_up, url, home)) == 0

    async def first(runtime: Runtime) -> None:
        await Jobs(runtime, extra=JOBS).start()
        await ask(runtime.db, long, label="long")
        await asyncio.sleep(30)

    async def other(runtime: Runtime) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        jobs = Jobs(runtime, extra=JOBS)
        await jobs.start()
        await stop.wait()
        await jobs.stop()

    async def see(runtime: Runtime) -> None:
        async def joined() -> bool:
            async with runtime.db.reading() as session:
                count = await session.scalar(select(func.count()).select_from(Worker))
            return count == len(pids) and bool(await marks(runtime.db))

        await until(joined)

    async def result(runtime: Runtime) -> None:
        await until(lambda: _is_done(runtime.settings, runtime.db))
        async with runtime.db.reading() as session:
            attempts = await session.execute(select(JobAttempt.reason, JobAttempt.outcome))
            rows = [list(row) for row in attempts]
        report(marks=await marks(runtime.db), attempts=rows, first=pids[0], others=pids[1:])

    pids = [fork(first, url, home)]
    assert ending(fork(see, url, home)) == 0
    pids += [fork(other, url, home), fork(other, url, home)]
    assert ending(fork(see, url, home)) == 0
    os.kill(pids[0], signal.SIGKILL)
    assert ending(pids[0]) == -signal.SIGKILL
    assert ending(fork(result, url, home)) == 0
    for pid in pids[1:]:
        os.kill(pid, signal.SIGTERM)
    assert [ending(pid) for pid in pids[1:]] == [0, 0]


async def _is_done(settings: CoreSettings, db: Database) -> bool:
    return [state.state for state in await list_jobs(settings, db)] == ["done"]


def give_up(home: str, url: str) -> None:
    """A job kills each worker that takes it; the last worker gives it up and works on."""
    assert ending(fork(set_up, url, home)) == 0

    async def worker(runtime: Runtime) -> None:
        await Jobs(runtime, extra=JOBS).start()
        async with runtime.db.reading() as session:
            asked = await session.scalar(select(func.count()).select_from(Mark))
        if not asked:
            await ask(runtime.db, deadly)
        await asyncio.sleep(30)

    async def last(runtime: Runtime) -> None:
        jobs = Jobs(runtime, extra=JOBS)
        await jobs.start()

        async def given_up() -> bool:
            return (await count_jobs(runtime.settings, runtime.db)).get("given_up") == 1

        await until(given_up)
        job_id = await ask(runtime.db, three_steps, label="next")

        async def done() -> bool:
            states = await list_jobs(runtime.settings, runtime.db)
            return any(state.id == job_id and state.state == "done" for state in states)

        await until(done)
        (state,) = [s for s in await list_jobs(runtime.settings, runtime.db) if s.id != job_id]
        await jobs.stop()
        report(
            marks=[row for row in await marks(runtime.db) if row[0] == "deadly"],
            state=state.state,
            attempts=state.attempts,
        )

    # One start and two take-overs.
    for _ in range(3):
        assert ending(fork(worker, url, home)) == -signal.SIGKILL
    assert ending(fork(last, url, home)) == 0


def random_kills(home: str, url: str) -> None:
    """Workers die at random moments, many times, with jobs under way."""
    assert ending(fork(set_up, url, home)) == 0
    rounds, each = 15, 4

    def asking(number: int, asked: Path) -> Callable[[Runtime], Awaitable[None]]:
        async def main(runtime: Runtime) -> None:
            await Jobs(runtime, extra=JOBS).start()
            for index in range(each):
                await ask(runtime.db, three_steps, label=f"{number}.{index}")
            await asyncio.to_thread(asked.touch)
            await asyncio.sleep(30)

        return main

    for number in range(rounds):
        asked = Path(home, f"asked{number}")
        pid = fork(asking(number, asked), url, home)
        while not asked.exists():
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.6))
        os.kill(pid, signal.SIGKILL)
        assert ending(pid) == -signal.SIGKILL
    assert ending(fork(finisher(rounds * each), url, home)) == 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    {
        "kill_points": kill_points,
        "take_over": take_over,
        "give_up": give_up,
        "random_kills": random_kills,
    }[sys.argv[1]](*sys.argv[2:])
