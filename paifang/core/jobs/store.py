"""Where the job engine keeps its state: SQLite or PostgreSQL, also when the database is MariaDB."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from paifang.core.db.engine import UnsupportedDatabaseError, database_url
from paifang.core.files import make_private
from paifang.core.settings import CoreSettings

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


def store_url(settings: CoreSettings) -> URL:
    """The URL of the store: the setting, else the database if it is PostgreSQL, else SQLite.

    Raises:
        UnsupportedDatabaseError: the setting is not a URL, or of another kind of database.
    """
    raw = settings.jobs.db_url.get_secret_value()
    if not raw:
        database = database_url(settings)
        if database.get_backend_name() != "postgresql":
            return URL.create("sqlite", database=str(settings.home.resolve() / "jobs.db"))
        return _for_psycopg(database)
    try:
        url = make_url(raw)
    except ArgumentError as error:
        raise UnsupportedDatabaseError(
            "PAIFANG_JOBS_DB_URL is not a URL; write it like "
            "postgresql://user:password@host:5432/name or sqlite:///file"
        ) from error
    kind = url.get_backend_name()
    if kind not in _DRIVERS:
        raise UnsupportedDatabaseError(
            f"PAIFANG_JOBS_DB_URL: jobs can't be kept in {kind}; use sqlite or postgresql"
        )
    return url.set(drivername="sqlite") if kind == "sqlite" else _for_psycopg(url)


def _for_psycopg(url: URL) -> URL:
    # The same choice has another name in the database's own driver.
    query = {"sslmode" if name == "ssl" else name: value for name, value in url.query.items()}
    return url.set(drivername=_DRIVERS["postgresql"], query=query)


def store_path(url: URL) -> Path | None:
    """The file of an SQLite store; None for PostgreSQL."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def store_name(url: URL) -> str:
    """What tells one store from another, without a password; an SQLite file is one per host."""
    path = store_path(url)
    if path is not None:
        return f"{socket.gethostname()}:{path.resolve()}"[:255]
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"[:255]


def prepare(url: URL) -> None:
    """Make the folder of an SQLite store and set its journal to WAL, which the engine does not."""
    path = store_path(url)
    if path is None:
        return
    make_private(path)
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("pragma journal_mode=wal")
