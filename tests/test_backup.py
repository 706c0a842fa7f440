"""Backup and restore, also from one kind of database to another."""

import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from paifang import backup, migrate
from paifang.app import open_runtime
from paifang.core.db import installation_id, utc_now
from paifang.core.db.counters import Counter
from paifang.core.db.installation import ROW
from paifang.core.settings import CoreSettings, load
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.processes.models import GatewayProcess
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token
from paifang.modules.gateway.welcome import STARTER
from paifang.registry import settings_areas


def _settings(home: Path, url: URL) -> CoreSettings:
    environ = {
        "PAIFANG_HOME": str(home),
        "PAIFANG_DB_URL": url.render_as_string(hide_password=False),
    }
    return load(settings_areas(), environ=environ, folder=home.parent)


def _log(number: int) -> Log:
    return Log(
        request_id=f"request-{number}",
        started_at=utc_now(),
        group_id="team",
        token_name="名字",
        purpose="api",
        channel_name="",
        model="m",
        upstream_model="m",
        endpoint="/v1/embeddings",
        stream=False,
        status=200,
        outcome="completed",
        error="",
        attempts=1,
        duration_ms=1.5,
        input=number,
        cached_input=0,
        cache_write=0,
        output=0,
        reasoning=0,
        estimated=False,
        cost=123456789012,
        ip="::1",
        user_agent="",
    )


async def _made(folder: Path) -> Path:
    """A backup of an SQLite installation with something in it."""
    url = URL.create("sqlite", database=str(folder / "source.db"))
    runtime = open_runtime(_settings(folder / "source", url))
    await migrate.upgrade(runtime.db, backups=folder)
    async with runtime.db.transaction() as session:
        await tokens.create(
            session, actor=STARTER, group_id="team", name="a", auto_create_group=True
        )
        session.add_all([_log(number) for number in range(5)])
        running = {"id": "1", "host": "here", "pid": 1, "home": "/", "shares": "", "beats": 1}
        session.add(GatewayProcess(**running))
    await installation_id(runtime.db)
    (runtime.settings.home / "journal").mkdir()
    (runtime.settings.home / "journal" / "x.journal").write_bytes(b"not yet shipped")
    target = folder / "backup.tar.gz"
    await backup.backup(runtime, target, say=lambda _line: None)
    await runtime.db.close()
    return target


async def test_what_was_backed_up_comes_back_on_any_database(
    tmp_path: Path, empty_database_url: URL
) -> None:
    source = await _made(tmp_path)
    assert source.stat().st_mode & 0o077 == 0
    runtime = open_runtime(_settings(tmp_path / "target", empty_database_url))
    await backup.restore(runtime, source, say=lambda _line: None)
    async with runtime.db.reading() as session:
        token = (await session.scalars(select(Token))).one()
        logs = list(await session.scalars(select(Log).order_by(Log.id)))
        processes = list(await session.scalars(select(GatewayProcess)))
        installation = await session.get(Counter, ROW)
    assert processes == [], "what ran at the backup does not run here"
    assert installation is None, "two installations must not share what they keep in one Redis"
    assert (token.group_id, token.name, len(token.digest)) == ("team", "a", 64)
    assert token.created_at.tzinfo is not None
    assert [log.input for log in logs] == [0, 1, 2, 3, 4]
    assert logs[0].cost == 123456789012
    async with runtime.db.transaction() as session:
        fresh = _log(9)
        session.add(fresh)
        await session.flush()
        assert fresh.id > logs[-1].id, "ids go on behind the restored ones"
    for name in ("admin.key", "secret.key", "encryption.keys"):
        assert (tmp_path / "target" / name).read_text() == (tmp_path / "source" / name).read_text()
    assert (tmp_path / "target" / "journal" / "x.journal").read_bytes() == b"not yet shipped"
    with pytest.raises(backup.BackupError, match="not empty"):
        await backup.restore(runtime, source, say=lambda _line: None)
    await runtime.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_damaged_file_changes_nothing(tmp_path: Path, empty_database_url: URL) -> None:
    source = await _made(tmp_path)
    damaged = tmp_path / "damaged.tar.gz"
    damaged.write_bytes(source.read_bytes()[:-200])
    runtime = open_runtime(_settings(tmp_path / "target", empty_database_url))
    with pytest.raises(backup.BackupError, match="not a Paifang backup, or it is damaged"):
        await backup.restore(runtime, damaged, say=lambda _line: None)
    async with runtime.db.engine.connect() as connection:
        assert await connection.run_sync(
            lambda c: c.exec_driver_sql(
                "select name from sqlite_master where name = 'tokens'"
            ).fetchall()
        ) in ([], [("tokens",)])
    await runtime.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_backup_of_a_newer_version_is_refused(
    tmp_path: Path, empty_database_url: URL
) -> None:
    source = await _made(tmp_path)
    newer = tmp_path / "newer.tar.gz"
    with tarfile.open(source) as old, tarfile.open(newer, "w:gz") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            assert file is not None
            content = file.read()
            if member.name == "manifest.json":
                manifest = json.loads(content) | {"revision": "9999", "paifang": "9.9"}
                content = json.dumps(manifest).encode()
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    runtime = open_runtime(_settings(tmp_path / "target", empty_database_url))
    with pytest.raises(backup.BackupError, match=r"made by Paifang 9\.9, which is newer"):
        await backup.restore(runtime, newer, say=lambda _line: None)
    await runtime.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_existing_file_is_not_overwritten(tmp_path: Path, empty_database_url: URL) -> None:
    source = await _made(tmp_path)
    runtime = open_runtime(_settings(tmp_path / "target", empty_database_url))
    with pytest.raises(backup.BackupError, match="exists already"):
        await backup.backup(runtime, source, say=lambda _line: None)
    await runtime.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_home_folder_in_use_is_never_restored_into(
    tmp_path: Path, empty_database_url: URL
) -> None:
    await _made(tmp_path)
    with pytest.raises(backup.BackupError, match="is in use"):
        backup.check_home(tmp_path / "source")
    backup.check_home(tmp_path / "fresh")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_jobs_own_store_comes_along(tmp_path: Path, empty_database_url: URL) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "source.db"))
    runtime = open_runtime(_settings(tmp_path / "source", url))
    await migrate.upgrade(runtime.db, backups=tmp_path)
    with sqlite3.connect(runtime.settings.home / "jobs.db") as jobs:
        jobs.execute("create table kept (id integer)")
    jobs.close()
    await backup.backup(runtime, tmp_path / "copy.tar.gz", say=lambda _line: None)
    await runtime.db.close()
    target = open_runtime(_settings(tmp_path / "target", empty_database_url))
    await backup.restore(target, tmp_path / "copy.tar.gz", say=lambda _line: None)
    await target.db.close()
    with sqlite3.connect(tmp_path / "target" / "jobs.db") as jobs:
        assert jobs.execute("select count(*) from kept").fetchone() == (0,)
    jobs.close()
