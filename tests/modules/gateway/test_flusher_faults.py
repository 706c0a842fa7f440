"""The flusher: each finished call is logged and counted once, whatever fails in between."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, delete, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from doubles.ledger import START, add_owners, call, counters, failing, files, kill, logged, write
from paifang.core.db import Database
from paifang.core.settings import DbSettings
from paifang.modules.gateway.logs import flusher as flusher_module
from paifang.modules.gateway.logs import service
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.logs.jobs import CLEANER
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.relay.journal import Journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.mark.parametrize("where", ["middle", "commit", "after"])
async def test_a_transaction_that_fails_is_made_up_for_exactly(
    db: Database, folder: Path, where: str
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    write(journal, call("r1"), call("r2"))
    await flusher.flush()
    write(journal, call("r3"), call("r4"))
    with failing(db, where), pytest.raises(OperationalError):
        await flusher.flush()
    assert len(await logged(db)) == (4 if where == "after" else 2)
    write(journal, call("r5"))
    await flusher.flush()
    assert await logged(db) == ["r1", "r2", "r3", "r4", "r5"]
    assert await counters(db) == {(5, 35)}
    journal.close()


async def test_what_a_killed_process_left_is_shipped_and_removed(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await add_owners(db)
    dead = Journal(folder)
    write(dead, call("r1"))
    await Flusher(db, folder, dead).flush()
    write(dead, call("r2"))
    with dead.path.open("ab") as file:
        file.write(b"\x40\0\0\0torn")
    kill(dead)
    other = Journal(folder)  # of a process that lives: not ours to read
    write(other, call("not mine"))

    journal = Journal(folder)
    write(journal, call("r3"))
    assert await Flusher(db, folder, journal).flush() == 2
    assert sorted(await logged(db)) == ["r1", "r2", "r3"]
    assert files(folder) == {journal.path, other.path}
    assert "torn end" in caplog.text
    async with db.reading() as session:
        kept = list(await session.scalars(select(JournalPosition.segment)))
    assert kept == [journal.path.name]
    other.close()
    journal.close()


async def test_damage_is_told_loudly(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await add_owners(db)
    dead = Journal(folder)
    write(dead, call("r1"), call("damaged"), call("r3"))
    kill(dead)
    data = bytearray(dead.path.read_bytes())
    data[data.index(b"damaged")] ^= 1
    dead.path.write_bytes(bytes(data))
    flusher = Flusher(db, folder, None)
    await flusher.flush()
    await flusher.flush()  # the rescued calls are in a segment of their own
    assert await logged(db) == ["r1", "r3"]
    assert [r.levelname for r in caplog.records if "was damaged" in r.message] == ["ERROR"]
    assert [path.suffix for path in files(folder)] == [".damaged"]


async def test_pruned_logs_are_not_counted_again(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    write(journal, call("r1"), call("r2"))
    await Flusher(db, folder, journal).flush()
    async with db.transaction() as session:
        await service.prune(session, caller=CLEANER, older_than=START + timedelta(days=1))
    kill(journal)
    await Flusher(db, folder, None).flush()  # the next process reads the segment again
    assert await logged(db) == []
    assert await counters(db) == {(2, 14)}


async def test_an_older_database_that_is_put_back_gets_what_it_lacks(
    db: Database, folder: Path
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    write(journal, call("r1"))
    await flusher.flush()
    async with db.transaction() as session:
        await session.execute(delete(Log))
        await session.execute(delete(JournalPosition))
    write(journal, call("r2"))
    assert await flusher.flush() == 2
    assert await logged(db) == ["r1", "r2"]
    journal.close()


async def test_flushers_on_one_folder_ship_each_call_once(db: Database, folder: Path) -> None:
    await add_owners(db)
    for number in range(4):
        dead = Journal(folder)
        write(dead, *(call(f"dead {number} {n}") for n in range(30)))
        kill(dead)
    ours, theirs = Journal(folder), Journal(folder)
    second = Database(db.url)
    flushers = [
        Flusher(db, folder, ours),
        Flusher(second, folder, theirs),
        Flusher(second, folder, ours),  # even the same segment, at the same time
    ]
    for round_ in range(5):
        write(ours, *(call(f"ours {round_} {n}") for n in range(10)))
        write(theirs, *(call(f"theirs {round_} {n}") for n in range(10)))
        write(theirs, call(f"ours {round_} 0"))  # and an id that both have
        await asyncio.gather(*(flusher.flush() for flusher in flushers))
    await asyncio.gather(*(flusher.flush() for flusher in flushers))
    ids = await logged(db)
    assert len(ids) == len(set(ids)) == 4 * 30 + 5 * 20
    assert await counters(db) == {(220, 1540)}
    assert files(folder) == {ours.path, theirs.path}
    await second.close()
    ours.close()
    theirs.close()


async def test_the_task_ships_by_itself_and_stop_ships_the_rest(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal, interval=0.02)
    flusher.start()
    write(journal, call("r1"))
    await until(lambda: flusher.shipped == 1)
    write(journal, call("r2"))
    await flusher.stop()
    assert await logged(db) == ["r1", "r2"]
    assert flusher.error == ""
    journal.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that no event announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is polled from outside on purpose
            await asyncio.sleep(0.01)


async def test_a_database_that_is_away_loses_nothing_and_holds_up_nobody(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    await add_owners(db)
    if db.kind == "sqlite":
        away = Database(db.url.set(database="/nowhere/at/all.db"))
    else:
        away = Database(db.url.set(port=unused_tcp_port, query={}))
    journal = Journal(folder)
    flusher = Flusher(away, folder, journal, interval=0.01)
    flusher.start()
    write(journal, call("r1"))
    await until(lambda: flusher.error != "")
    caplog.clear()
    began = time.monotonic()
    write(journal, *(call(f"r{number}") for number in range(2, 100)))
    assert time.monotonic() - began < 1
    await asyncio.sleep(0.5)  # some tries
    await flusher.stop(patience=0.1)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]  # of the stop alone
    journal.close()
    await away.close()

    journal = Journal(folder)
    assert await Flusher(db, folder, journal).flush() == 99
    assert await counters(db) == {(99, 693)}
    assert files(folder) == {journal.path}
    journal.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_locked_database_is_waited_for(
    database_url: URL, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="paifang.gateway.flusher")
    db = Database(database_url, DbSettings(lock_timeout=0.2))
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal, interval=0.02)
    flusher.start()
    holder = sqlite3.connect(str(db.path), isolation_level=None)
    holder.execute("begin immediate")
    slowest = 0.0
    for number in range(200):
        began = time.monotonic()
        write(journal, call(f"r{number}"))
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.01)
    assert "locked" in flusher.error
    assert flusher.shipped == 0
    assert slowest < 0.2  # who writes to the journal waits for no lock
    holder.execute("rollback")
    holder.close()
    await until(lambda: flusher.shipped == 200)
    await flusher.stop()
    assert await counters(db) == {(200, 1400)}
    levels = [r.levelname for r in caplog.records if r.name == "paifang.gateway.flusher"]
    assert levels == ["WARNING", "INFO"]  # one while it was locked, one when it was over
    assert "INSERT" not in caplog.text
    journal.close()
    await db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_flush_that_is_cancelled_is_made_up_for(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    write(journal, *(call(f"r{number}") for number in range(1000)))
    for delay in (0, 0.005, 0.01, 0.02, 0.03, 0.05):
        task = asyncio.create_task(flusher.flush())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
    await flusher.flush()
    assert await counters(db) == {(1000, 7000)}
    assert len(await logged(db)) == 1000
    journal.close()


async def test_flush_says_that_it_failed(db: Database, folder: Path) -> None:
    journal = Journal(folder)
    write(journal, call("r1"))
    with failing(db, "commit"), pytest.raises(SQLAlchemyError):
        await Flusher(db, folder, journal).flush()
    journal.close()


async def test_a_stop_does_not_wait_for_all_that_is_left(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "BATCH", 8)
    await add_owners(db)
    dead = Journal(folder)
    write(dead, *(call(f"dead {number}") for number in range(2000)))
    kill(dead)
    journal = Journal(folder)
    write(journal, *(call(f"r{number}") for number in range(2000)))
    flusher = Flusher(db, folder, journal, interval=0.01)
    flusher.start()
    await until(lambda: flusher.shipped > 0)
    await flusher.stop(patience=0)  # the gentle run leaves off, and the last one at once
    assert 0 < flusher.shipped < 2000
    assert "calls remain in the journal" in caplog.text
    assert flusher.error == ""
    assert files(folder) == {dead.path, journal.path}
    journal.close()

    await Flusher(db, folder, None).flush()  # the next start: all of them, and each once
    assert files(folder) == set()
    assert await counters(db) == {(4000, 28000)}


async def test_a_stop_ships_in_haste_what_a_gentle_run_had_begun(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "BATCH", 8)
    await add_owners(db)
    dead = Journal(folder)
    write(dead, *(call(f"dead {number}") for number in range(400)))
    kill(dead)
    flusher = Flusher(db, folder, None, interval=0.01)
    flusher.start()
    await until(lambda: flusher.shipped > 0)
    await flusher.stop(patience=60)
    assert flusher.shipped == 400
    assert files(folder) == set()
    assert await counters(db) == {(400, 2800)}
