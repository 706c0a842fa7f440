"""A body that comes slowly holds nothing for long, on real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from conftest import ADMIN_KEY
from paifang.app import Application, open_runtime
from paifang.core.guard import BodyGuard
from paifang.core.settings import CoreSettings
from paifang.server import configure

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

SECONDS = 1.0
GROUPS = "/api/v1/gateway/groups"
BODY = b'{"id": "team"}'


@dataclass(frozen=True)
class Api:
    """Where it listens."""

    port: int

    @contextlib.asynccontextmanager
    async def asked(
        self, path: str, *, key: str = ADMIN_KEY, length: int = len(BODY)
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection on which the head of a POST has been sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        writer.write(head.encode())
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, settings: CoreSettings) -> AsyncIterator[Api]:
    """An application behind our own server."""
    config = configure(app, settings)
    config.port = 0
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # pytest's own
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            await running
        await asyncio.sleep(0.005)  # uvicorn has no event for it
    yield Api(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await running


@pytest.fixture
async def api(settings: CoreSettings) -> AsyncIterator[Api]:
    settings = replace(settings, api_body_timeout=SECONDS)
    application = Application(open_runtime(settings, roles=frozenset({"console"})))
    async with serving(application, settings) as found:
        yield found


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of an answer."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split(" ")[1]), headers, json.loads(body)


async def dribble(writer: asyncio.StreamWriter) -> None:
    """One byte of white space after the other, for ever."""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(SECONDS / 10)


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "dribbling"])
async def test_a_body_that_does_not_come_to_its_end_is_refused_in_time(
    api: Api, *, busy: bool
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with api.asked(GROUPS, length=10_000) as (reader, writer):
        feeding = asyncio.create_task(dribble(writer) if busy else asyncio.sleep(0))
        status, headers, problem = await answer(reader)
        assert loop.time() - began >= SECONDS
        assert (status, problem["code"]) == (408, "request_timeout")
        assert headers["content-type"] == "application/problem+json"
        assert "must arrive in 1 s" in problem["detail"]
        assert problem["request_id"] == headers["x-request-id"]
        assert headers["connection"] == "close"
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""  # the rest is no request of its own
        feeding.cancel()


async def test_a_body_that_takes_its_time_but_arrives_is_taken(api: Api) -> None:
    async with api.asked(GROUPS) as (reader, writer):
        for byte in BODY:
            writer.write(bytes([byte]))
            await asyncio.sleep(SECONDS / 40)
        status, _headers, made = await answer(reader)
    assert (status, made["id"]) == (201, "team")


async def test_a_stranger_does_not_get_that_long(api: Api) -> None:
    async with api.asked(GROUPS, key="guess", length=10_000) as (reader, _writer):
        status, _headers, problem = await answer(reader)
    assert (status, problem["code"]) == (401, "unauthenticated")


async def test_an_imitated_api_says_it_in_its_own_shape(api: Api) -> None:
    async with api.asked("/api/group/", length=10_000) as (reader, _writer):
        _status, headers, told = await answer(reader)
    assert told["success"] is False
    assert "must arrive in 1 s" in told["message"]
    assert headers["connection"] == "close"


async def test_who_waits_for_the_client_after_its_body_waits_as_long_as_it_takes(
    settings: CoreSettings,
) -> None:
    seen: list[str] = []
    left = asyncio.Event()

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        seen.append((await receive())["body"].decode())
        seen.append((await receive())["type"])
        left.set()

    async with serving(BodyGuard(patient, 1024, SECONDS / 4), settings) as served:
        async with served.asked("/anything") as (_reader, writer):
            writer.write(BODY)
            await asyncio.sleep(SECONDS)
            assert seen == [BODY.decode()]
        async with asyncio.timeout(20):
            await left.wait()
    assert seen == [BODY.decode(), "http.disconnect"]
