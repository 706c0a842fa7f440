"""Who lives, who sweeps, and that one run of a job is taken over once."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from paifang.core.db import Database
from paifang.core.jobs import Run, job
from paifang.core.jobs.engine import Running
from paifang.core.jobs.liveness import Membership, Watch, hold_lease
from paifang.core.jobs.models import JobAttempt, JobSchedule, Lease, Worker
from paifang.core.jobs.schedules import Scheduler, next_time
from paifang.core.jobs.sweeper import Sweeper
from paifang.core.outbox import Outbox


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeEngine:
    """Remembers what it is told; what is resumed no longer counts as running."""

    jobs: list[Running] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    broken: bool = False

    def running(self) -> list[Running]:
        return list(self.jobs)

    def resume(self, lost: Running) -> None:
        if self.broken:
            raise OSError("the store is away")
        self.resumed.append(lost.id)

    def cancel(self, lost: Running) -> None:
        self.cancelled.append(lost.id)

    def forget(self, before: datetime) -> int:
        assert before < datetime.now(UTC)
        return 0


def running(job_id: str, worker: str, run: int = 1) -> Running:
    return Running(job_id, "test.job", "default", worker, f"{worker}@{run}")


def sweeper(db: Database, engine: FakeEngine, worker: str, clock: Clock) -> Sweeper:
    return Sweeper(
        db,
        engine,  # type: ignore[arg-type]  # the part of it that a sweep uses
        worker=worker,
        watch=Watch(5.0, clock),
        max_attempts=2,
    )


async def join(db: Database, *names: str) -> list[Membership]:
    members = [Membership(db, worker=name, queues="default", store="here") for name in names]
    for member in members:
        await member.join()
    return members


async def rows(db: Database, model: type) -> list:
    async with db.reading() as session:
        return list(await session.scalars(select(model)))


def test_a_worker_is_dead_when_it_has_not_counted_for_long_enough() -> None:
    clock = Clock()
    watch = Watch(5.0, clock)
    assert watch.alive({"a": 1, "b": 1}) == {"a", "b"}
    for second in range(4):
        clock.now += 1.0
        assert watch.alive({"a": 2 + second, "b": 1}) == {"a", "b"}
    clock.now += 1.0
    assert watch.alive({"a": 9, "b": 1}) == {"a"}
    clock.now += 1.0
    assert watch.alive({"a": 10, "b": 2}) == {"a", "b"}


def test_who_was_away_itself_takes_nobody_for_dead() -> None:
    clock = Clock()
    watch = Watch(5.0, clock)
    watch.alive({"a": 1})
    clock.now += 60.0
    assert watch.alive({"a": 1}) == {"a"}
    for _ in range(4):
        clock.now += 1.0
        assert watch.alive({"a": 1}) == {"a"}
    clock.now += 1.0
    assert watch.alive({"a": 1}) == set()


async def test_a_lease_goes_to_one_of_many_and_to_another_once_its_owner_is_dead(
    db: Database,
) -> None:
    names = {"a", "b", "c"}
    first = await asyncio.gather(
        *(hold_lease(db, name="sweep", worker=name, alive=names) for name in sorted(names))
    )
    assert sorted(first) == [False, False, True]
    (lease,) = await rows(db, Lease)
    assert await hold_lease(db, name="sweep", worker=lease.owner, alive=names)
    rest = sorted(names - {lease.owner})
    second = await asyncio.gather(
        *(hold_lease(db, name="sweep", worker=name, alive=set(rest)) for name in rest)
    )
    assert sorted(second) == [False, True]


async def test_a_live_workers_job_is_left_alone_and_a_dead_ones_is_resumed_once(
    db: Database,
) -> None:
    clock, engine = Clock(), FakeEngine([running("j1", "a"), running("j2", "dead")])
    (a, _dead) = await join(db, "a", "dead")
    sweep = sweeper(db, engine, "a", clock)
    for _ in range(5):
        assert await sweep.sweep()
        assert engine.resumed == []
        clock.now += 1.0
        await a.beat()
    assert await sweep.sweep()
    assert engine.resumed == ["j2"]
    (attempt,) = await rows(db, JobAttempt)
    assert (attempt.job_id, attempt.reason, attempt.outcome) == ("j2", "lost", "resumed")
    # The row stays as long as something is its, and goes then.
    assert {worker.id for worker in await rows(db, Worker)} == {"a", "dead"}
    engine.jobs = [running("j1", "a"), running("j2", "a", 2)]
    await sweep.sweep()
    assert engine.resumed == ["j2"]
    assert {worker.id for worker in await rows(db, Worker)} == {"a"}


async def test_two_sweepers_at_once_resume_a_lost_job_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine([running("j1", "dead")])
    await join(db, "a", "b", "dead")
    sweeps = [sweeper(db, engine, name, Clock()) for name in ("a", "b")]
    both = asyncio.Event()
    looked: list[str] = []

    async def look(_session: object, job_id: str) -> int:
        """Both have seen that there is no claim; SQLite lets only one come this far."""
        looked.append(job_id)
        if len(looked) == 2:
            both.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(both.wait(), 0.5)
        return 0

    monkeypatch.setattr("paifang.core.jobs.sweeper._lost_runs", look)
    # Both past the lease, as a process is that was stopped just after it got it.
    outcomes = await asyncio.gather(
        *(sweep._claim(engine.jobs[0], "lost", {"a", "b"}) for sweep in sweeps)
    )
    assert sorted(map(str, outcomes)) == ["None", "resumed"]
    assert len(looked) == (1 if db.kind == "sqlite" else 2)


async def test_the_claim_of_a_sweeper_that_died_is_carried_out_by_another(db: Database) -> None:
    clock, engine = Clock(), FakeEngine([running("j1", "dead")])
    (b,) = await join(db, "b")
    await join(db, "a", "dead")
    assert await sweeper(db, engine, "a", clock)._claim(engine.jobs[0], "lost", {"a"}) == "resumed"
    sweep = sweeper(db, engine, "b", clock)
    for _ in range(6):
        await sweep.sweep()
        clock.now += 1.0
        await b.beat()
    assert engine.resumed[:1] == ["j1"]
    (attempt,) = await rows(db, JobAttempt)
    assert attempt.sweeper == "b"


async def test_a_resume_that_failed_is_tried_again_by_the_same_sweeper(db: Database) -> None:
    clock, engine = Clock(), FakeEngine([running("j1", "dead")], broken=True)
    (a,) = await join(db, "a")
    sweep = sweeper(db, engine, "a", clock)
    failures = 0
    for _ in range(8):
        try:
            await sweep.sweep()
        except OSError:
            failures += 1
            engine.broken = False
        if engine.resumed:
            break
        clock.now += 1.0
        await a.beat()
    assert (failures, engine.resumed) == (1, ["j1"])
    assert len(await rows(db, JobAttempt)) == 1


async def test_a_job_that_takes_its_worker_down_each_time_is_given_up_loudly(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, engine = Clock(), FakeEngine()
    (a,) = await join(db, "a")
    sweep = sweeper(db, engine, "a", clock)
    for attempt in range(3):
        await join(db, f"dead{attempt}")
        engine.jobs = [running("j1", f"dead{attempt}")]
        for _ in range(7):
            await sweep.sweep()
            clock.now += 1.0
            await a.beat()
            if len(engine.resumed) + len(engine.cancelled) > attempt:
                break
        engine.jobs = []
    assert (engine.resumed, engine.cancelled) == (["j1", "j1"], ["j1"])
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["given up" in record.getMessage() for record in errors] == [True]


async def test_a_worker_that_stopped_cleanly_leaves_its_job_at_once_and_uncounted(
    db: Database,
) -> None:
    clock, engine = Clock(), FakeEngine()
    await join(db, "a")
    sweep = sweeper(db, engine, "a", clock)
    for stop in range(4):
        (gone,) = await join(db, f"gone{stop}")
        await gone.leave()
        engine.jobs = [running("j1", f"gone{stop}")]
        await sweep.sweep()
    assert (engine.resumed, engine.cancelled) == (["j1"] * 4, [])


async def test_a_worker_that_was_struck_off_joins_again_with_its_next_beat(db: Database) -> None:
    (member,) = await join(db, "a")
    async with db.transaction() as session:
        await session.delete(await session.get_one(Worker, "a"))
    await member.beat()
    await member.beat()
    (worker,) = await rows(db, Worker)
    assert (worker.id, worker.beats, worker.left_at) == ("a", 1, None)


async def test_a_job_of_a_worker_without_a_row_waits_until_it_is_surely_dead(
    db: Database,
) -> None:
    clock, engine = Clock(), FakeEngine([running("j1", "asleep")])
    (a,) = await join(db, "a")
    sweep = sweeper(db, engine, "a", clock)
    for _ in range(5):
        await sweep.sweep()
        assert engine.resumed == []
        clock.now += 1.0
        await a.beat()
    await sweep.sweep()
    assert engine.resumed == ["j1"]


class WallClock:
    def __init__(self) -> None:
        self.now = datetime(2027, 1, 1, 2, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@job("test.nightly")
async def nightly(run: Run) -> None:
    """Nobody runs it here."""


async def test_a_schedule_asks_for_its_job_once_per_time_whatever_the_processes(
    db: Database,
) -> None:
    clock = WallClock()
    schedulers = [Scheduler(db, [nightly.every("0 3 * * *")], now=clock) for _ in range(3)]

    async def tick() -> int:
        await asyncio.gather(*(scheduler.tick() for scheduler in schedulers))
        return len(await rows(db, Outbox))

    assert await tick() == 0
    (row,) = await rows(db, JobSchedule)
    assert row.next_at == datetime(2027, 1, 1, 3, tzinfo=UTC)
    clock.now += timedelta(minutes=1)
    assert await tick() == 1
    assert await tick() == 1
    # A clock that is set back a little does not start it again.
    clock.now -= timedelta(seconds=30)
    assert await tick() == 1
    # Three missed nights are made up for by one start.
    clock.now += timedelta(days=3, hours=1)
    assert await tick() == 2
    assert await tick() == 2
    (row,) = await rows(db, JobSchedule)
    assert row.next_at == datetime(2027, 1, 5, 3, tzinfo=UTC)


async def test_a_changed_schedule_moves_without_starting_and_a_removed_one_goes(
    db: Database,
) -> None:
    clock = WallClock()
    await Scheduler(db, [nightly.every("0 3 * * *")], now=clock).tick()
    clock.now += timedelta(hours=1)
    await Scheduler(db, [nightly.every("0 5 * * *")], now=clock).tick()
    (row,) = await rows(db, JobSchedule)
    assert (row.cron, row.next_at) == ("0 5 * * *", datetime(2027, 1, 1, 5, tzinfo=UTC))
    assert await rows(db, Outbox) == []
    await Scheduler(db, [nightly], now=clock).tick()
    assert await rows(db, JobSchedule) == []


def test_cron_times_are_in_utc() -> None:
    after = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
    assert next_time("0 3 * * *", after) == datetime(2027, 3, 28, 3, tzinfo=UTC)


async def test_the_schedule_and_its_job_are_one_transaction(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()
    scheduler = Scheduler(db, [nightly.every("0 3 * * *")], now=clock)
    await scheduler.tick()
    clock.now += timedelta(minutes=2)

    def broken(*_args: object) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="killed"):
        patched.setattr("paifang.core.jobs.schedules.enqueue", broken)
        await scheduler.tick()
    assert await rows(db, Outbox) == []
    await scheduler.tick()
    assert [row.job for row in await rows(db, Outbox)] == ["test.nightly"]
