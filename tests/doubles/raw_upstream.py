"""A raw server for the upstream client's tests: it plays a script to each connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest
import uvloop

from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream import Pool, Response, Target, UpstreamError

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

PATIENT = Timeouts(connect=5, first_byte=5, idle=5)
HASTY = Timeouts(connect=0.1, first_byte=0.1, idle=0.1)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(story: Callable[[], Awaitable[None]]) -> Callable[[Any], None]:
    """Run the coroutine function as a test under asyncio's loop and under uvloop."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test(loop: str) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(asyncio.wait_for(story(), 30))

    test.__name__ = story.__name__
    return test


class Peer:
    """A server that plays the same script to each connection; its errors fail the test."""

    def __init__(self, script: Callable[["Peer", Reader, Writer], Awaitable[None]]) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.signal = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            await self.script(self, reader, writer)
        finally:
            writer.close()

    def _accept(self, reader: Reader, writer: Writer) -> None:
        self.tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.target = Target.parse(f"http://127.0.0.1:{self.port}/v1")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await asyncio.gather(*self.tasks)

    async def request(self, reader: Reader) -> bytes:
        """Read one request; empty when the client has gone."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]


def answering(*pieces: bytes) -> Peer:
    """A peer that answers every request with these bytes, then waits for more."""

    async def script(peer: Peer, reader: Reader, writer: Writer) -> None:
        while await peer.request(reader):
            for piece in pieces:
                writer.write(piece)

    return Peer(script)


def streaming(*pieces: bytes) -> Peer:
    """A peer that answers a connection's first request with these bytes, and never ends."""

    async def script(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        for piece in pieces:
            writer.write(piece)
        await until_gone(reader)

    return Peer(script)


async def until_gone(reader: Reader) -> None:
    """Wait for the client to close."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass


async def ask(
    pool: Pool, peer: Peer, timeouts: Timeouts = PATIENT, body: bytes = b"{}"
) -> Response:
    return await pool.request(peer.target, b"POST", "/chat/completions", [], body, timeouts)


async def settled(pool: Pool, *, open_connections: int) -> None:
    """Wait until so many sockets are open, for less than any time-out but a hasty one."""
    async with asyncio.timeout(2):
        while pool.open_connections != open_connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


async def failure(awaitable: Awaitable[object]) -> UpstreamError:
    """The error it ends in."""
    with pytest.raises(UpstreamError) as caught:
        await awaitable
    return caught.value
