"""Who may serve the gateway, and who is taken for dead."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, delete, select, update

from paifang.core.db import Database, next_number, utc_now
from paifang.core.settings import DbSettings
from paifang.modules.gateway.processes import locks
from paifang.modules.gateway.processes.errors import GatewayRefused, GatewayStopped
from paifang.modules.gateway.processes.guard import SERIAL, Guard, Watch, list_alive
from paifang.modules.gateway.processes.models import GatewayProcess

TESTS = Path(__file__).parents[3]
GUARD = "paifang.modules.gateway.processes.guard"
NEVER = 3600.0
"""A deadline that no test lives to see."""

Make = Callable[..., Guard]


@pytest.fixture
async def guard(db: Database, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes guards on this test's database, each with a home folder by its name."""
    made: list[Guard] = []
    async with db.transaction() as session:
        await next_number(session, SERIAL)  # the migration's row, which an earlier test may delete

    def make(home: str = "home", shares: str = "", **options: Any) -> Guard:
        options = {"database": db, "beat_seconds": 0.05, "dead_seconds": 30.0, **options}
        found = Guard(home=tmp_path / home, shares=shares, **options)
        made.append(found)
        return found

    yield make
    for one in made:
        await one.leave()


async def rows(db: Database) -> list[GatewayProcess]:
    async with db.reading() as session:
        return list(await session.scalars(select(GatewayProcess)))


async def ids(db: Database) -> set[str]:
    return {row.id for row in await rows(db)}


async def stranger(db: Database, **values: Any) -> str:
    """The row of a process that gives no sign of life."""
    values = {
        "id": "stranger",
        "host": "elsewhere",
        "pid": 4711,
        "home": "/srv/paifang",
        "shares": "",
        **values,
    }
    async with db.transaction() as session:
        session.add(GatewayProcess(**values))
    return str(values["id"])


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("home", ["home", "another"])
async def test_without_redis_a_second_process_is_refused_with_the_reason(
    guard: Make, db: Database, tmp_path: Path, home: str
) -> None:
    first, second = guard(), guard(home)
    await first.enter()
    (row,) = await rows(db)
    with pytest.raises(GatewayRefused) as refused:
        await second.enter()
    assert str(refused.value) == (
        "Another gateway process serves this database already: "
        f"process {os.getpid()} on {socket.gethostname()}, home {tmp_path / 'home'}, "
        f"since {row.started_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Without Redis each would count limits and quotas by itself, so that each limit would "
        "count twice. Stop that one, or set PAIFANG_REDIS_URL for all of them."
    )
    assert await ids(db) == {first.id}
    assert not locks.path_of(tmp_path / home, second.id).exists()


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("", "redis", "Stop that one, and start it again with PAIFANG_REDIS_URL"),
        ("redis", "", "Set PAIFANG_REDIS_URL here to the Redis of that one"),
        ("redis", "other", "Set PAIFANG_REDIS_URL to the same Redis for all of them"),
    ],
)
async def test_processes_that_do_not_share_their_limits_are_kept_apart(
    guard: Make, db: Database, first: str, second: str, words: str
) -> None:
    one, two = guard(shares=first), guard("another", shares=second)
    await one.enter()
    with pytest.raises(GatewayRefused, match=words):
        await two.enter()
    assert await ids(db) == {one.id}


async def test_processes_that_share_their_limits_serve_side_by_side(
    guard: Make, db: Database
) -> None:
    several = [guard(home, shares="redis") for home in ("home", "home", "another")]
    await asyncio.gather(*(one.enter() for one in several))
    assert await ids(db) == {one.id for one in several}


async def test_of_processes_that_start_at_once_exactly_one_gets_in(
    guard: Make, db: Database, database_url: URL
) -> None:
    several = [guard(f"home{number}", database=Database(database_url)) for number in range(5)]
    results = await asyncio.gather(*(one.enter() for one in several), return_exceptions=True)
    inside = [one for one, result in zip(several, results, strict=True) if result is None]
    assert await ids(db) == {one.id for one in inside}
    assert len(inside) == 1
    assert sum(isinstance(result, GatewayRefused) for result in results) == 4, results
    for one in several:
        await one.leave()
        await one._database.close()


async def test_a_process_that_was_killed_is_followed_at_once_in_its_home_folder(
    guard: Make, db: Database, database_url: URL, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "doubles.guarded_process"),
        *(database_url.render_as_string(hide_password=False), str(tmp_path / "home")),
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        killed = (await process.stdout.readline()).decode().strip()
        with pytest.raises(GatewayRefused, match=f"process {process.pid} on"):
            await guard().enter()
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(GatewayRefused):  # suspended, it is not dead
            await guard().enter()
    finally:
        process.kill()
        await process.communicate()
    follower = guard(dead_seconds=NEVER)
    async with asyncio.timeout(20):
        await follower.enter()
    assert await ids(db) == {follower.id}
    assert not locks.path_of(tmp_path / "home", killed).exists()


async def test_a_dead_process_elsewhere_is_followed_after_the_deadline(
    guard: Make, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await stranger(db)
    follower = guard(dead_seconds=0.8)
    begun = time.monotonic()
    await follower.enter()
    assert time.monotonic() - begun >= 0.8
    assert await ids(db) == {follower.id}
    (told,) = [record.getMessage() for record in caplog.records if record.name == GUARD]
    assert told.startswith("waiting up to 1 s for a sign of life of another gateway process: ")
    assert "process 4711 on elsewhere, home /srv/paifang" in told


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_home_folder_without_the_lock_file_proves_no_death(
    guard: Make, db: Database, tmp_path: Path
) -> None:
    first, second = guard(), guard()
    await first.enter()
    locks.path_of(tmp_path / "home", first.id).unlink()  # as in a container with a like-named one
    with pytest.raises(GatewayRefused):
        await second.enter()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_start_that_waits_can_be_stopped(
    guard: Make, db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await stranger(db)
    stopping = asyncio.Event()
    waiting = guard(dead_seconds=NEVER, is_stopping=stopping.is_set)
    task = asyncio.create_task(waiting.enter())
    await until(lambda: "waiting" in caplog.text)
    stopping.set()
    with pytest.raises(GatewayStopped, match="process 4711 on elsewhere"):
        await asyncio.wait_for(task, 20)
    assert await ids(db) == {"stranger"}
    assert list((tmp_path / "home" / locks.FOLDER).iterdir()) == []


async def test_a_clean_stop_leaves_nothing_behind(
    guard: Make, db: Database, tmp_path: Path
) -> None:
    first = guard()
    await first.enter()
    assert locks.is_held(tmp_path / "home", first.id) is True
    await first.leave()
    assert await rows(db) == []
    assert list((tmp_path / "home" / locks.FOLDER).iterdir()) == []
    await guard(dead_seconds=NEVER).enter()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_stop_without_the_database_is_followed_at_once_all_the_same(
    guard: Make, db: Database, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    first = guard(database=Database(database_url, DbSettings(lock_timeout=0.1)))
    await first.enter()
    with _held(database_url):
        await first.leave()
    assert "the database still has this gateway process" in caplog.text
    assert await ids(db) == {first.id}
    follower = guard(dead_seconds=NEVER)
    await follower.enter()
    assert await ids(db) == {follower.id}
    await first._database.close()


async def test_a_process_taken_for_dead_registers_anew_when_it_is_alone(
    guard: Make, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[bool] = []
    first = guard(end=lambda: ended.append(True))
    await first.enter()
    await _strike_off(db, first)

    async def back() -> bool:
        return any(row.beats > 1 for row in await rows(db))

    await until(back)
    assert await ids(db) == {first.id}
    assert "taken for dead" in caplog.text
    assert ended == []


async def test_a_process_whose_place_is_taken_ends_itself_and_says_why(
    guard: Make, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()
    first, second = guard(beat_seconds=0.3, end=ended.set), guard("another")
    await first.enter()
    async with db.transaction() as session:
        await session.execute(delete(GatewayProcess).where(GatewayProcess.id == first.id))
        session.add(
            GatewayProcess(id=second.id, host="elsewhere", pid=1, home="/x", shares="", beats=0)
        )
    async with asyncio.timeout(20):
        while not ended.is_set():  # the other's signs of life
            async with db.transaction() as session:
                await session.execute(update(GatewayProcess).values(beats=GatewayProcess.beats + 1))
            await asyncio.sleep(0.05)
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith("this gateway process ends: Another gateway process serves this ")
    await first.leave()
    assert await ids(db) == {second.id}


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_process_that_ends_anyway_is_not_told_to_twice(guard: Make, db: Database) -> None:
    ended: list[bool] = []
    draining = guard(is_stopping=lambda: True, end=lambda: ended.append(True))
    await draining.enter()
    await stranger(db)
    await _strike_off(db, draining)
    assert draining._task is not None
    await asyncio.wait([draining._task], timeout=20)
    assert draining._task.done()
    assert ended == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_database_that_is_away_is_told_once_and_ends_nothing(
    guard: Make, db: Database, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[bool] = []
    impatient = Database(database_url, DbSettings(lock_timeout=0.05))
    first = guard(database=impatient, end=lambda: ended.append(True))
    await first.enter()
    tries: list[bool] = []
    beat = first._beat

    async def counted() -> bool:
        tries.append(True)
        return await beat()

    first._beat = counted  # type: ignore[method-assign]  # to see it try
    caplog.set_level(logging.INFO, logger=GUARD)
    with _held(database_url):
        # The first may have begun before the lock was taken.
        await until(lambda: len(tries) >= 5)
    (before,) = [row.beats for row in await rows(db)]

    async def counts_again() -> bool:
        (row,) = await rows(db)
        return row.beats > before

    await until(counts_again)
    await until(lambda: "signs of life are given again" in caplog.text)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1, told
    assert told[0].startswith("no sign of life can be given: OperationalError")
    assert ended == []
    assert await ids(db) == {first.id}
    await first.leave()
    await impatient.close()


async def test_those_that_share_their_limits_strike_off_a_dead_one_among_them(
    guard: Make, db: Database
) -> None:
    await stranger(db, shares="redis")
    first = guard(shares="redis", dead_seconds=1.0)
    await first.enter()
    assert await ids(db) == {first.id, "stranger"}, "nobody waited for it"

    async def alone() -> bool:
        return await ids(db) == {first.id}

    await until(alone)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_look_tells_who_is_alive(guard: Make, db: Database, tmp_path: Path) -> None:
    home = tmp_path / "home"
    here = {"host": socket.gethostname(), "home": str(home)}
    long_ago = utc_now() - timedelta(hours=1)
    first = guard(beat_seconds=NEVER)
    await first.enter()
    async with db.transaction() as session:
        await session.execute(update(GatewayProcess).values(seen_at=long_ago))
    await stranger(db, id="lately")
    await stranger(db, id="long ago", seen_at=long_ago)
    await stranger(db, id="free", **here)
    for name in ("free", "lately"):
        locks.path_of(home, name).touch()  # of one elsewhere, the like-named file tells nothing
    assert {row.id for row in await list_alive(db, home)} == {first.id, "lately"}


def test_who_has_not_looked_for_a_while_starts_watching_anew() -> None:
    clock = SteppedClock()
    watch = Watch(10.0, clock)
    process = GatewayProcess(id="a", beats=3)

    def look(moment: float) -> tuple[bool, bool]:
        clock.now = moment
        watch.look([process])
        return watch.is_alive(process), watch.is_silent(process)

    unknown, silent, alive = (False, False), (False, True), (True, False)
    assert [look(moment) for moment in (0.0, 4.0, 8.0)] == [unknown] * 3
    assert look(20.0) == unknown, "suspended in between: perhaps both were"
    assert [look(moment) for moment in (24.0, 28.0, 30.0)] == [unknown, unknown, silent]
    process.beats = 4
    assert look(31.0) == alive
    assert [look(moment) for moment in (35.0, 39.0, 41.0)] == [alive, alive, silent]


class SteppedClock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def _held(url: URL) -> Any:
    """Another process holds the lock of the SQLite file."""
    connection = sqlite3.connect(str(url.database), isolation_level=None, timeout=30)
    try:
        connection.execute("begin immediate")
        yield
        connection.rollback()
    finally:
        connection.close()


async def _strike_off(db: Database, guard: Guard) -> None:
    async with db.transaction() as session:
        await session.execute(delete(GatewayProcess).where(GatewayProcess.id == guard.id))
