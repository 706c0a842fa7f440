"""Transactions, types and counters mean the same on all three databases."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import URL, delete, insert, select
from sqlalchemy.exc import IntegrityError, InvalidRequestError, StatementError

from paifang.core.audit import AuditEntry
from paifang.core.db import (
    Database,
    bump_version,
    installation_id,
    next_number,
    on_commit,
    read_version,
)
from paifang.core.db.counters import Counter
from paifang.core.db.installation import ROW
from paifang.core.settings import CoreSettings


async def test_a_block_that_raises_changes_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.transaction() as session:
            await bump_version(session, "thing")
            raise RuntimeError
    async with db.reading() as session:
        assert await read_version(session, "thing") == 0


async def test_a_reading_session_changes_nothing(db: Database) -> None:
    async with db.reading() as session:
        session.add(Counter(name="version:thing", value=7))
        await session.flush()
    async with db.reading() as session:
        assert await read_version(session, "thing") == 0


async def test_numbers_count_from_one_and_a_rolled_back_one_is_given_again(db: Database) -> None:
    async with db.transaction() as session:
        assert await next_number(session, "things") == 1
    with pytest.raises(RuntimeError):
        async with db.transaction() as session:
            assert await next_number(session, "things") == 2
            raise RuntimeError
    async with db.transaction() as session:
        assert await next_number(session, "things") == 2


async def test_listeners_and_callbacks_run_after_the_commit_and_not_after_a_rollback(
    db: Database,
) -> None:
    seen: list[str] = []

    async def committed() -> None:
        async with db.reading() as session:
            seen.append(f"version {await read_version(session, 'thing')}")

    async def called() -> None:
        seen.append("callback")

    db.on_version("thing", committed)
    async with db.transaction() as session:
        await bump_version(session, "thing")
        on_commit(session, called)
        on_commit(session, called)
        assert seen == []
    assert seen == ["version 1", "callback"]

    with pytest.raises(RuntimeError):
        async with db.transaction() as session:
            await bump_version(session, "thing")
            raise RuntimeError
    assert seen == ["version 1", "callback"]


async def test_a_moment_comes_back_as_the_same_instant_in_utc(db: Database) -> None:
    taipei = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    async with db.transaction() as session:
        session.add(
            AuditEntry(
                at=taipei,
                actor_id="a",
                actor_name="名字 🙂",
                action="x",
                subject_type="t",
                subject_id="1",
                changes={"名": ["值", None, 1.5]},
            )
        )
    async with db.reading() as session:
        entry = (await session.scalars(select(AuditEntry))).one()
    assert entry.at == taipei
    assert entry.at.tzinfo is UTC
    assert entry.at.microsecond == 123456
    assert entry.actor_name == "名字 🙂"
    assert entry.changes == {"名": ["值", None, 1.5]}


async def test_a_moment_without_a_time_zone_is_refused(db: Database) -> None:
    with pytest.raises(StatementError, match="time zone"):
        async with db.transaction() as session:
            await session.execute(delete(AuditEntry).where(AuditEntry.at < datetime(2026, 1, 1)))


async def test_a_closed_session_refuses_to_work(db: Database) -> None:
    async with db.transaction() as session:
        await bump_version(session, "thing")
    with pytest.raises(InvalidRequestError):
        await read_version(session, "thing")


async def test_an_error_does_not_repeat_the_values_of_its_statement(db: Database) -> None:
    with pytest.raises(IntegrityError) as raised:
        async with db.transaction() as session:
            for _ in range(2):
                await session.execute(insert(Counter).values(name="secret-link", value=1))
    assert "secret-link" not in str(raised.value).partition("[SQL")[2]


async def test_all_processes_of_an_installation_agree_on_its_id(
    db: Database, database_url: URL
) -> None:
    async with db.transaction() as session:
        await session.execute(delete(Counter).where(Counter.name == ROW))
    several = [Database(database_url) for _ in range(4)]
    found = await asyncio.gather(*map(installation_id, several))
    assert len(set(found)) == 1
    assert len(found[0]) == 16
    assert await installation_id(db) == found[0]
    for each in several:
        await each.close()


READER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(database.execute("select coalesce(max(value), 0) from counters").fetchone()[0])
database.close()
"""


async def _seen_from_outside(path: Path) -> int:
    """What a process of its own reads; it opens the file and closes it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, str(path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return int(output)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_file_that_is_opened_again_stays_locked_against_other_processes(
    settings: CoreSettings, db: Database
) -> None:
    """Its journal would be removed by the next process that closes it, and what comes then lost."""
    assert db.path is not None
    async with db.transaction() as session:
        await next_number(session, "things")
    again = Database.from_settings(settings)  # as the jobs of the process have theirs
    assert await _seen_from_outside(db.path) == 1
    async with db.transaction() as session:
        await next_number(session, "things")
    assert await _seen_from_outside(db.path) == 2
    await again.close()
