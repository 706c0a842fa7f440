"""HTTP/1.1 for the paths whose speed counts: from the socket to the handler without ASGI.

Uvicorn's protocol stays in charge: it parses, keeps connections alive, queues pipelined requests
and shuts down. Only what lies between the parser and the handler is ours, for POST requests to
the paths a process calls hot: no scope, no messages, no second look at each header of an answer,
and one write for head and body.

A client that keeps its connection mostly sends the same head again, but for the length. Such a
head need not be parsed twice: :class:`KnownHead` recognizes it by its bytes, and what the handler
noted about it (whose token it holds) is at hand. What differs in any other byte goes through the
parser.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from paifang.core.exchange import BodyTooLarge, ClientGone, Exchange, Handler, Headers
from paifang.protocol import ForwardedHeaders, HttpProtocol

MAX_DIGITS = 12
"""Of a length that is recognized; a longer one is the parser's business."""

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength:[ \t]*(\d+)[ \t]*(?=\r\n)")

_PLAIN_TEXT = b"content-type: text/plain; charset=utf-8\r\n"
_SPECIAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer"})
"""Headers that change how a request is read: one that has them is never recognized."""

_data_received = HttpProtocol.data_received
_on_headers_complete = HttpProtocol.on_headers_complete
_on_message_begin = HttpProtocol.on_message_begin
_on_message_complete = HttpProtocol.on_message_complete


class KnownHead:
    """A head that has been parsed, and how to recognize it when it comes again."""

    __slots__ = ("address", "handler", "headers", "note", "path", "prefix", "suffix")

    def __init__(self, path: str, headers: Headers, address: str, handler: Handler) -> None:
        self.path = path
        self.headers = headers
        self.address = address
        self.handler = handler
        self.note: Any = None
        self.prefix = b""
        """The bytes before the length; empty when the head can't be recognized."""
        self.suffix = b""
        """Those behind it, up to the body."""

    def learn(self, data: bytes) -> bool:
        """Remember what the head looks like: ``data`` begins with it. False when it can't be."""
        names = [name for name, _ in self.headers]
        if names.count(b"content-length") != 1 or not _SPECIAL.isdisjoint(names):
            return False
        end = data.find(b"\r\n\r\n") + 4
        found = _LENGTH.search(data, 0, end)
        if end < 4 or found is None:
            return False
        self.prefix = data[: found.start(1)]
        self.suffix = data[found.end(1) : end]
        return True

    def body(self, data: bytes) -> bytes | None:
        """The body, if ``data`` is this head, with any length, and its whole body; else None."""
        if not data.startswith(self.prefix):
            return None
        start = len(self.prefix)
        stop = data.find(b"\r", start, start + MAX_DIGITS)
        digits = data[start:stop]
        if stop < 0 or not digits.isdigit() or not data.startswith(self.suffix, stop):
            return None
        body = data[stop + len(self.suffix) :]
        return body if len(body) == int(digits) else None


class HotExchange:
    """An :class:`~paifang.core.exchange.Exchange` on a connection of ours.

    To uvicorn's protocol it is a request and response cycle: the attributes without a docstring
    are those that it reads and writes.
    """

    # What an exchange begins with stands here: most of them never change it.
    body: bytes | bytearray = b""
    more_body = False
    disconnected = False
    response_complete = False
    expects_continue = False
    """The client waits for leave to send its body."""
    chunks = True
    """The client knows chunks; one that speaks HTTP/1.0 does not."""
    task: asyncio.Task[Any] | None = None
    _gone: Callable[[], None] | None = None
    _waiter: asyncio.Future[None] | None = None
    begun = False
    """The head of an answer that is sent in pieces was written."""

    def __init__(self, protocol: "HotProtocol", head: KnownHead, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._head = head
        self.path = head.path
        self.address = head.address
        self.keep_alive = keep_alive

    @property
    def headers(self) -> Headers:
        """Of the request."""
        return self._head.headers

    @property
    def note(self) -> Any:
        """What the handler has remembered about this head."""
        return self._head.note

    @note.setter
    def note(self, value: Any) -> None:
        self._head.note = value

    # For the handler.

    async def read(self, limit: int, stated: int | None) -> bytes:
        """The whole body."""
        # Of a head that was recognized, what is stated is another request's: this body is here.
        if self.more_body and stated is not None and stated > limit:
            raise BodyTooLarge
        protocol = self._protocol
        while True:
            if len(self.body) > limit:
                raise BodyTooLarge
            if not self.more_body:
                body = bytes(self.body)
                self.body = b""
                return body
            if self.disconnected:
                raise ClientGone
            if self.expects_continue:
                self.expects_continue = False
                protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            protocol.flow.resume_reading()
            self._waiter = protocol.loop.create_future()
            await self._waiter

    def watch(self, gone: Callable[[], None]) -> None:
        """Have ``gone`` called when the client leaves."""
        self._gone = gone
        if self.disconnected:
            self.set()

    def unwatch(self) -> None:
        """The client may leave."""
        self._gone = None

    async def answer(self, status: int, block: bytes, body: bytes, *, close: bool = False) -> None:
        """The whole answer, in one write."""
        protocol = self._protocol
        if protocol.flow.write_paused and not self.disconnected:
            await protocol.flow.drain()
        if not self.disconnected:
            if close:
                self.keep_alive = False
            protocol.transport.write(
                b"%b%b%b%bcontent-length: %d\r\n\r\n%b"
                % (
                    STATUS_LINE[status],
                    protocol.fixed_lines(),
                    block,
                    b"" if self.keep_alive else b"connection: close\r\n",
                    len(body),
                    body,
                )
            )
        self._complete()

    async def send(self, block: bytes, data: bytes, *, last: bool) -> None:
        """A piece of a stream, as a chunk."""
        protocol = self._protocol
        if protocol.flow.write_paused and not self.disconnected:
            await protocol.flow.drain()
        if not self.disconnected:
            chunk = data
            if self.chunks:
                chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
                if last:
                    chunk += b"0\r\n\r\n"
            if not self.begun:
                self.begun = True
                chunk = b"%b%b%b%b%b\r\n%b" % (
                    STATUS_LINE[200],
                    protocol.fixed_lines(),
                    block,
                    b"" if self.keep_alive else b"connection: close\r\n",
                    b"transfer-encoding: chunked\r\n" if self.chunks else b"",
                    chunk,
                )
            protocol.transport.write(chunk)
        elif not last:
            raise ClientGone
        if last:
            self._complete()

    def send_now(self, data: bytes) -> bool:
        """A piece of a stream that has begun, as a chunk, if the client is there and keeps up."""
        protocol = self._protocol
        if not self.begun or self.disconnected or protocol.flow.write_paused:
            return False
        protocol.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunks else data)
        return True

    def _complete(self) -> None:
        self.response_complete = True
        self._gone = None
        protocol = self._protocol
        if not self.keep_alive and not self.disconnected:
            protocol.transport.close()
        protocol.on_response_complete()

    # For uvicorn's protocol.

    @property
    def message_event(self) -> Self:
        """What uvicorn sets when something has come, or the client has gone: ourselves."""
        return self

    def set(self) -> None:
        """There is more of the body, or the client has gone."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self.disconnected and self._gone is not None:
            gone, self._gone = self._gone, None
            gone()

    async def run_asgi(self, handler: Handler) -> None:
        """Serve it. A handler answers whatever happens; for one that fails, this does."""
        if self.task is None:
            self.task = asyncio.current_task()
        try:
            await handler(self)
        except Exception:
            self._protocol.logger.exception("the handler of %s failed", self.path)
            if not self.begun and not self.response_complete:
                await self.answer(500, _PLAIN_TEXT, b"Internal Server Error", close=True)
        finally:
            self._gone = None
            protocol = self._protocol
            if not self.response_complete and not self.disconnected:
                protocol.transport.close()
            protocol.tasks.discard(self.task)


class HotProtocol(HttpProtocol):
    """Uvicorn's protocol with bounds, and with a short way to the handlers of hot paths."""

    hot: Mapping[bytes, Handler] = {}
    """Handlers by path. Made known by :func:`hot_protocol`."""
    forwarded: ForwardedHeaders | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: KnownHead | None = None
        self._learning = False
        """The bytes that are being parsed begin with a head, and it is not complete yet."""
        self._fresh: KnownHead | None = None
        """That head."""
        self._between = True
        """The parser has no part of a message."""
        self._refused = False
        """What came is no request, and is answered so when its turn comes."""

    def data_received(self, data: bytes) -> None:
        """A request that is recognized goes straight to its handler, anything else is parsed."""
        if self._refused:
            return  # the parser has stopped
        cycle = self.cycle
        if not self._between or (cycle is not None and not cycle.response_complete):
            _data_received(self, data)
            return
        known = self._known
        if known is not None and not self._size:
            body = known.body(data)
            if body is not None:
                self._serve(known, body)
                return
        self._learning = True
        _data_received(self, data)
        self._learning = False
        fresh, self._fresh = self._fresh, None
        if fresh is not None and fresh.learn(data):
            self._known = fresh

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        _on_message_begin(self)

    def on_message_complete(self) -> None:
        """A request is here."""
        self._between = True
        _on_message_complete(self)

    def on_headers_complete(self) -> None:
        """Let the request in: here if it is a hot one."""
        learning, self._learning = self._learning, False
        handler = self.hot.get(self.url)
        parser = self.parser
        if handler is None or parser.get_method() != b"POST" or parser.should_upgrade():
            _on_headers_complete(self)
            return
        self.check_head()
        address = self.client[0] if self.client else ""
        if self.forwarded is not None:
            address = self.forwarded.address(address, self.headers)
        head = KnownHead(self.url.decode("ascii"), self.headers, address, handler)
        modern = parser.get_http_version() == "1.1"
        keep_alive = modern and parser.should_keep_alive()
        exchange = HotExchange(self, head, keep_alive=keep_alive)
        exchange.chunks = modern
        exchange.body = bytearray()
        exchange.more_body = True
        exchange.expects_continue = self.expect_100_continue
        before = self.cycle
        self.cycle = exchange
        if before is None or before.response_complete:
            if learning and keep_alive:
                self._fresh = head
            self._start_asgi_task(exchange, handler)
        else:  # pipelined: its turn comes
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, handler))
            self.flow.resume_reading()  # unless too many wait already

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, after what came before it has been answered."""
        cycle = self.cycle
        waits = cycle is not None and not cycle.response_complete
        if not waits or (cycle is self.serving and cycle.more_body):
            super().send_400_response(msg)  # of this request itself: its body is faulty
            return
        if cycle.more_body:
            self.pipeline.popleft()  # it would wait for its body for ever

        async def refuse(exchange: Exchange) -> None:
            await exchange.answer(400, _PLAIN_TEXT, msg.encode(), close=True)

        head = KnownHead("", (), "", refuse)
        self.cycle = HotExchange(self, head, keep_alive=False)
        self._refused = True
        self.flow.pause_reading()
        self.pipeline.appendleft((self.cycle, refuse))

    def _serve(self, head: KnownHead, body: bytes) -> None:
        self._rests_since = math.inf
        if self._deadline is not None:
            self.stop_deadline()
        exchange = HotExchange(self, head, keep_alive=True)
        exchange.body = body
        self.cycle = self.serving = exchange
        exchange.task = task = self.loop.create_task(exchange.run_asgi(head.handler))
        self.tasks.add(task)


def hot_protocol(
    hot: Mapping[bytes, Handler], forwarded: ForwardedHeaders | None
) -> type[HotProtocol]:
    """The protocol class of a process with these hot paths."""
    return type("HotProtocol", (HotProtocol,), {"hot": hot, "forwarded": forwarded})
