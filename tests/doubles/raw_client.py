"""A client that sends any bytes at all, and reads answers with a parser that forgives nothing."""

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11

SECONDS = 20.0
"""Longest wait for anything; a busy machine is slow."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 [1-5][0-9]{2} [\x20-\x7e]*")
_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+: ?[\x20-\x7e]*")
"""What this server may write: small letters, visible ASCII, no folding."""


class BrokenAnswer(AssertionError):
    """What came back is no well-formed HTTP/1.1; the message shows it."""


class Closed(Exception):
    """The server closed (or reset) before the answer's first byte."""


@dataclass
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    informational: list[int] = field(default_factory=list)
    """Statuses that came before it: 100."""
    closes: bool = False
    """It says that the connection ends with it."""
    broken_off: bool = False
    """The connection ended before the answer did."""

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code in OpenAI's shape; empty when the answer is none."""
        if "json" not in self.headers.get("content-type", ""):
            return ""
        error = self.json.get("error")
        return "" if error is None else str(error["code"])

    @property
    def text(self) -> str:
        """What the model said: in a chat's JSON, or in all of a stream's events."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            choices = [choice for event in self.events for choice in event.get("choices", ())]
            return "".join(choice["delta"].get("content") or "" for choice in choices)
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def events(self) -> list[dict[str, Any]]:
        """A stream's events without ``[DONE]``."""
        lines = self.body.decode().split("\n")
        found = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [json.loads(text) for text in found if text != "[DONE]"]


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.rest = b""
        """What has come and belongs to no answer read so far."""

    @property
    def socket(self) -> Any:
        """The socket, for its options."""
        return self.writer.get_extra_info("socket")

    @property
    def heard(self) -> bool:
        """The server has said something that nobody has read yet, or closed."""
        come: bytearray = self.reader._buffer  # type: ignore[attr-defined]  # no public look
        return bool(come) or self.reader.at_eof() or self.writer.is_closing()

    async def send(self, *data: bytes) -> None:
        """Send bytes, joined. What the server does not want any more is nobody's error."""
        self.writer.write(b"".join(data))
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                await self.writer.drain()

    async def dribble(self, data: bytes, *, size: int = 1, gap: float = 0.0) -> bool:
        """Send piece by piece; False when the server said something or closed on the way."""
        for start in range(0, len(data), size):
            if self.heard:
                return False
            try:
                self.writer.write(data[start : start + size])
                await self.writer.drain()
            except ConnectionError:
                return False
            await asyncio.sleep(gap)
        return True

    def half_close(self) -> None:
        """Send no more (FIN), and go on reading."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Vanish with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def answer(self, method: str = "POST") -> Answer:
        """The next answer, checked; ``method`` is the request's.

        Raises :class:`Closed` when there is none, :class:`BrokenAnswer` when it is not HTTP.
        """
        informational: list[int] = []
        while True:
            head = await self._head()
            _check_head(head)
            status = int(head[9:12])
            if status >= 200:
                break
            if status != 100:
                raise BrokenAnswer(f"not asked for: {head!r}")
            informational.append(status)
        found = await self._message(method, head)
        found.informational = informational
        return found

    async def answers(self, count: int, method: str = "POST") -> list[Answer]:
        """So many answers, in order."""
        return [await self.answer(method) for _ in range(count)]

    async def head(self) -> bytes:
        """The next answer's head alone, of a stream that is to be read on by hand."""
        head = await self._head()
        _check_head(head)
        return head

    async def bytes_until(self, end: bytes) -> bytes:
        """Read on by hand."""
        while end not in self.rest:
            data = await self._read()
            if not data:
                raise Closed(self.rest)
            self.rest += data
        found, mark, self.rest = self.rest.partition(end)
        return found + mark

    async def closed(self) -> bytes:
        """What comes until the server closes; a reset is an end as well."""
        found, self.rest = self.rest, b""
        while data := await self._read():
            found += data
        return found

    async def is_open(self, seconds: float = 0.05) -> bool:
        """Whether the server keeps the connection, and says nothing, for this long."""
        if self.rest:
            raise BrokenAnswer(f"more than was asked for: {self.rest[:200]!r}")
        try:
            async with asyncio.timeout(seconds):
                data = await self.reader.read(65536)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        if data:
            raise BrokenAnswer(f"more than was asked for: {data[:200]!r}")
        return False

    async def _read(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read(65536)
            except ConnectionError:
                # A reset is an end, and asyncio forgets what came before it.
                buffer: bytearray = self.reader._buffer  # type: ignore[attr-defined]  # no public look
                data = bytes(buffer)
                buffer.clear()
                return data

    async def _head(self) -> bytes:
        while b"\r\n\r\n" not in self.rest:
            data = await self._read()
            if not data:
                if self.rest:
                    raise BrokenAnswer(f"the connection ended in a head: {self.rest[:500]!r}")
                raise Closed
            self.rest += data
        head, mark, self.rest = self.rest.partition(b"\r\n\r\n")
        return head + mark

    async def _message(self, method: str, head: bytes) -> Answer:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(head + self.rest)
        self.rest = b""
        found: Answer | None = None
        while True:
            try:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    data = await self._read()
                    if not data and found is not None and _unframed(found):
                        raise BrokenAnswer(f"an answer of unknown length: {head!r}")
                    parser.receive_data(data)
                    continue
            except h11.RemoteProtocolError as error:
                if found is None or "peer" not in str(error):
                    raise BrokenAnswer(f"{error}: {head!r}") from error
                found.broken_off = True
                return found
            if isinstance(event, h11.Response):
                found = _answer(event)
            elif isinstance(event, h11.Data):
                assert found is not None
                found.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert found is not None
                found.closes = parser.their_state is h11.MUST_CLOSE
                self.rest = parser.trailing_data[0]
                return found
            else:
                raise BrokenAnswer(f"{event!r} after {head!r}")


def _answer(response: h11.Response) -> Answer:
    names = [name.decode() for name, _ in response.headers]
    for name in ("content-length", "transfer-encoding", "content-type", "date", "x-request-id"):
        if names.count(name) > 1:
            raise BrokenAnswer(f"{name} twice: {response.headers!r}")
    headers = {name.decode(): value.decode() for name, value in response.headers}
    if "content-length" in headers and "transfer-encoding" in headers:
        raise BrokenAnswer(f"two lengths: {headers!r}")
    return Answer(response.status_code, headers, b"")


def _unframed(answer: Answer) -> bool:
    return not {"content-length", "transfer-encoding"} & answer.headers.keys()


def _check_head(head: bytes) -> None:
    first, *lines = head[:-4].split(b"\r\n")
    if not _STATUS_LINE.fullmatch(first):
        raise BrokenAnswer(f"no status line: {first!r}")
    for line in lines:
        if not _FIELD.fullmatch(line):
            raise BrokenAnswer(f"no header: {line!r} in {head!r}")


@contextlib.asynccontextmanager
async def connected(
    port: int, *, host: str = "127.0.0.1", receive_buffer: int = 0
) -> AsyncIterator[RawClient]:
    """A connection to a server on the loopback, dropped at the end of the block.

    ``host`` is the client's own address. ``receive_buffer`` makes the kernel keep little of what
    is not read.
    """
    sock = socket.socket()
    sock.bind((host, 0))
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    # A small buffer: what the test does not read stays with the kernel, and so with the server.
    reader, writer = await asyncio.open_connection(sock=sock, limit=65536)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def chat(
    model: str = "chat", *, stream: bool = False, content: str = "one two three", **more: Any
) -> bytes:
    """The body of a call."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    if stream:
        body["stream"] = True
    return json.dumps(body | more).encode()


def request(
    body: bytes | None = None,
    *headers: str,
    key: str = "",
    method: str = "POST",
    path: str = "/v1/chat/completions",
    version: str = "HTTP/1.1",
    length: Sequence[object] | None = None,
) -> bytes:
    """A request's bytes; by default what a good client sends.

    Args:
        body: None: no body, and no Content-Length.
        headers: Whole header lines, before the others.
        key: Sent as a bearer.
        method: As it is.
        path: As it is.
        version: As it is; empty leaves it away.
        length: Instead of the one right Content-Length, these.
    """
    lines = [f"{method} {path} {version}".rstrip(), "host: gateway.test", *headers]
    if key:
        lines.append(f"authorization: Bearer {key}")
    if length is None:
        length = () if body is None else (len(body),)
    lines += [f"content-length: {number}" for number in length]
    if body is not None:
        lines.append("content-type: application/json")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(body: bytes, size: int = 7, extension: bytes = b"") -> bytes:
    """A body in chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in parts) + b"0\r\n\r\n"
