"""An OpenAI-compatible upstream that does what it is told, over real HTTP/1.1.

In a test: ``async with OpenAIDouble() as double: ... double.url``. By itself:
``python -m doubles.openai_upstream --port 0`` prints its base URL and serves until it is ended.

What it does is chosen by the model's name, ``anything:option=value,option=value`` with the
fields of :class:`Behaviour` (``chat:delay=0.5,pieces=3``), or, in a test, by putting a
behaviour into ``double.behaviours[model]`` or a list of them into ``double.script`` (used up one
a call, before anything else).
"""

import argparse
import asyncio
import contextlib
import json
import signal
from typing import Any, Self

from doubles.openai_answers import Behaviour, Seen, asked, piece, usage, whole, word


class Dropped(Exception):
    """The connection is to be dropped."""


class OpenAIDouble:
    """The server. ``requests`` holds what it saw, oldest first."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, models: tuple[str, ...] = ()):
        self.host = host
        self.port = port
        self.models = models or ("chat",)
        self.behaviours: dict[str, Behaviour] = {}
        self.script: list[Behaviour] = []
        self.requests: list[Seen] = []
        self.connections = 0
        """Connections accepted since the start."""
        self.arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL, with ``/v1``."""
        return f"http://{self.host}:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._client, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_for(self, count: int) -> Seen:
        """Wait until this many requests have come; return the last of them."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, Dropped):
            writer.transport.abort()
        except asyncio.CancelledError:
            pass  # the double is being closed
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen = Seen(method, path, headers, body, json.loads(body) if body else None)
        async with self.arrived:
            self.requests.append(seen)
            self.arrived.notify_all()
        answer = asyncio.ensure_future(self._answer(seen, writer))
        gone = asyncio.ensure_future(_left(reader))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                seen.disconnected.set()
                return False
            await answer
        except OSError:
            seen.disconnected.set()
            raise
        finally:
            seen.finished.set()
            for future in (answer, gone):
                future.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, Dropped):
                    await future
        return not reader.at_eof()

    async def _answer(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.method == "GET":
            models = [{"id": m, "object": "model", "owned_by": "double"} for m in self.models]
            return await _json(writer, 200, {"object": "list", "data": models})
        model = seen.data.get("model", "")
        if self.script:
            behaviour = self.script.pop(0)
        else:
            behaviour = self.behaviours.get(model) or Behaviour.from_model(model)
        await asyncio.sleep(behaviour.delay)
        try:
            asked(seen), whole(seen, behaviour)
        except (AttributeError, KeyError, TypeError):  # it is no such request
            behaviour = Behaviour(status=400, error_code="invalid_value")
        if behaviour.status != 200:
            return await self._refuse(behaviour, writer)
        if behaviour.malformed:
            return await _send(writer, 200, b'{"id": "chatcmpl-1", "choi', "application/json", {})
        stream = seen.data.get("stream") is True
        if stream and not behaviour.as_json:
            return await self._stream(seen, behaviour, writer)
        if behaviour.error_body:
            error = {"message": "the model broke", "code": behaviour.error_code or None}
            return await _json(writer, 200, {"error": error})
        if behaviour.cut_after >= 0:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b'content-length: 500\r\n\r\n{"id": "chatc')
            await writer.drain()
            raise Dropped
        return await _json(writer, 200, whole(seen, behaviour), behaviour.headers)

    async def _refuse(self, behaviour: Behaviour, writer: asyncio.StreamWriter) -> None:
        extra = {"retry-after": behaviour.retry_after} if behaviour.retry_after else {}
        extra |= behaviour.headers
        if behaviour.malformed:
            return await _send(writer, behaviour.status, b"<h1>No</h1>", "text/html", extra)
        error = {
            "message": f"the double says {behaviour.status}",
            "type": "double_error",
            "param": None,
            "code": behaviour.error_code or "double",
        }
        return await _json(writer, behaviour.status, {"error": error}, extra)

    async def _stream(self, seen: Seen, how: Behaviour, writer: asyncio.StreamWriter) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in how.headers.items())
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\n" + extra.encode() + b"\r\n"
        )
        sender = _Sender(writer, how.chunk_bytes)
        for _ in range(how.comments):
            await sender.send(b": still thinking\n\n")
        if how.error_body:
            error = {"message": "the model broke", "code": how.error_code or None}
            await sender.event({"error": error})
        elif await self._pieces(seen, how, sender):
            await self._last_events(seen, how, sender)
        await sender.end()

    async def _pieces(self, seen: Seen, how: Behaviour, sender: "_Sender") -> bool:
        """Send the content; False when the stream is over with it."""
        for index in range(how.pieces):
            if index and how.gap:
                await asyncio.sleep(how.gap)
            if index == how.cut_after:
                raise Dropped
            if index == how.error_after:
                await sender.event({"error": {"message": "the model broke midway"}})
                return False
            event = piece(seen, how, word(how, index), None)
            if asked(seen) and how.usage == "yes":
                event["usage"] = None
            if how.usage == "each" or (how.usage == "last" and index == how.pieces - 1):
                event["usage"] = usage(seen, how, index + 1)
            seen.sent += 1
            await sender.event(event)
        if how.cut_after >= how.pieces:
            raise Dropped
        return True

    async def _last_events(self, seen: Seen, how: Behaviour, sender: "_Sender") -> None:
        if how.finish:
            await sender.event(piece(seen, how, "", "stop"))
        if asked(seen) and how.usage == "yes":
            event = piece(seen, how, "", None)
            event["choices"] = []
            event["usage"] = usage(seen, how, how.pieces)
            await sender.event(event)
        if how.done:
            await sender.send(b"data: [DONE]\n\n")
        await asyncio.sleep(how.linger)


class _Sender:
    """Writes a chunked body, cut as the behaviour wants it."""

    def __init__(self, writer: asyncio.StreamWriter, size: int) -> None:
        self.writer = writer
        self.size = size

    async def event(self, event: dict[str, Any]) -> None:
        """Send one event."""
        await self.send(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        size = self.size or len(data)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            self.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await self.writer.drain()
            if self.size:
                await asyncio.sleep(0)

    async def end(self) -> None:
        """End the body."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the other side closes; it must not send more before its answer."""
    while not reader.at_eof():
        try:
            await reader._wait_for_data("left")  # type: ignore[attr-defined]  # no public peek
        except OSError:
            return


async def _json(
    writer: asyncio.StreamWriter, status: int, value: Any, extra: dict[str, str] | None = None
) -> None:
    await _send(writer, status, json.dumps(value).encode(), "application/json", extra or {})


async def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, kind: str, extra: dict[str, str]
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
    head = (
        f"HTTP/1.1 {status} Whatever\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n{lines}\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()


async def _serve(host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with OpenAIDouble(host=host, port=port) as double:
        print(double.url, flush=True)  # noqa: T201 - the caller reads it
        await stop.wait()


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
