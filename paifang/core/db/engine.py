"""One engine for three databases, with the settings each of them needs to behave alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util.concurrency import in_greenlet

from paifang.core.db.session import (
    BUMPED,
    CommitCallback,
    new_session,
    run_commit_callbacks,
)
from paifang.core.files import make_private
from paifang.core.settings import CoreSettings, DbSettings

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mariadb+asyncmy",
    "mariadb": "mariadb+asyncmy",
}


FILE = "paifang.db"
"""In the home folder, when no setting names another database."""
HIDE = True
"""An error's message must not repeat the values of its statement: it is logged, and they may be
anybody's mail or a link that resets a password."""


class UnsupportedDatabaseError(Exception):
    """The database URL names something Paifang can't use; the message says what it can."""


def database_url(settings: CoreSettings) -> URL:
    """The URL with the async driver, whatever driver was written; SQLite in home by default.

    Raises:
        UnsupportedDatabaseError: not a URL, or of another kind of database.
    """
    raw = settings.db.url.get_secret_value()
    if not raw:
        return URL.create(DRIVERS["sqlite"], database=str(settings.home.resolve() / FILE))
    try:
        url = make_url(raw)
    except ArgumentError as error:
        raise UnsupportedDatabaseError(
            "PAIFANG_DB_URL is not a URL; write it like postgresql://user:password@host:5432/name"
        ) from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise UnsupportedDatabaseError(
            f"PAIFANG_DB_URL: {kind} is not supported; use sqlite, postgresql or mariadb"
        )
    return url.set(drivername=DRIVERS[kind])


class Database:
    """The engine and its transactions. One per process (jobs have their own, on their own loop).

    Attributes:
        engine: The SQLAlchemy engine.
        kind: ``sqlite``, ``postgresql`` or ``mariadb``.
    """

    def __init__(self, url: URL, settings: DbSettings | None = None) -> None:
        settings = settings or DbSettings()
        self.url = url
        self.kind = {"sqlite": "sqlite", "postgresql": "postgresql"}.get(
            url.get_backend_name(), "mariadb"
        )
        self.engine = _ENGINES[self.kind](url, settings)
        # SQLite has one writer. A transaction that begins as a reader and writes later can fail
        # at once, whatever the time-out; so writers say so at BEGIN and wait for their turn.
        self._listeners: dict[str, list[CommitCallback]] = {}
        self._writer = self.engine.execution_options(write=True)

    @classmethod
    def from_settings(cls, settings: CoreSettings) -> "Database":
        """The database the settings name."""
        database = cls(database_url(settings), settings.db)
        if database.path is not None:
            make_private(database.path)
        return database

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None in memory and for the others."""
        name = self.url.database
        return Path(name) if self.kind == "sqlite" and name and name != ":memory:" else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends and rolls back when it raises.

        Callbacks given to :func:`~paifang.core.db.on_commit` run before this returns.
        """
        async with new_session(self._writer) as session:
            await _connect(session)
            yield session
            await session.commit()
        for name in session.info.get(BUMPED, ()):
            for listener in self._listeners.get(name, ()):
                await listener()
        await run_commit_callbacks(session)

    def on_version(self, name: str, listener: CommitCallback) -> None:
        """Await ``listener`` after each commit of this process that bumped the version."""
        self._listeners.setdefault(name, []).append(listener)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; what it changes is rolled back."""
        async with new_session(self.engine) as session:
            await _connect(session)
            yield session

    async def ping(self) -> None:
        """Ask the database for an answer; raises what the driver raises."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def _connect(session: AsyncSession) -> None:
    """Connect now, so that "the database is away" is one error, whatever the driver calls it."""
    try:
        await session.connection()
    except OSError as error:
        raise OperationalError("connect", None, error) from error


def _sqlite(url: URL, settings: DbSettings) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=HIDE,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_timeout,
        connect_args={"timeout": settings.lock_timeout, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={int(settings.lock_timeout * 1000)}",
            "journal_mode=wal",
            "synchronous=normal",
            "foreign_keys=on",
            # The system has the file in memory anyway, and a connection's own copy grows to this.
            "cache_size=-512",
        ):
            cursor.execute(f"pragma {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("begin immediate" if write else "begin")

    # Closing is not enough: SQLite keeps the lock of a closed connection for as long as anything
    # refers to one of its statements, for example the traceback of the task that was cancelled.
    @event.listens_for(engine.sync_engine, "invalidate")
    def _let_go(connection: Any, _record: Any, _error: Any) -> None:
        if connection is not None and in_greenlet():
            connection.rollback()

    # A COMMIT that fails leaves its transaction open, and SQLAlchemy takes it for ended.
    @event.listens_for(engine.sync_engine, "checkin")
    def _leave_nothing_open(connection: Any, _record: Any) -> None:
        if connection is None or not in_greenlet():
            return
        if connection.driver_connection.in_transaction:
            connection.rollback()

    return engine


def _postgresql(url: URL, settings: DbSettings) -> AsyncEngine:
    return create_async_engine(
        url,
        hide_parameters=HIDE,
        **_pool(settings),
        connect_args={
            "timeout": settings.connect_timeout,
            "server_settings": {
                "application_name": "paifang",
                "statement_timeout": str(int(settings.statement_timeout * 1000)),
                "lock_timeout": str(int(settings.lock_timeout * 1000)),
                "timezone": "UTC",
            },
        },
    )


def _mariadb(url: URL, settings: DbSettings) -> AsyncEngine:
    engine = create_async_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        hide_parameters=HIDE,
        **_pool(settings),
        # Repeatable read keeps an old snapshot inside one transaction; PostgreSQL does not.
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": settings.connect_timeout},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _variables(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(
            "set session time_zone='+00:00', "
            f"innodb_lock_wait_timeout={max(1, round(settings.lock_timeout))}, "
            f"max_statement_time={settings.statement_timeout}"
        )
        cursor.close()

    return engine


def _pool(settings: DbSettings) -> dict[str, Any]:
    return {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_overflow,
        "pool_timeout": settings.pool_timeout,
        "pool_recycle": settings.pool_recycle,
        "pool_pre_ping": settings.pool_pre_ping,
    }


_ENGINES = {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}
