"""Backup and restore: one file for every kind of database, so that it also carries an
installation from SQLite to PostgreSQL or MariaDB.

The file is a gzipped tar: ``manifest.json``, ``tables/<name>.jsonl`` (one row a line, values as
JSON), ``home/`` with the keys, the stored files and the journal of calls not yet in the database.
"""

import base64
import contextlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from paifang import __version__, migrate
from paifang.core.db import Base, Database, UtcDateTime
from paifang.core.db.installation import forget_installation
from paifang.core.files import write_private
from paifang.core.runtime import Runtime
from paifang.registry import import_models

FORMAT = 1
BATCH = 1000
KEYS = ("admin.key", "secret.key", "encryption.keys")
FOLDERS = ("journal", "files")
JOBS = "jobs.db"

Say = Callable[[str], None]


class BackupError(Exception):
    """The backup can't be written or restored; the message says why and what to do."""


async def backup(runtime: Runtime, target: Path, *, say: Say) -> None:
    """Write everything that must survive into ``target``, while Paifang may be running.

    The file holds the keys of the installation; it is made with mode 0600.
    """
    import_models()
    if target.exists():
        raise BackupError(f"{target} exists already; nothing was written")
    part = target.with_name(target.name + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            # The journal first: a call that is flushed while we read is then in both places,
            # and its unique request id keeps it from being counted twice.
            _add_home(archive, runtime.settings.home)
            counts = await _add_tables(archive, runtime.db, say)
            # The jobs last: a job that is handed over meanwhile is then in both places, under
            # one id, and starts once.
            _add_jobs(archive, runtime.settings.home)
            manifest = {
                "format": FORMAT,
                "paifang": __version__,
                "revision": await migrate.current(runtime.db),
                "made_at": datetime.now(UTC).isoformat(),
                "database": runtime.db.kind,
                "rows": counts,
            }
            _add_bytes(archive, "manifest.json", json.dumps(manifest, indent=2).encode())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    say(f"wrote {target} ({sum(counts.values())} rows)")


async def restore(runtime: Runtime, source: Path, *, say: Say) -> None:
    """Fill an empty database and home folder from a backup; all rows in one transaction.

    Raises:
        BackupError: the file is no backup or of a newer version, or the target is not empty.
    """
    import_models()
    home = runtime.settings.home
    try:
        with tarfile.open(source, "r:gz") as archive:
            manifest = _manifest(archive)
            revision = manifest["revision"]
            if manifest["format"] != FORMAT or revision not in migrate.known_revisions():
                raise BackupError(
                    f"{source} was made by Paifang {manifest['paifang']}, which is newer than "
                    f"this one ({__version__}); install that version to restore it"
                )
            await _must_be_empty(runtime)
            await migrate.upgrade(runtime.db, backups=home / "backups", to=revision)
            async with runtime.db.engine.execution_options(write=True).begin() as connection:
                for table in Base.metadata.sorted_tables:
                    await _fill(connection, table, archive, manifest["rows"], say)
                await forget_installation(connection)
                await connection.run_sync(_restart_numbers)
                # Before the commit: rows without the keys they need would look like success.
                _write_home(archive, home)
            await migrate.upgrade(runtime.db, backups=home / "backups")
    except (tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise BackupError(f"{source} is not a Paifang backup, or it is damaged: {error}") from error
    say("restored; `paifang check` should pass now")


def check_home(home: Path) -> None:
    """Refuse a home folder that is in use; ask before anything opens it, which makes keys.

    Raises:
        BackupError: there are keys or data in it, which a restore would destroy.
    """
    used = [name for name in (*KEYS, JOBS, "paifang.db") if (home / name).exists()]
    used += [name for name in FOLDERS if any((home / name).glob("*"))]
    if used:
        raise BackupError(
            f"{home} is in use (it has {used[0]}); restore into a fresh folder with --home. After "
            "a restore that was interrupted, delete its folder and empty its database first. "
            "Nothing was changed."
        )


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o600
    archive.addfile(info, io.BytesIO(content))


def _add_home(archive: tarfile.TarFile, home: Path) -> None:
    for name in KEYS:
        if (home / name).is_file():
            _add_bytes(archive, f"home/{name}", (home / name).read_bytes())
    for folder in FOLDERS:
        for path in sorted((home / folder).rglob("*")):
            # Read whole: a journal may grow meanwhile, and tar wants the size first. One that
            # is gone by now is in the tables, which are read later.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                _add_bytes(archive, f"home/{path.relative_to(home)}", path.read_bytes())


def _add_jobs(archive: tarfile.TarFile, home: Path) -> None:
    """The jobs' own store, when it is the usual file."""
    if not (home / JOBS).is_file():
        return
    with tempfile.TemporaryDirectory(dir=home) as folder:
        copy = migrate.backup_file(home / JOBS, Path(folder), label="jobs")
        _add_bytes(archive, f"home/{JOBS}", copy.read_bytes())


async def _add_tables(archive: tarfile.TarFile, database: Database, say: Say) -> dict[str, int]:
    counts: dict[str, int] = {}
    async with database.engine.connect() as connection:
        if database.kind != "sqlite":  # SQLite's transactions are snapshots already
            await connection.execution_options(isolation_level="REPEATABLE READ")
        for table in Base.metadata.sorted_tables:
            with tempfile.TemporaryFile() as spool:
                count = 0
                # What runs at this moment will not run where it is restored.
                if not table.info.get("transient"):
                    async for line in _rows(connection, table):
                        spool.write(line)
                        count += 1
                info = tarfile.TarInfo(f"tables/{table.name}.jsonl")
                info.size = spool.tell()
                info.mode = 0o600
                spool.seek(0)
                archive.addfile(info, spool)
            counts[table.name] = count
            if count:
                say(f"{table.name}: {count} rows")
    return counts


async def _rows(connection: AsyncConnection, table: Table) -> AsyncIterator[bytes]:
    async with connection.stream(select(table)) as result:
        async for row in result.mappings():
            values = {name: _plain(value) for name, value in row.items()}
            yield orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, UUID):
        return str(value)
    return value


def _python(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(column.type, Uuid):
        return UUID(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(value)
    return value


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    file = archive.extractfile("manifest.json")
    manifest: dict[str, Any] = json.loads(file.read()) if file is not None else {}
    return manifest


async def _must_be_empty(runtime: Runtime) -> None:
    async with runtime.db.engine.connect() as connection:
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
        for name in tables:
            if name in {"alembic_version", "counters"} or name not in Base.metadata.tables:
                continue
            table = Base.metadata.tables[name]
            if await connection.scalar(select(func.count()).select_from(table)):
                raise BackupError(
                    f"the database is not empty (table {name}); restore into a fresh one: "
                    "pick another --home or PAIFANG_DB_URL. Nothing was changed."
                )


async def _fill(
    connection: AsyncConnection,
    table: Table,
    archive: tarfile.TarFile,
    counts: dict[str, int],
    say: Say,
) -> None:
    if table.name not in counts:
        return  # a table that a later version brought
    await connection.execute(table.delete())  # rows a migration put there
    file = archive.extractfile(f"tables/{table.name}.jsonl")
    batch: list[dict[str, Any]] = []
    done = 0
    for line in file or ():
        row = orjson.loads(line)
        batch.append({k: _python(table.c[k], v) for k, v in row.items() if k in table.c})
        if len(batch) == BATCH:
            done += await _insert(connection, table, batch)
            batch = []
    done += await _insert(connection, table, batch)
    if done != counts[table.name]:
        raise BackupError(f"{table.name}: {done} rows where the manifest says {counts[table.name]}")
    if done:
        say(f"{table.name}: {done} rows")


async def _insert(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> int:
    if rows:
        # Only the columns of the backup: at its revision, others may not exist yet.
        columns = [Column(c.name, c.type) for c in table.columns if c.name in rows[0]]
        await connection.execute(Table(table.name, MetaData(), *columns).insert(), rows)
    return len(rows)


def _restart_numbers(connection: Connection) -> None:
    """PostgreSQL counts its own sequences; they must go on behind what was inserted."""
    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            connection.execute(
                text(
                    f"select setval(pg_get_serial_sequence('{table.name}', '{column.name}'), "  # noqa: S608  # our own names
                    f"coalesce(max({column.name}), 0) + 1, false) from {table.name}"
                )
            )


def _write_home(archive: tarfile.TarFile, home: Path) -> None:
    for member in archive.getmembers():
        parts = Path(member.name).parts
        if not member.isfile() or parts[:1] != ("home",) or ".." in parts:
            continue
        file = archive.extractfile(member)
        if file is not None:
            write_private(home.joinpath(*parts[1:]), file.read())
