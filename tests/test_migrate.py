"""Migrations: they make what the models say, back up first, and refuse a newer database."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, inspect, text
from sqlalchemy.exc import MultipleResultsFound

from paifang import migrate, migrations
from paifang.core.db import Database
from paifang.core.settings import DbSettings, load

FIRST = "0001"


@pytest.fixture
async def empty(empty_database_url: URL) -> Database:
    return Database(empty_database_url)


async def test_the_migrations_make_exactly_what_the_models_say(
    empty: Database, tmp_path: Path
) -> None:
    assert await migrate.upgrade(empty, backups=tmp_path)
    assert await migrate.differences(empty) == []
    assert await migrate.current(empty) == migrate.head()
    assert not await migrate.upgrade(empty, backups=tmp_path), "the second time there is nothing"
    await empty.close()


def test_the_history_is_one_line_without_a_branch() -> None:
    assert migrate.known_revisions()[0] == FIRST
    assert migrate.known_revisions()[-1] == migrate.head()


def test_the_names_of_the_files_tell_the_history_that_alembic_reads_in_them() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert migrate.known_revisions() == [r.revision for r in script.walk_revisions()][::-1]
    assert [migrate.head()] == script.get_heads()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_history_with_two_ends_is_not_taken_for_one(
    empty: Database, tmp_path: Path
) -> None:
    await migrate.upgrade(empty, backups=tmp_path)
    async with empty.engine.begin() as connection:
        await connection.execute(text("insert into alembic_version values ('0001')"))
    with pytest.raises(MultipleResultsFound):
        await migrate.current(empty)
    await empty.close()


async def test_two_processes_that_start_together_migrate_once(
    empty: Database, tmp_path: Path
) -> None:
    other = Database(empty.url)
    done = await asyncio.gather(
        migrate.upgrade(empty, backups=tmp_path), migrate.upgrade(other, backups=tmp_path)
    )
    assert sorted(done) == [False, True]
    await empty.close()
    await other.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    empty: Database, tmp_path: Path
) -> None:
    await migrate.upgrade(empty, backups=tmp_path)
    async with empty.engine.begin() as connection:
        await connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(migrate.MigrationError, match=r"revision 9999.*newer version made it"):
        await migrate.upgrade(empty, backups=tmp_path)
    assert await migrate.current(empty) == "9999"
    await empty.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_old_sqlite_database_is_backed_up_before_it_is_migrated(
    empty: Database, tmp_path: Path
) -> None:
    await migrate.upgrade(empty, backups=tmp_path / "backups", to=FIRST)
    assert not (tmp_path / "backups").exists(), "an empty database needs no backup"
    async with empty.engine.execution_options(write=True).begin() as connection:
        await connection.execute(text("insert into counters (name, value) values ('kept', 7)"))
    said: list[str] = []
    # Somebody reads meanwhile, and what is only in the write-ahead log counts too.
    async with empty.engine.connect() as reader:
        await reader.execute(text("select 1"))
        await migrate.upgrade(empty, backups=tmp_path / "backups", say=said.append)
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.stat().st_mode & 0o077 == 0
    assert any(str(copy) in line for line in said)
    with sqlite3.connect(copy) as backup:
        assert backup.execute("select version_num from alembic_version").fetchone() == (FIRST,)
        assert backup.execute("select value from counters where name = 'kept'").fetchone() == (7,)
    backup.close()
    async with empty.reading() as session:
        assert await session.scalar(text("select value from counters where name = 'kept'")) == 7
    await empty.close()


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
async def test_a_migration_that_fails_leaves_nothing_half_made(
    empty: Database, tmp_path: Path
) -> None:
    await migrate.upgrade(empty, backups=tmp_path, to=FIRST)
    async with empty.engine.begin() as connection:
        # In the way of the last table that 0002 makes.
        await connection.execute(text("create table tokens (id integer)"))
    with pytest.raises(Exception, match="tokens"):
        await migrate.upgrade(empty, backups=tmp_path)
    async with empty.engine.connect() as connection:
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
    assert "channels" not in tables
    assert await migrate.current(empty) == FIRST
    await empty.close()


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_who_waits_for_a_migration_outlasts_the_usual_time_outs(
    empty_database_url: URL, tmp_path: Path
) -> None:
    impatient = DbSettings(lock_timeout=0.2, statement_timeout=0.2)
    first, second = (Database(empty_database_url, impatient) for _ in range(2))
    entered: list[str] = []
    async with migrate.one_at_a_time(first):
        waiting = asyncio.create_task(migrate.upgrade(second, backups=tmp_path))
        waiting.add_done_callback(lambda _task: entered.append("second"))
        await asyncio.sleep(1.0)
        assert entered == [], "it neither entered nor gave up"
    assert await waiting
    await first.close()
    await second.close()


TIMEOUTS = {
    "postgresql": "select current_setting('statement_timeout'), current_setting('lock_timeout')",
    "mariadb": "select @@max_statement_time, @@lock_wait_timeout, @@innodb_lock_wait_timeout",
}


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("fails", [False, True])
async def test_no_connection_keeps_a_migrations_time_outs(
    empty_database_url: URL, tmp_path: Path, database_kind: str, *, fails: bool
) -> None:
    usual = DbSettings(lock_timeout=7, statement_timeout=9)
    fresh, used = (Database(empty_database_url, usual) for _ in range(2))
    wanted = text(TIMEOUTS[database_kind])
    async with fresh.engine.connect() as connection:
        expected = (await connection.execute(wanted)).one()
    if fails:
        async with used.engine.begin() as connection:
            await connection.execute(text("create table tokens (id integer)"))
        with pytest.raises(Exception, match="tokens"):
            await migrate.upgrade(used, backups=tmp_path)
    else:
        assert await migrate.upgrade(used, backups=tmp_path)
    # As many at once as the pool may have kept.
    connections = [await used.engine.connect() for _ in range(4)]
    found = [(await connection.execute(wanted)).one() for connection in connections]
    for connection in connections:
        await connection.close()
    assert found == [expected] * 4
    await fresh.close()
    await used.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_data_files_are_private_in_a_folder_that_others_may_enter(
    empty_database_url: URL, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    database = Database.from_settings(load(environ={"PAIFANG_HOME": str(home)}, folder=tmp_path))
    assert database.path is not None
    assert database.path.stat().st_mode & 0o077 == 0
