"""The database is locked, moved away or stopped: the relay goes on, and nothing is lost of it."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from sqlalchemy import URL, make_url

from counts import count
from doubles.installation import Installation, Running, api, made, running
from doubles.openai_upstream import OpenAIDouble
from doubles.tally import Tally, calling, client, opened, prepare
from plugins.databases import DRIVERS
from plugins.others import PostgresServer

LOCKED = count(4, 20)
"""Seconds that another process holds the lock: longer than anybody waits for it."""
VARIABLES = {
    "PAIFANG_GATEWAY_WELCOME": "false",
    "PAIFANG_GATEWAY_FLUSH_SECONDS": "0.1",
    "PAIFANG_DB_LOCK_TIMEOUT": "1",
    "PAIFANG_DB_CONNECT_TIMEOUT": "1",
}


@contextlib.asynccontextmanager
async def gateway(
    installation: Installation, double: OpenAIDouble
) -> AsyncIterator[tuple[Running, Tally]]:
    """A process of the gateway alone, and clients for it."""
    tally = await prepare(installation, double)
    async with running(installation, "serve", "--only", "gateway") as up:
        yield up, tally
        assert '"level":"ERROR"' not in up.text, up.text


@contextlib.contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another process, as far as the gateway can tell."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


# --- SQLite ---


async def test_while_another_process_holds_the_lock_calls_are_answered(
    tmp_path: Path, double: OpenAIDouble
) -> None:
    path = tmp_path / "locked.db"
    installation = Installation(tmp_path, PAIFANG_DB_URL=f"sqlite:///{path}", **VARIABLES)
    async with opened(path) as database, gateway(installation, double) as (up, tally):
        with beside(path) as other:
            other.execute("begin immediate")
            async with calling(tally, up.url):
                await asyncio.sleep(LOCKED)
                assert len(tally.answered) > 10
            other.execute("rollback")
        await tally.for_seconds(0.5, up.url)
        await tally.stored(database)
        assert tally.refused == {}
        assert await up.terminate() == 0, up.text
        await tally.check(database)


async def test_even_readers_may_be_shut_out(tmp_path: Path, double: OpenAIDouble) -> None:
    """In an exclusive lock of the whole file, as a restore or a copy by hand may take one."""
    path = tmp_path / "locked.db"
    installation = Installation(tmp_path, PAIFANG_DB_URL=f"sqlite:///{path}", **VARIABLES)
    async with opened(path) as database, gateway(installation, double) as (up, tally):
        with beside(path) as other:
            other.execute("begin exclusive")
            async with calling(tally, up.url), client() as http:
                await asyncio.sleep(2)
                assert (await http.get(f"{up.url}/readyz")).status_code == 200
                await asyncio.sleep(1)
            other.execute("rollback")
        await tally.stored(database)
        assert tally.refused == {}


async def test_a_file_that_is_moved_away_and_back_has_everything(
    tmp_path: Path, double: OpenAIDouble
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "moved.db"
    installation = Installation(tmp_path, PAIFANG_DB_URL=f"sqlite:///{path}", **VARIABLES)
    async with opened(path) as database, gateway(installation, double) as (up, tally):
        async with calling(tally, up.url), client() as http:
            await asyncio.sleep(0.5)
            away = tmp_path / "away"
            folder.rename(away)
            await asyncio.sleep(3)
            assert (await http.get(f"{up.url}/livez")).status_code == 200
            assert not folder.exists(), "nobody may make a new one in its place"
            away.rename(folder)
            await asyncio.sleep(0.5)
        await tally.stored(database)
        assert tally.refused == {}
        assert await up.terminate() == 0, up.text
        await tally.check(database)


# --- PostgreSQL ---


def _of(server: PostgresServer) -> tuple[URL, Mapping[str, str]]:
    url = make_url(server.url).set(drivername=DRIVERS["postgresql"])
    return url, {"PAIFANG_DB_URL": url.render_as_string(hide_password=False), **VARIABLES}


async def test_while_postgresql_is_stopped_calls_are_answered(
    tmp_path: Path, double: OpenAIDouble, postgres_server: PostgresServer
) -> None:
    url, variables = _of(postgres_server)
    installation = Installation(tmp_path, **variables)
    async with opened(url) as database, gateway(installation, double) as (up, tally):
        async with calling(tally, up.url), client() as http:
            await asyncio.sleep(0.5)
            for _ in range(count(1, 3)):
                before = len(tally.answered)
                await asyncio.to_thread(postgres_server.stop)
                await asyncio.sleep(count(3, 20))
                assert len(tally.answered) > before + 10
                ready = await http.get(f"{up.url}/readyz")
                assert ready.status_code == 200, "it serves from its snapshot"
                assert ready.json()["parts"]["database"] != "ok"
                await asyncio.to_thread(postgres_server.start)
                await asyncio.sleep(0.5)
        await tally.stored(database)
        assert tally.refused == {}
        assert await up.terminate() == 0, up.text
        await tally.check(database)


async def test_it_may_end_while_postgresql_is_stopped_and_the_next_one_stores_the_calls(
    tmp_path: Path, double: OpenAIDouble, postgres_server: PostgresServer
) -> None:
    url, variables = _of(postgres_server)
    installation = Installation(tmp_path, **variables)
    async with gateway(installation, double) as (up, tally):
        await asyncio.to_thread(postgres_server.stop)
        await tally.for_seconds(1, up.url)
        assert await up.terminate() == 0, up.text
    assert len(tally.answered) > 5
    await asyncio.to_thread(postgres_server.start)
    async with (
        opened(url) as database,
        running(installation, "serve", "--only", "gateway") as up,
    ):
        await tally.for_seconds(0.3, up.url)
        await tally.stored(database)


async def test_what_changed_meanwhile_counts_when_postgresql_is_back(
    tmp_path: Path, double: OpenAIDouble, postgres_server: PostgresServer
) -> None:
    url, variables = _of(postgres_server)
    installation = Installation(tmp_path, **variables)
    async with gateway(installation, double) as (up, tally), client() as http:
        assert await tally.call(up.url, http) == ""
        await asyncio.to_thread(postgres_server.stop)
        await tally.for_seconds(1, up.url)
        await asyncio.to_thread(postgres_server.start)
        async with (
            running(installation, "serve", "--only", "console") as console,
            api(console.url) as admin,
        ):
            (token,) = (await admin.get("/tokens")).json()["items"]
            await made(admin, f"/tokens/{token['id']}/revoke", {})
            async with asyncio.timeout(15):  # the next look may be a few seconds away
                while await tally.call(up.url, http) != "invalid_api_key":  # noqa: ASYNC110 - another process decides
                    await asyncio.sleep(0.05)
        async with opened(url) as database:
            await tally.stored(database)
