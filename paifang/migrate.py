"""Bringing a database to this version's schema: backed up before, refused when it is newer.

Alembic makes the steps. Whether any is to be made is asked at each start, and answered without
importing it.
"""

import asyncio
import contextlib
import fcntl
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from paifang import __version__, migrations
from paifang.core.db import Base, Database
from paifang.core.files import make_private
from paifang.core.module import load
from paifang.core.runtime import Runtime
from paifang.registry import import_models

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic tells of each step at INFO; what a person wants to know is said by `say`.
logging.getLogger("alembic").setLevel(logging.WARNING)

LOCK_SECONDS = 10
"""A migration waits this long for a table's lock, so that it never stands in everybody's way."""


class MigrationError(Exception):
    """The database can't be brought to this version; the message says why and what to do."""


def head() -> str:
    """The newest revision this version knows."""
    known = known_revisions()
    if not known:
        raise MigrationError("this installation has no migrations; it is incomplete")
    return known[-1]


def known_revisions() -> list[str]:
    """All revisions of this version, oldest first: their files begin with their numbers."""
    files = Path(migrations.__file__).with_name("versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


async def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_current)


def _current(connection: Connection) -> str | None:
    # Alembic's own table, with one row: ours is one line of history.
    if not inspect(connection).has_table("alembic_version"):
        return None
    rows = connection.scalars(text("select version_num from alembic_version"))
    found: str | None = rows.one_or_none()
    return found


async def upgrade_installation(runtime: Runtime, *, say: Callable[[str], None]) -> bool:
    """Migrate to the newest revision, unless a module says that it would do harm now.

    Returns:
        True when something was migrated.

    Raises:
        MigrationError: the database was made by a newer version.
        StartRefused: a module refuses.
    """

    async def ask_modules() -> None:
        for module in runtime.modules:
            for ask in load(module.before_migration):
                await ask(runtime)

    backups = runtime.settings.home / "backups"
    return await upgrade(runtime.db, backups=backups, first=ask_modules, say=say)


async def upgrade(
    database: Database,
    *,
    backups: Path,
    to: str | None = None,
    first: Callable[[], Awaitable[None]] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> bool:
    """Migrate to ``to`` (by default the newest revision).

    Two processes that start together wait for each other. An SQLite file with data in it is
    copied into ``backups`` first, consistently, while others may read and write.

    Args:
        database: To be migrated.
        backups: Folder of the copies.
        to: A revision.
        first: Awaited before tables that are there are changed; what it raises keeps them.
        say: Gets lines for a person.

    Returns:
        True when something was migrated.

    Raises:
        MigrationError: the database was made by a newer version.
    """
    target = to or head()
    async with one_at_a_time(database):
        at = await current(database)
        if at == target:
            return False
        known = known_revisions()
        if at is not None and at not in known:
            raise MigrationError(
                f"The database is at revision {at}, which Paifang {__version__} does not know: a "
                "newer version made it. Start that version, or restore a backup made by this one. "
                f"Nothing was changed. Backups made before migrations are in {backups}."
            )
        if at is not None and known.index(at) > known.index(target):
            raise MigrationError(
                f"The database is at revision {at}, which is newer than {target}; restore a backup."
            )
        if at is not None and first is not None:
            await first()
        if at is not None and database.path is not None:
            copy = backup_file(database.path, backups, label=at)
            say(f"backed up the database to {copy}")
        say(f"migrating the database from {at or 'empty'} to {target}")
        async with database.engine.connect() as connection:
            try:
                await connection.run_sync(_upgrade, target)
                await connection.commit()
            finally:
                # Its time-outs are a migration's: no request must find it in the pool.
                await connection.invalidate()
        return True


def _upgrade(connection: Connection, target: str) -> None:
    from alembic import command  # noqa: PLC0415  # only when there is something to do

    kind = connection.dialect.name
    if kind == "postgresql":
        connection.execute(text(f"set lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text("set statement_timeout = 0"))
    elif kind in {"mysql", "mariadb"}:
        connection.execute(text(f"set session lock_wait_timeout = {LOCK_SECONDS}"))
        connection.execute(text("set session max_statement_time = 0"))
    connection.commit()
    command.upgrade(_config(connection), target)


def _config(connection: Connection) -> "Config":
    from alembic.config import Config  # noqa: PLC0415  # see above

    config = Config()
    config.set_main_option("script_location", "paifang:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def backup_file(source: Path, folder: Path, *, label: str) -> Path:
    """A consistent copy of a live SQLite database, by SQLite's own backup."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{source.stem}-{label}-{moment}.db"
    part = target.with_suffix(".part")
    make_private(part)
    with (
        contextlib.closing(sqlite3.connect(source)) as live,
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        live.backup(copy)
    part.rename(target)
    return target


async def differences(database: Database) -> list[object]:
    """Where the database and the models differ; empty when migrations and models agree."""
    import_models()
    async with database.engine.connect() as connection:
        return await connection.run_sync(_differences)


def _differences(connection: Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415  # for tests alone
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # the same

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


@asynccontextmanager
async def one_at_a_time(database: Database) -> AsyncIterator[None]:
    """Wait until no other process migrates this database, and keep others out.

    Raises:
        MigrationError: somebody has been at it for ten minutes (MariaDB; PostgreSQL raises its
            own time-out, SQLite waits on).
    """
    if database.path is not None:
        database.path.parent.mkdir(parents=True, exist_ok=True)
        with database.path.with_suffix(".migrating").open("w") as file:
            await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
            yield  # closing the file gives the lock back
        return
    async with database.engine.connect() as connection:
        for statement in _PATIENCE[database.kind]:
            await connection.execute(text(statement))
        lock, unlock = _LOCKS[database.kind]
        if await connection.scalar(text(lock)) != 1:
            raise MigrationError(
                "Another process has been migrating this database for ten minutes. "
                "Wait for it, or find out what it waits for. Nothing was changed."
            )
        try:
            yield
        finally:
            await connection.execute(text(unlock))
            # Its time-outs are off: it must not go back to those who count on them.
            await connection.invalidate()


_PATIENCE = {
    "postgresql": ("set lock_timeout = 0", "set statement_timeout = '10min'"),
    "mariadb": ("set session max_statement_time = 0",),
}
"""Without it, the usual time-outs would end the wait for the lock."""

_LOCKS = {
    "postgresql": (
        "select 1 from pg_advisory_lock(7224001)",
        "select pg_advisory_unlock(7224001)",
    ),
    "mariadb": (
        "select get_lock('paifang.migrate', 600)",
        "select release_lock('paifang.migrate')",
    ),
}
