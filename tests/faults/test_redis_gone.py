"""Redis is stopped, or says nothing any more: calls are answered all the same, and when it is back
it does what it did.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import httpx

from counts import count
from doubles.installation import Installation, Running, api, made, running
from doubles.openai_upstream import OpenAIDouble
from doubles.tally import Tally, calling, client, opened, prepare
from plugins.others import RedisServer

WITHIN = 2.0
"""Seconds: a second, and what a busy machine may add."""
POLL = "1"
"""Seconds between two looks at the database; whoever is told by Redis looks at once."""


class Wire:
    """What lies between the gateway and its Redis; it can be cut without anybody's noticing."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._dead = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """From here on nothing passes, and no connection ends."""
        self._dead = True

    def mend(self) -> None:
        """What is new passes again; what was cut off ends."""
        self._dead = False
        for task in list(self._tasks):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._tasks.discard(task)
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self._dead:
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def both(
    installation: Installation, double: OpenAIDouble, redis: str
) -> AsyncIterator[tuple[Running, Running, Tally]]:
    """A process of the gateway and one of the console, and clients for the first."""
    tally = await prepare(installation, double)
    installation.variables |= {
        "PAIFANG_REDIS_URL": redis,
        "PAIFANG_GATEWAY_POLL_SECONDS": POLL,
    }
    async with (
        running(installation, "serve", "--only", "gateway") as gateway,
        running(installation, "serve", "--only", "console") as console,
    ):
        yield gateway, console, tally
        for process in (gateway, console):
            assert '"level":"ERROR"' not in process.text, process.text


async def revoked_within_a_second(gateway: Running, console: Running) -> None:
    """A new token works and is revoked, one process telling the other."""
    async with api(console.url) as admin, client() as http:
        name = f"t{time.monotonic_ns()}"
        token = await made(admin, "/tokens", {"group_id": "team", "name": name})
        await _until(http, gateway, token["key"], 200)
        await made(admin, f"/tokens/{token['id']}/revoke", {})
        await _until(http, gateway, token["key"], 401)


async def _until(http: httpx.AsyncClient, gateway: Running, key: str, status: int) -> None:
    deadline = time.monotonic() + WITHIN
    # A list of models leaves no record.
    headers = {"authorization": f"Bearer {key}"}
    while True:
        answer = await http.get(f"{gateway.url}/v1/models", headers=headers)
        if answer.status_code == status:
            return
        assert time.monotonic() < deadline, f"still {answer.status_code} after {WITHIN} s"
        await asyncio.sleep(0.02)


async def _stored(tally: Tally, tmp_path: Path) -> None:
    async with opened(tmp_path / "paifang.db") as database:
        await tally.stored(database)


async def test_while_redis_is_stopped_calls_are_answered_and_keys_are_revoked(
    tmp_path: Path, installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    async with both(installation, double, redis_server.url) as (gateway, console, tally):
        await revoked_within_a_second(gateway, console)
        async with calling(tally, gateway.url):
            await asyncio.sleep(0.5)
            for _ in range(count(1, 5)):
                redis_server.stop()
                before = len(tally.answered)
                # Without Redis a look at the database tells.
                await revoked_within_a_second(gateway, console)
                await asyncio.sleep(1.5)
                assert len(tally.answered) > before + 10
                await asyncio.to_thread(redis_server.start)
                await asyncio.sleep(0.5)
                await revoked_within_a_second(gateway, console)
        assert tally.refused == {}
        await _stored(tally, tmp_path)


async def test_a_redis_that_says_nothing_holds_no_call_up(
    tmp_path: Path, installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    async with (
        Wire(redis_server.port) as wire,
        both(installation, double, wire.url) as (gateway, console, tally),
    ):
        await revoked_within_a_second(gateway, console)
        async with calling(tally, gateway.url):
            await asyncio.sleep(0.5)
            wire.cut()
            before, tally.slowest = len(tally.answered), 0.0
            await asyncio.sleep(4)
            assert len(tally.answered) > before + 20
            assert tally.slowest < 3, "a call waited for Redis, and again and again"
            await revoked_within_a_second(gateway, console)
            wire.mend()
            await asyncio.sleep(2)
            await revoked_within_a_second(gateway, console)
        assert tally.refused == {}
        await _stored(tally, tmp_path)


async def test_it_starts_without_its_redis_and_finds_it_later(
    tmp_path: Path, installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    redis_server.stop()
    async with both(installation, double, redis_server.url) as (gateway, console, tally):
        await tally.for_seconds(1, gateway.url)
        await revoked_within_a_second(gateway, console)
        await asyncio.to_thread(redis_server.start)
        await asyncio.sleep(1)
        await tally.for_seconds(0.5, gateway.url)
        await revoked_within_a_second(gateway, console)
        assert tally.refused == {}
        await _stored(tally, tmp_path)


async def test_a_limit_still_limits_without_redis(
    installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    """Whatever it becomes: neither open nor shut for ever, and never the gateway's own fault."""
    async with (
        both(installation, double, redis_server.url) as (gateway, console, _tally),
        api(console.url) as admin,
        client() as http,
    ):
        limits: dict[str, Any] = {"group_id": "team", "name": "limited", "rpm": 30}
        token = await made(admin, "/tokens", limits)
        await _until(http, gateway, token["key"], 200)
        limited = Tally(token["key"])
        assert await limited.call(gateway.url, http) == ""
        redis_server.stop()
        for _ in range(80):
            await limited.call(gateway.url, http)
        assert set(limited.refused) == {"rate_limit_exceeded"}
        assert 1 <= len(limited.answered) <= 70
        await asyncio.to_thread(redis_server.start)
        await asyncio.sleep(4)  # some calls' worth of the minute
        assert await limited.call(gateway.url, http) == ""
