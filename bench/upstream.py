"""A provider double that costs as little as it can: fixed answers, one process.

``upstream.py`` prints its port and serves until it is ended. A stream's events leave in writes
of their own, one per turn of the event loop. A stream that names the user ``bench-pause`` gets
its first event, and the rest after :data:`messages.PAUSE` seconds.
"""

import asyncio
import gc
from collections.abc import Iterator
from typing import cast

import messages
import uvloop

_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(messages.JSON_ANSWER),
    messages.JSON_ANSWER,
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _stream(*, usage: bool) -> list[bytes]:
    events = [*messages.STREAM_EVENTS, *([messages.USAGE_EVENT] if usage else [])]
    first, *rest = [_chunk(event) for event in events]
    return [_STREAM_HEAD + first, *rest, _chunk(messages.DONE_EVENT) + b"0\r\n\r\n"]


_STREAMS = {usage: _stream(usage=usage) for usage in (False, True)}


class Upstream(asyncio.Protocol):
    """One connection: a request is complete when its content length is there."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.parts: Iterator[bytes] = iter(())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A stream that is under way stops."""
        del exc
        self.parts = iter(())

    def data_received(self, data: bytes) -> None:
        """Answer a whole request; wait for the rest of any other."""
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = data[:end].lower()
            at = head.find(b"content-length:")
            stop = head.find(b"\r", at)
            length = int(head[at + 15 : stop if stop > 0 else None]) if at >= 0 else 0
            if len(data) - end - 4 >= length:
                self.buffer = b""
                self.answer(data[end + 4 :])
                return
        self.buffer = data

    def answer(self, body: bytes) -> None:
        """JSON in one write, a stream in many."""
        if b'"stream":true' not in body:
            self.transport.write(_JSON)
            return
        self.parts = iter(_STREAMS[b'"include_usage":true' in body])
        self.write_next()
        if b'"user":"bench-pause"' in body:
            self.loop.call_later(messages.PAUSE, self.write_on)
        else:
            self.loop.call_soon(self.write_on)

    def write_next(self) -> bool:
        """One event."""
        part = next(self.parts, None)
        if part is not None:
            self.transport.write(part)
        return part is not None

    def write_on(self) -> None:
        """One event now, and the next in the event loop's next turn."""
        if self.write_next():
            self.loop.call_soon(self.write_on)


async def main() -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    gc.disable()  # nothing here makes cycles
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
