"""A second gateway process on one database: refused without Redis, welcome with it."""

import asyncio
import contextlib
import json
import signal
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import URL

from doubles.installation import Installation, Running, running
from paifang.migrate import head

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

SERVE = ("serve", "--only", "gateway")
NOTHING = "Nothing to do: up to date already.\n"


async def installed(folder: Path, url: URL, **variables: str) -> Installation:
    made = Installation(
        folder, PAIFANG_DB_URL=str(url), PAIFANG_GATEWAY_WELCOME="false", **variables
    )
    status, output = await made.command("migrate")
    assert status == 0, output
    return made


async def gateways(installation: Installation) -> list[str]:
    """What the doctor says of them."""
    _, output = await installation.command("doctor", "--json")
    found = [f for f in json.loads(output) if f["subject"] == "gateway process"]
    assert {finding["level"] for finding in found} <= {"ok"}
    return [finding["message"] for finding in found]


async def test_without_redis_the_second_ends_with_the_reason(
    tmp_path: Path, empty_database_url: URL
) -> None:
    installation = await installed(tmp_path, empty_database_url)
    async with running(installation, *SERVE) as first:
        for command in (SERVE, ("up",)):
            status, output = await installation.command(*command)
            assert status == 1, output
            (told,) = [line for line in output.splitlines() if "gateway process" in line]
            assert told.startswith("Error: Another gateway process serves this database already: ")
            assert f"process {first.process.pid} on " in told
            assert str(installation.home) in told
            assert told.endswith("Stop that one, or set PAIFANG_REDIS_URL for all of them.")
            for word in ("Traceback", "the log above", "ERROR", "startup failed"):
                assert word not in output, output
        (message,) = await gateways(installation)
        assert f"process {first.process.pid} on " in message
        async with running(installation, "serve", "--only", "console"):
            assert await gateways(installation) == [message], "a console counts no limits"
        await first.kill()
        assert await gateways(installation) == []
        async with running(installation, *SERVE) as second:
            assert "waiting" not in second.text
            assert await second.terminate() == 0
        assert await gateways(installation) == []


async def test_with_redis_they_serve_side_by_side(
    tmp_path: Path, empty_database_url: URL, redis_url: str
) -> None:
    installation = await installed(tmp_path, empty_database_url, PAIFANG_REDIS_URL=redis_url)
    async with running(installation, *SERVE) as one, running(installation, *SERVE) as two:
        messages = await gateways(installation)
        for process in (one, two):
            (message,) = [m for m in messages if f"process {process.process.pid} on " in m]
            assert message.endswith("shares its limits through Redis")
        installation.variables["PAIFANG_REDIS_URL"] = ""
        status, output = await installation.command(*SERVE)
        assert status == 1
        assert "Set PAIFANG_REDIS_URL here to the Redis of that one" in output


async def test_one_that_slept_while_another_took_its_place_ends_in_order(
    tmp_path_factory: pytest.TempPathFactory, empty_database_url: URL
) -> None:
    here = await installed(tmp_path_factory.mktemp("here"), empty_database_url)
    elsewhere = await installed(tmp_path_factory.mktemp("elsewhere"), empty_database_url)
    async with running(here, *SERVE) as sleeper:
        sleeper.process.send_signal(signal.SIGSTOP)
        async with running(elsewhere, *SERVE) as follower:
            assert "waiting up to 10 s for a sign of life" in follower.text
            sleeper.process.send_signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                assert await sleeper.process.wait() == 0
            await _printed(sleeper, "this gateway process ends: Another gateway process serves ")
            assert "draining" in sleeper.text
            assert await follower.terminate() == 0


async def test_no_migration_under_a_gateway(
    tmp_path: Path, empty_database_url: URL, redis_url: str
) -> None:
    installation = await installed(tmp_path, empty_database_url, PAIFANG_REDIS_URL=redis_url)
    assert empty_database_url.database is not None
    async with running(installation, *SERVE) as gateway:
        with contextlib.closing(sqlite3.connect(empty_database_url.database)) as database:
            database.execute("update alembic_version set version_num = '0001'")
            database.commit()
            for command in (("migrate",), ("up",)):
                status, output = await installation.command(*command)
                assert status == 1, output
                (line,) = output.splitlines()
                assert line.startswith("Error: A gateway process serves this database: ")
                assert f"process {gateway.process.pid} on " in line
                assert "Nothing was changed" in line
            (at,) = database.execute("select version_num from alembic_version").fetchone()
            assert at == "0001"
            assert not (installation.home / "backups").exists()
            database.execute("update alembic_version set version_num = ?", (head(),))
            database.commit()
        assert await installation.command("migrate") == (0, NOTHING)


async def _printed(process: Running, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in process.text:  # noqa: ASYNC110  # its output has no event
            await asyncio.sleep(0.02)
