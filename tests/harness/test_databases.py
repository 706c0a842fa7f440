"""Databases for tests: alike, empty, and none is left behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import URL, inspect, select, text

from paifang.core.db import Database, bump_version, read_version
from paifang.core.db.counters import Counter
from plugins import databases


def dead_pid() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_starts_without_rows(db: Database, turn: int) -> None:
    async with db.transaction() as session:
        assert await read_version(session, "thing") == 0
        await bump_version(session, "thing")


async def test_an_empty_database_has_no_tables(empty_database_url: URL) -> None:
    database = Database(empty_database_url)
    async with database.engine.begin() as connection:
        assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == []
        await connection.execute(text("create table leftover (id integer)"))
    await database.close()


async def test_statements_are_counted(
    db: Database, query_count: Callable[[Database], AbstractContextManager[list[str]]]
) -> None:
    with query_count(db) as queries:
        async with db.transaction() as session:
            session.add(Counter(name="one", value=1))
        async with db.reading() as session:
            await session.scalars(select(Counter))
            await session.scalars(select(Counter))
    assert len(queries) == 3

    async with db.reading() as session:
        await session.scalars(select(Counter))
    assert len(queries) == 3


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_databases_of_dead_processes_are_dropped_and_others_left(
    database_kind: str,
) -> None:
    dead = f"{databases.NAME}{dead_pid()}_gone"
    alive = f"{databases.NAME}{os.getpid()}_here"
    foreign = f"{databases.NAME}of_somebody"
    names = {dead, alive, foreign}
    try:
        for name in names:
            await databases._on_server(database_kind, f"create database {name}")
        await databases._drop_stale(database_kind)
        left = await databases._on_server(database_kind, databases.LIST[database_kind])
        assert names & set(left) == {alive, foreign}
    finally:
        for name in names:
            await databases._on_server(database_kind, f"drop database if exists {name}")


async def test_every_database_that_was_made_is_dropped_at_the_end(
    worker_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_made", [])
    kinds = ("postgresql", "mariadb", "postgresql")
    names = [f"{worker_name}_end_{number}" for number in range(len(kinds))]
    for kind, name in zip(kinds, names, strict=True):
        await databases._make(kind, name)

    await databases._drop_all()

    for kind in set(kinds):
        assert not set(names) & set(await databases._on_server(kind, databases.LIST[kind]))
