"""The relay's exchange over ASGI, for servers that are not ours."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from paifang.core.exchange import BodyTooLarge, ClientGone, Headers

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CLOSED = "the handler is closed"


class AsgiExchange:
    """An :class:`~paifang.core.exchange.Exchange` over ``receive`` and ``send``."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        self.path: str = scope["path"]
        self.address: str = client[0] if client else ""
        self.headers: Headers = scope["headers"]
        self.note: Any = None
        self.task = asyncio.current_task()
        self.begun = False
        self._receive = receive
        self._send = send
        self._left = False
        self._watcher: asyncio.Task[None] | None = None

    async def read(self, limit: int, stated: int | None) -> bytes:
        """The whole body."""
        if stated is not None and stated > limit:
            raise BodyTooLarge
        parts = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise BodyTooLarge
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def watch(self, gone: Callable[[], None]) -> None:
        """Wait for the disconnect in a task."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch(gone))

    def unwatch(self) -> None:
        """End that task."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self, gone: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        gone()

    async def answer(self, status: int, block: bytes, body: bytes, *, close: bool = False) -> None:
        """The whole answer, in two messages."""
        headers = [*_headers(block), (b"content-length", b"%d" % len(body))]
        if close:
            headers.append((b"connection", b"close"))
        await self._say({"type": "http.response.start", "status": status, "headers": headers})
        await self._say({"type": "http.response.body", "body": body, "more_body": False})

    async def send(self, block: bytes, data: bytes, *, last: bool) -> None:
        """A piece of a stream; the first one begins it."""
        if not self.begun:
            headers = _headers(block)
            await self._say({"type": "http.response.start", "status": 200, "headers": headers})
            self.begun = True
        await self._say({"type": "http.response.body", "body": data, "more_body": not last})

    def send_now(self, data: bytes) -> bool:
        """Never: sending is awaiting here."""
        del data
        return False

    async def _say(self, message: Message) -> None:
        if self._left:
            raise ClientGone
        try:
            await self._send(message)
        except OSError:  # what some servers raise when the client is gone
            raise ClientGone from None
        except RuntimeError as fault:
            # Uvicorn tells nobody but the last of several pipelined requests, and uvloop raises
            # this for a transport that is closed. What else is raised is a fault of ours.
            if _CLOSED not in str(fault):
                raise
            raise ClientGone from None


def _headers(block: bytes) -> list[tuple[bytes, bytes]]:
    headers = []
    for line in block.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return headers
