"""An upstream that plays any bytes at any pace, whole or broken, over TCP or TLS.

A script is a list of steps: bytes are written, anything else is called with the connection. The
request has been read before the first step, unless that is :func:`unread`; after the last one
the connection is closed as usual. ``HostileUpstream(first, second)`` plays the first script to
the first connection and the last one to all others.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

LET_GO_SECONDS = 10.0
"""Longest wait for the other side to close what it is done with."""

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

APART = 0.01
"""Seconds between two writes, so that they arrive one by one."""


class Peer:
    """One connection that a script is played to."""

    def __init__(self, upstream: "HostileUpstream", reader: Reader, writer: Writer) -> None:
        self.upstream = upstream
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request; empty when the client has gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            whole = head + await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return b""
        self.upstream.requests.append(whole)
        return whole

    def unfinished(self) -> None:
        """From here on it is the client who must end the connection."""
        task = asyncio.current_task()
        assert task is not None
        self.upstream.unfinished.add(task)

    async def write(self, data: bytes) -> None:
        """Write and wait until the kernel has it."""
        self.writer.write(data)
        await self.writer.drain()


Step = bytes | Callable[[Peer], Awaitable[None]]
Script = Sequence[Step]


async def unread(peer: Peer) -> None:
    """As the first step: the request is not read before the next step."""


async def head_only(peer: Peer) -> None:
    """After :func:`unread`: read the request's head and leave its body."""
    peer.upstream.requests.append(await peer.reader.readuntil(b"\r\n\r\n"))


async def read_again(peer: Peer) -> None:
    """Read the connection's next request, without an answer to it yet."""
    await peer.request()


async def again(peer: Peer) -> None:
    """As the last step: serve the connection's next request by the same script."""


async def hang(peer: Peer) -> None:
    """Say nothing more until the client has gone."""
    peer.unfinished()
    with contextlib.suppress(OSError):
        while await peer.reader.read(65536):
            pass
    peer.upstream.left.set()


async def half_close(peer: Peer) -> None:
    """Send no more, and wait for the client to go."""
    peer.writer.write_eof()
    await hang(peer)


async def reset(peer: Peer) -> None:
    """Break the connection off with a TCP reset."""
    wire = peer.writer.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


async def cut_tls(peer: Peer) -> None:
    """End TCP beneath TLS without TLS's own farewell, as a man in the middle can."""
    wire = peer.writer.get_extra_info("socket")
    with socket.socket(fileno=socket.dup(wire.fileno())) as twin:
        twin.shutdown(socket.SHUT_WR)
    await hang(peer)


def wait(seconds: float) -> Step:
    """Pause."""

    async def step(peer: Peer) -> None:
        await asyncio.sleep(seconds)

    return step


def forever(data: bytes, gap: float = 0.0) -> Step:
    """Write the same again and again until the client has gone."""

    async def step(peer: Peer) -> None:
        peer.unfinished()
        try:
            while True:
                await peer.write(data)
                await asyncio.sleep(gap)
        finally:
            peer.upstream.left.set()

    return step


def times(count: int, data: bytes) -> Step:
    """Write the same so many times, as fast as it is taken."""

    async def step(peer: Peer) -> None:
        try:
            for _ in range(count):
                await peer.write(data)
                peer.upstream.written += len(data)
        except OSError:
            peer.upstream.left.set()
            raise

    return step


class HostileUpstream:
    """The server; see the module. ``tls`` is its context when it speaks TLS."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = scripts
        self.requests: list[bytes] = []
        """Heads and bodies as they came, oldest first."""
        self.connections = 0
        """Accepted since the start."""
        self.written = 0
        """Bytes that :func:`times` could write."""
        self.left = asyncio.Event()
        """The client closed a connection that was not over."""
        self.faults: list[BaseException] = []
        self.unfinished: set[asyncio.Task[None]] = set()
        """Connections in :func:`hang` or :func:`forever`: whoever is done with one closes it."""
        self.port = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL; the certificate of a TLS one must be for ``localhost``."""
        if self._tls is None:
            return f"http://127.0.0.1:{self.port}/v1"
        return f"https://localhost:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """Not closed by either side."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._server.close()
        if error is None and self.unfinished:
            _done, kept = await asyncio.wait(self.unfinished, timeout=LET_GO_SECONDS)
            assert not kept, "a connection whose answer was not over was kept"
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.faults:
            raise self.faults[0]

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            while await self._play(script, Peer(self, reader, writer)):
                pass
        except (asyncio.CancelledError, OSError):
            writer.transport.abort()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test is to fail by it
            self.faults.append(fault)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _play(self, script: Script, peer: Peer) -> bool:
        if script[:1] != [unread] and not await peer.request():
            return False
        for step in script:
            if isinstance(step, bytes):
                await peer.write(step)
                await asyncio.sleep(APART)
            else:
                await step(peer)
        return script[-1:] == [again]


# Answers.


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """The head of an answer."""
    return b"\r\n".join([status, *lines, b"", b""])


def answer(body: bytes, *lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A whole answer with its length."""
    return head(b"Content-Length: %d" % len(body), *lines, status=status) + body


def as_json(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


GOOD = as_json(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "chat",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "fine words"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
)
"""A sound answer of 3 model tokens in and 2 out."""

STREAM_HEAD = head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
ENDLESS_HEAD = head(b"Content-Type: text/event-stream", b"Connection: close")
"""A stream that lasts until the connection ends."""


def event(text: str, **fields: Any) -> bytes:
    """One event of a stream with so much content."""
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "chat",
             "choices": [delta], **fields}  # fmt: skip
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


FINISH = event("").replace(b'"finish_reason": null', b'"finish_reason": "stop"')
USAGE = event("", choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
DONE = b"data: [DONE]\n\n"

GOOD_STREAM = [
    STREAM_HEAD,
    chunk(event("fine ")),
    chunk(event("words")),
    chunk(FINISH + USAGE + DONE),
    b"0\r\n\r\n",
]
"""A sound stream; it costs the same as :data:`GOOD`."""
