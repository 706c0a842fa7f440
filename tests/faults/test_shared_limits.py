"""Two gateway processes with one Redis: a limit is one limit, whatever happens to either."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from doubles.installation import Installation, Running, api, made, running
from doubles.openai_upstream import OpenAIDouble
from doubles.tally import COST, Tally, client, opened, prepare
from paifang.core.leases import asks
from paifang.modules.gateway.tokens.models import Token
from plugins.others import RedisServer

SERVE = ("serve", "--only", "gateway")
SLOW = "chat:gap=0.2,pieces=200"
"""A model whose stream lasts 40 s."""
NANOS = 1_000_000_000


@contextlib.asynccontextmanager
async def two_gateways(
    installation: Installation, double: OpenAIDouble, redis: str, **limits: Any
) -> AsyncIterator[tuple[Running, Running, Tally]]:
    """Two processes, and clients with a token that has these limits."""
    await prepare(installation, double, models=["chat", SLOW])
    installation.variables["PAIFANG_REDIS_URL"] = redis
    async with (
        running(installation, "serve", "--only", "console") as console,
        api(console.url) as admin,
    ):
        body = {"group_id": "team", "name": "shared", **limits}
        token = await made(admin, "/tokens", body)
    async with running(installation, *SERVE) as one, running(installation, *SERVE) as two:
        yield one, two, Tally(token["key"])
        for process in (one, two):
            assert '"level":"ERROR"' not in process.text, process.text


async def _each(tally: Tally, gateways: tuple[Running, ...], calls: int) -> None:
    """So many calls to each, eight at a time."""

    async def some(url: str, http: httpx.AsyncClient) -> None:
        for _ in range(calls // 4):
            await tally.call(url, http)

    async with client() as http:
        await asyncio.gather(*(some(g.url, http) for g in gateways for _ in range(4)))


async def test_requests_per_minute_are_counted_once(
    installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    async with two_gateways(installation, double, redis_server.url, rpm=40) as (one, two, tally):
        began = time.monotonic()
        await _each(tally, (one, two), 60)
        earned = (time.monotonic() - began) * 40 / 60 + 1
        assert set(tally.refused) == {"rate_limit_exceeded"}
        # Each may have leased a sixteenth in advance that the other wanted.
        assert 40 - 2 * (40 // 16) <= len(tally.answered) <= 40 + earned


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "one killed"])
async def test_a_quota_is_spent_once(
    tmp_path: Path,
    installation: Installation,
    double: OpenAIDouble,
    redis_server: RedisServer,
    cut: bool,
) -> None:
    calls = 60
    quota = f"{COST * calls / NANOS:.9f}"
    async with two_gateways(installation, double, redis_server.url, quota=quota) as gateways:
        one, two, tally = gateways
        if cut:
            await _each(tally, (one, two), 12)
            await one.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(asks.DEADLINE + 20), client() as http:
                    while len(tally.answered) < calls:
                        await tally.call(two.url, http, max_tokens=3)
        else:
            async with asyncio.timeout(30), client() as http:
                while len(tally.answered) < calls:
                    await tally.call((one, two)[len(tally.answered) % 2].url, http, max_tokens=3)
        await _each(tally, (two,), 40)
        assert set(tally.refused) <= {"insufficient_quota"}
        # What was in flight at the kill: nothing. The last call may overdraw by its own cost.
        assert calls <= len(tally.answered) <= calls + 1
        async with opened(tmp_path / "paifang.db") as database:
            await _spent(database, COST * len(tally.answered))


async def test_calls_in_progress_of_a_killed_process_come_free(
    installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    async with two_gateways(installation, double, redis_server.url, concurrency=3) as gateways:
        one, two, tally = gateways
        async with client() as http, contextlib.AsyncExitStack() as streams:
            for gateway in (one, one, two):
                await streams.enter_async_context(_stream(gateway, tally, http))
            for gateway in (one, two):
                assert await tally.call(gateway.url, http) == "rate_limit_exceeded"
            await one.kill()
            assert await tally.call(two.url, http) == "rate_limit_exceeded"
            began = time.monotonic()
            while await tally.call(two.url, http):
                assert time.monotonic() - began < asks.DEADLINE + 10
                await asyncio.sleep(0.1)
            assert time.monotonic() - began > asks.DEADLINE - 3, "it was taken for dead too soon"


async def test_a_cluster_is_refused_at_the_start(
    installation: Installation, double: OpenAIDouble, redis_cluster_node: RedisServer
) -> None:
    await prepare(installation, double)
    installation.variables["PAIFANG_REDIS_URL"] = redis_cluster_node.url
    for command in (SERVE, ("serve", "--only", "console"), ("doctor",)):
        status, output = await installation.command(*command)
        assert status == 1
        assert "PAIFANG_REDIS_URL names a Redis cluster, which is not supported" in output
        assert "Traceback" not in output


async def test_two_installations_in_one_redis_have_limits_of_their_own(
    tmp_path: Path, installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    (tmp_path / "other").mkdir()
    other = Installation(
        tmp_path / "other",
        **installation.variables
        | {
            "PAIFANG_HOME": str(tmp_path / "other" / "home"),
            "PAIFANG_DB_URL": f"sqlite:///{tmp_path / 'other' / 'paifang.db'}",
        },
    )
    tallies = []
    async with contextlib.AsyncExitStack() as stack:
        for each in (installation, other):
            tally = await prepare(each, double)
            each.variables["PAIFANG_REDIS_URL"] = redis_server.url
            async with (
                running(each, "serve", "--only", "console") as console,
                api(console.url) as admin,
            ):
                answer = await admin.patch("/groups/team", json={"concurrency": 1, "rpm": 8})
                assert answer.is_success, answer.text
            gateway = await stack.enter_async_context(running(each, *SERVE))
            http = await stack.enter_async_context(client())
            for _ in range(20):
                await tally.call(gateway.url, http)
            tallies.append(tally)
    for tally in tallies:  # of one group's name
        assert set(tally.refused) == {"rate_limit_exceeded"}
        assert len(tally.answered) >= 8


async def test_another_redis_is_refused(
    installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    other = RedisServer()
    other.start()
    try:
        await prepare(installation, double)
        installation.variables["PAIFANG_REDIS_URL"] = redis_server.url
        async with running(installation, *SERVE):
            installation.variables["PAIFANG_REDIS_URL"] = other.url
            status, output = await installation.command(*SERVE)
            assert status == 1
            assert "Error: A gateway process with another Redis serves this database" in output
            assert "Traceback" not in output
    finally:
        other.stop()


async def test_a_quota_is_closed_without_redis_and_open_again_with_it(
    installation: Installation, double: OpenAIDouble, redis_server: RedisServer
) -> None:
    async with two_gateways(installation, double, redis_server.url, quota="1") as gateways:
        one, two, tally = gateways
        async with client() as http:
            for gateway in (one, two):
                assert await tally.call(gateway.url, http) == ""
            redis_server.stop()
            began = time.monotonic()
            while not (error := await tally.call(one.url, http)):
                assert time.monotonic() - began < asks.DEADLINE + 10
            assert error == "quota_unavailable"
            await asyncio.to_thread(redis_server.start)
            began = time.monotonic()
            for gateway in (one, two):
                while await tally.call(gateway.url, http):
                    assert time.monotonic() - began < 15
                    await asyncio.sleep(0.05)
        assert set(tally.refused) == {"quota_unavailable"}


@contextlib.asynccontextmanager
async def _stream(gateway: Running, tally: Tally, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """A call in progress as long as the block lasts, or its gateway."""
    body = {"model": SLOW, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {tally.key}"}
    url = f"{gateway.url}/v1/chat/completions"
    async with contextlib.AsyncExitStack() as stack:
        answer = await stack.enter_async_context(
            http.stream("POST", url, json=body, headers=headers)
        )
        assert answer.status_code == 200
        # Kept: a generator that is collected closes the answer.
        pieces = answer.aiter_bytes()
        await anext(pieces)
        yield


async def _spent(database: Any, nanos: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        async with database.reading() as session:
            token = (await session.scalars(select(Token).where(Token.name == "shared"))).one()
        if token.used == nanos or time.monotonic() > deadline:
            assert token.used == nanos
            return
        await asyncio.sleep(0.1)
