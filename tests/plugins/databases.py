"""Real databases: a file per test on SQLite, one database per test process on the servers."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, event, exists, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from paifang.core import hot
from paifang.core.db import Base, Database
from paifang.registry import MODULES, import_models
from plugins.needs import require
from scripts.services.base import is_alive

DRIVERS = {"postgresql": "postgresql+asyncpg", "mariadb": "mariadb+asyncmy"}

NAME = "paifang_test_"
"""Databases are ``paifang_test_<pid>_…``: a later run drops those of dead processes."""

LIST = {
    "postgresql": "select datname from pg_database",
    "mariadb": "select schema_name from information_schema.schemata s where not exists"
    " (select 1 from information_schema.processlist p where p.db = s.schema_name)",
}
"""Statements that list databases; PostgreSQL itself refuses to drop one in use."""

CREATE = {
    "postgresql": "create database {}",
    "mariadb": "create database {} character set utf8mb4",
}

import_models(MODULES)

_with_schema: dict[str, URL] = {}
_made: list[tuple[str, str]] = []
_template: Path | None = None


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database; a test that asks for it, or for ``db``, runs once per kind."""
    return str(request.param)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """Unique per parallel test process of this run; fit for a database's name."""
    worker = getattr(request.config, "workerinput", {"workerid": "main"})["workerid"]
    return f"{NAME}{os.getpid()}_{worker}"


@pytest.fixture
async def database_url(
    database_kind: str,
    worker_name: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[URL]:
    """A database with the schema and no rows."""
    if database_kind == "sqlite":
        file = tmp_path / "test.db"
        shutil.copyfile(await _sqlite_template(tmp_path_factory), file)
        yield URL.create("sqlite+aiosqlite", database=str(file))
        return
    url = _with_schema.get(database_kind)
    if url is None:
        url = _with_schema[database_kind] = await _make(database_kind, worker_name)
        await _create_schema(url)
    yield url
    await _delete_rows(url)


@pytest.fixture
async def empty_database_url(
    database_kind: str, worker_name: str, tmp_path: Path
) -> AsyncIterator[URL]:
    """A database of the test's own without tables, for migrations and the like."""
    if database_kind == "sqlite":
        yield URL.create("sqlite+aiosqlite", database=str(tmp_path / "empty.db"))
        return
    async with own_database(database_kind, f"{worker_name}_empty") as url:
        yield url


@asynccontextmanager
async def own_database(kind: str, name: str) -> AsyncIterator[URL]:
    """A database on a server, without tables, for as long as the block runs."""
    url = await _make(kind, name)
    try:
        yield url
    finally:
        await _drop(kind, name)


@pytest.fixture
async def db(database_url: URL) -> AsyncIterator[Database]:
    """A database with the schema and no rows."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def query_count() -> Callable[[Database], AbstractContextManager[list[str]]]:
    """Count statements: ``with query_count(db) as queries: ...``, then ``len(queries)``.

    BEGIN, COMMIT, PRAGMA and the like are not counted; what goes to the driver past SQLAlchemy
    can't be seen, except for hot selects, which tell.
    """
    return _counting


@contextmanager
def _counting(database: Database) -> Iterator[list[str]]:
    queries: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if re.match(r"\s*(select|insert|update|delete|with|replace)\b", statement, re.IGNORECASE):
            queries.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    hot.watchers.append(queries.append)
    try:
        yield queries
    finally:
        hot.watchers.remove(queries.append)
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture(scope="session", autouse=True)
def _drop_databases() -> Iterator[None]:
    yield
    asyncio.run(_drop_all())


async def _sqlite_template(folders: pytest.TempPathFactory) -> Path:
    global _template  # noqa: PLW0603 - one file per process, made when first asked for
    if _template is None:
        template = folders.mktemp("template") / "schema.db"
        await _create_schema(URL.create("sqlite+aiosqlite", database=str(template)))
        _template = template
    return _template


async def _create_schema(url: URL) -> None:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await database.close()


async def _delete_rows(url: URL) -> None:
    # Most tests fill few tables: one question which, then only those.
    tables = list(reversed(Base.metadata.sorted_tables))
    database = Database(url)
    async with database.engine.begin() as connection:
        question = select(*(exists().select_from(table) for table in tables))
        filled = (await connection.execute(question)).one()
        for table, has_rows in zip(tables, filled, strict=True):
            if not has_rows:
                continue
            # MariaDB looks at each row it deletes: a tree is taken apart first.
            for key in table.foreign_keys:
                if key.column.table is table:
                    await connection.execute(table.update().values({key.parent.name: None}))
            await connection.execute(table.delete())
    await database.close()


async def _make(kind: str, name: str) -> URL:
    await _drop_stale(kind)
    await _on_server(kind, CREATE[kind].format(name))
    _made.append((kind, name))
    return _server(kind).set(database=name)


async def _drop(kind: str, name: str) -> None:
    await _on_server(kind, f"drop database if exists {name}")
    _made.remove((kind, name))


async def _drop_all() -> None:
    while _made:
        await _drop(*_made[-1])


async def _drop_stale(kind: str) -> None:
    for name in await _on_server(kind, LIST[kind]):
        found = re.match(rf"{NAME}(\d+)_", name)
        if found and not is_alive(int(found[1])):
            # Another run may drop it at this moment, or a process it left may hold it.
            with contextlib.suppress(SQLAlchemyError):
                await _on_server(kind, f"drop database if exists {name}")


def _server(kind: str) -> URL:
    return make_url(require(kind.upper())).set(drivername=DRIVERS[kind])


async def _on_server(kind: str, statement: str) -> list[str]:
    server = Database(_server(kind))
    async with server.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        result = await autocommit.execute(text(statement))
        rows = [str(row[0]) for row in result] if result.returns_rows else []
    await server.close()
    return rows
