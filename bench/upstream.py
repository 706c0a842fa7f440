"""A provider double that costs as little as it can: fixed answers, one process.

``upstream.py`` prints its port and serves until it is ended. A stream's events leave in writes
of their own, one per turn of the event loop. Who calls itself ``bench-pause`` gets the first
event, and the rest after :data:`messages.PAUSE` seconds; ``bench-paced`` gets an event each
:data:`messages.PACE` seconds, by the clock: one that was late does not delay the next;
``bench-endless`` gets the same without end, until it hangs up. ``GET`` answers with the number
of streams under way.
"""

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
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


def _stream(content: Sequence[bytes], *, usage: bool) -> list[bytes]:
    events = [*content, *([messages.USAGE_EVENT] if usage else [])]
    first, *rest = [_chunk(event) for event in events]
    return [_STREAM_HEAD + first, *rest, _chunk(messages.DONE_EVENT) + b"0\r\n\r\n"]


_STREAMS = {usage: _stream(messages.STREAM_EVENTS, usage=usage) for usage in (False, True)}
_PACED = {usage: _stream(messages.PACED_EVENTS, usage=usage) for usage in (False, True)}

under_way: set["Upstream"] = set()
"""Connections with a stream that has not ended."""


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
        under_way.discard(self)

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
            self.transport.write(_JSON if body else _count())
            return
        under_way.add(self)
        usage = b'"include_usage":true' in body
        if b'"user":"bench-paced"' in body or b'"user":"bench-endless"' in body:
            first, second, *_ = paced = _PACED[usage]
            endless = b'"user":"bench-endless"' in body
            self.parts = chain([first], repeat(second)) if endless else iter(paced)
            self.due = self.loop.time()
            self.write_paced()
            return
        self.parts = iter(_STREAMS[usage])
        self.write_next()
        if b'"user":"bench-pause"' in body:
            self.loop.call_later(messages.PAUSE, self.write_on)
        else:
            self.loop.call_soon(self.write_on)

    def write_next(self) -> bool:
        """One event."""
        part = next(self.parts, None)
        if part is None:
            under_way.discard(self)
            return False
        self.transport.write(part)
        return True

    def write_on(self) -> None:
        """One event now, and the next in the event loop's next turn."""
        if self.write_next():
            self.loop.call_soon(self.write_on)

    def write_paced(self) -> None:
        """One event now, and the next when it is due."""
        part = next(self.parts, None)
        if part is None:
            under_way.discard(self)
            return
        self.transport.write(messages.stamped(part, time.monotonic_ns() // 1000))
        self.due += messages.PACE
        self.loop.call_at(self.due, self.write_paced)


def _count() -> bytes:
    text = b"%d" % len(under_way)
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text)


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
