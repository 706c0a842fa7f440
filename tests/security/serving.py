"""A whole Paifang in this process on a real socket, behind our own protocol, as people run it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from paifang.app import Application, open_runtime
from paifang.core import events
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.modules.access.roles.service import seed
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.registry import MODULES
from paifang.server import configure


@dataclass
class Served:
    """It, and how it is reached."""

    runtime: Runtime
    client: httpx.AsyncClient
    port: int

    async def raw(self, data: bytes) -> bytes:
        """All that comes back for these bytes until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer


@contextlib.asynccontextmanager
async def serving(settings: CoreSettings) -> AsyncIterator[Served]:
    """The gateway and the console, ready; without a worker."""
    runtime = open_runtime(settings, roles=frozenset({"gateway", "console"}))
    await seed(runtime.db, MODULES)
    application = Application(runtime)
    await application.start()
    config = configure(application, settings, runtime.hot)
    config.lifespan = "off"
    config.port = 0
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # pytest's own
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if running.done():
                await running
            await asyncio.sleep(0.005)  # uvicorn has no event for it
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20
        ) as client:
            yield Served(runtime, client, port)
    finally:
        server.should_exit = server.force_exit = True
        await running
        await application.stop()
        hasher_of(runtime).close()
        events.install(None)


def head_of(answer: httpx.Response) -> Mapping[str, Sequence[str]]:
    """The headers of an answer by name, each with its values."""
    found: dict[str, list[str]] = {}
    for name, value in answer.headers.multi_items():
        found.setdefault(name, []).append(value)
    return found


def head_of_bytes(answer: bytes) -> tuple[int, Mapping[str, Any]]:
    """Status and headers of an answer as it came over the wire."""
    first, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return int(first.split()[1]), found
