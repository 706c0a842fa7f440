"""A lean HTTP/1.1 client for loads: one call at a time on a connection, its answer as it came.

It costs a twentieth of what httpx does, so that a load can be as fast as what it is put on, and
it can do what no good client does: leave at any byte, read slowly, send half a body.
"""

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, cast

import httptools
import orjson

HOST = "127.0.0.1"
CHAT = "/v1/chat/completions"


@dataclass(slots=True)
class Answer:
    """What came back, and how it ended."""

    status: int = 0
    """0 when there was no head of an answer."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    """Without the framing."""
    whole: bool = False
    left: bool = False
    """We hung up by ourselves."""
    kept: bool = False
    """The connection may be used again."""

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")


class Connection(asyncio.Protocol):
    """A connection; :meth:`open` makes one."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.name = f"connection-{next(self.numbers)}"
        """Its own in this process."""
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.broken = ""
        """What was wrong with the bytes that came, if anything."""
        self.answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._leave: Callable[[Answer], bool] | None = None
        self._pause = 0.0

    @classmethod
    async def open(cls, port: int, *, receive_buffer: int = 0) -> Self:
        """Connect; with a small receive buffer the other side feels a slow reader soon.

        Raises ``OSError``.
        """
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        try:
            sock.setblocking(False)
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await loop.sock_connect(sock, (HOST, port))
            _, made = await loop.create_connection(cls, sock=sock)
        except BaseException:
            sock.close()
            raise
        return made

    @property
    def usable(self) -> bool:
        """It is open, and its last answer left it so."""
        return (
            self.transport is not None
            and not self.transport.is_closing()
            and (self.answer is None or self.answer.kept)
        )

    async def call(
        self,
        request: bytes,
        *,
        leave: Callable[[Answer], bool] | None = None,
        patience: float | None = None,
        pause: float = 0.0,
    ) -> Answer:
        """Send bytes and read one answer; an answer that is not whole is an answer, too.

        Args:
            request: The bytes of one request, or the first of them.
            leave: Asked at each piece of the body; True hangs up.
            patience: Seconds after which to hang up.
            pause: Seconds to read nothing, after each piece that came.
        """
        loop = asyncio.get_running_loop()
        answer = self.answer = Answer()
        if self.transport is None or self.transport.is_closing():
            return answer
        self._leave, self._pause = leave, pause
        self._done = loop.create_future()
        timer = None if patience is None else loop.call_later(patience, self._hang_up)
        try:
            self.transport.write(request)
            await self._done
        finally:
            self._done = None
            if timer is not None:
                timer.cancel()
        return answer

    def close(self) -> None:
        """Close it in order."""
        if self.transport is not None:
            self.transport.close()

    def _hang_up(self) -> None:
        if self._done is not None and not self._done.done():
            assert self.answer is not None
            assert self.transport is not None
            self.answer.left = True
            self.transport.abort()
            self._done.set_result(None)

    def _resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._done is not None and not self._done.done():
                self.broken = f"{error}: {data[:200]!r}"
            self.transport.abort()
            return
        if self._pause and self._done is not None and not self._done.done():
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(self._pause, self._resume)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self.answer is not None
        self.answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self.answer is not None
        self.answer.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        answer = self.answer
        assert answer is not None
        if answer.left:
            return
        answer.body += body
        if self._leave is not None and self._leave(answer):
            self._hang_up()

    def on_message_complete(self) -> None:
        answer = self.answer
        assert answer is not None
        if self._done is None or self._done.done():
            if not answer.left:
                self.broken = "an answer that nobody asked for"
            return
        answer.whole = True
        answer.kept = self.parser.should_keep_alive()
        self._done.set_result(None)


def request(port: int, key: str, agent: str, body: bytes, path: str = CHAT) -> bytes:
    """A POST with a bearer and a user agent, which the logs keep."""
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %b\r\n"
        b"User-Agent: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), port, key.encode(), agent.encode(), len(body), body)
    )


@dataclass(slots=True)
class Events:
    """What a stream of events said, as far as it came."""

    text: str = ""
    pieces: int = 0
    """Events with content."""
    usage: dict[str, Any] | None = None
    error: str = ""
    """The code of an error event."""
    done: bool = False
    """``[DONE]`` came, and nothing behind it."""


def events_in(body: bytes | bytearray) -> Events:
    """Read a stream's whole events; what came of the last one when it broke off is left out.

    Raises ``ValueError`` or ``KeyError`` for an event that is none.
    """
    found = Events()
    *whole, _rest = bytes(body).split(b"\n\n")
    for event in whole:
        if found.done:
            raise ValueError(f"an event behind [DONE]: {event[:200]!r}")
        if not event.startswith(b"data: "):
            raise ValueError(f"not an event: {event[:200]!r}")
        data = event.removeprefix(b"data: ")
        if data == b"[DONE]":
            found.done = True
            continue
        value = orjson.loads(data)
        if "error" in value:
            found.error = value["error"]["code"]
            continue
        found.usage = value.get("usage") or found.usage
        for choice in value["choices"]:
            content = choice["delta"].get("content", "")
            found.text += content
            found.pieces += bool(content)
    return found
