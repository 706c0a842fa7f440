"""How a request reaches the application: a head within limits, and an address to believe.

Uvicorn bounds neither the size of a head nor the time it takes, and believes anything that a
trusted proxy passes on as an address.
"""

import asyncio
import ipaddress
import math
from collections.abc import Sequence
from typing import Any

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from paifang.core.writes import JoinedTransport, writes_of

HEAD_SECONDS = 15.0
"""Time for a whole request head, from the connection or from the head's first byte."""
MAX_HEAD_BYTES = 64 * 1024
"""Size of a request head; also of trailers and of whatever else is not a body."""

MAX_QUEUED = 16
"""Requests that may wait behind the one that is served before nothing more is read. Until then a
client that leaves is noticed."""

_OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})

_TOO_LARGE = f"The request head is over {MAX_HEAD_BYTES} bytes.".encode()


# Called for every request: "super()" would look them up anew each time.
_on_headers_complete = HttpToolsProtocol.on_headers_complete
_on_message_begin = HttpToolsProtocol.on_message_begin
_on_body = HttpToolsProtocol.on_body
_on_header = HttpToolsProtocol.on_header


class _HeadTooLargeError(Exception):
    """Stops the parser."""


class _FaultyHeadError(Exception):
    """Stops the parser: the head is well-formed, and yet no request (RFC 9112)."""


class _Flow(FlowControl):
    """Reads on while few requests wait: each answer would let another piece of a flood in."""

    def __init__(self, transport: asyncio.Transport, queue: Sequence[Any]) -> None:
        super().__init__(transport)
        self._queue = queue

    def resume_reading(self) -> None:
        if self.read_paused and len(self._queue) < MAX_QUEUED:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 with bounds on what comes before the application is called.

    A connection that waits for a head is closed in time, whatever dribbles in; one that is idle
    between two requests is uvicorn's keep-alive timer's. A head that is too large is answered
    with 431. What a usual request costs here is two additions and three comparisons: a timer is
    set once per connection and then only when a head does not come in one piece.
    """

    cycle: Any
    pipeline: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._size = 0
        """Bytes since a head was complete or a piece of a body came."""
        self._rests_since = math.inf
        """When the last answer was sent; infinite while a request is on its way or served."""
        self.in_head = False
        """The headers that come now are a request's, not trailers."""
        self._offer = False
        """The head that has just come offers another protocol."""
        self._lines: list[tuple[bytes, bytes]] = []
        self._block = b""
        self.serving: Any = None
        """The request that has its turn, or had it last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first head."""
        transport = JoinedTransport(transport, writes_of(self.loop))
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._close_in(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, which would keep all of this alive, and tell who is being served.

        Uvicorn tells the request that came last, which may still wait behind another.
        """
        self.stop_deadline()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self.pipeline.clear()
        serving = self.serving
        if serving is not None and not serving.response_complete:
            serving.disconnected = True
            serving.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and see whether that came to anything."""
        self._size += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._faulty("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade as offer:
            if self._offer and not self._decline(memoryview(data)[offer.args[0] :]):
                return
        if self._size > MAX_HEAD_BYTES:
            self._refuse()
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            return
        if self._deadline is None and not self.transport.is_closing():
            # Uvicorn has stopped its timer for this data, which completed no head: it is part of
            # one, or the rest of a body whose request is answered already, or stray line ends.
            part_of_head = self.scope is None or "method" not in self.scope
            self._close_in(HEAD_SECONDS if part_of_head else self.timeout_keep_alive)

    def on_headers_complete(self) -> None:
        """Let the request in."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offer = True
            return
        self.check_head()
        _on_headers_complete(self)
        if self.pipeline:
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """A request is here, unless it has to be read anew."""
        if not self._offer:
            super().on_message_complete()

    def _decline(self, rest: memoryview) -> bool:
        """Read requests without the protocol that they offer to speak (RFC 9110, 7.8): the parser
        leaves what follows such a head to that protocol, a body as well. False when the parser
        has stopped.

        ``rest`` is what follows the head. A client that means it makes one offer and waits: a
        row of them that fills the queue is refused.
        """
        for _ in range(MAX_QUEUED):
            head = self._head_without_offer()
            self._offer = False
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            try:
                self.parser.feed_data(head)
                if rest:
                    self.parser.feed_data(rest)
            except httptools.HttpParserError:
                self._faulty("Invalid HTTP request received.")
                return False
            except httptools.HttpParserUpgrade as offer:
                if not self._offer:
                    return True
                rest = rest[offer.args[0] :]
            else:
                return True
        self._faulty("Too many offers to upgrade.")
        return False

    def _head_without_offer(self) -> bytes:
        parser = self.parser
        version = parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b\r\n" % (parser.get_method(), self.url, version)]
        lines += [b"%b: %b\r\n" % line for line in self.headers if line[0] not in _OFFER]
        if not parser.should_keep_alive():
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def _faulty(self, message: str) -> None:
        self.logger.warning(message)
        self.send_400_response(message)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; but trailers, which the parser gives here as well, are none (RFC 9110, 6.5.1):
        else they could say what nobody in front of us has looked at.
        """
        if self.in_head:
            _on_header(self, name, value)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.in_head = True
        _on_message_begin(self)

    def check_head(self) -> None:
        """A head is complete: see that it is a request, not too large, and stop the wait for it."""
        self.in_head = False
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise _FaultyHeadError("a coding that nobody here decodes")
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise _FaultyHeadError("RFC 9112, 3.2: one Host, no more and no less")
        # The size may count the body's begin as well; only then is the head itself measured.
        if self._size > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        self._size = 0
        if self._deadline is not None:
            self.stop_deadline()

    def on_body(self, body: bytes) -> None:
        """A body is the application's to bound."""
        self._size = 0
        _on_body(self, body)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does when the parser stops, for whichever reason."""
        if self._size > MAX_HEAD_BYTES:
            self._refuse()
        else:
            # Also to a request whose body turns out to be none.
            self._write_refusal(400, msg.encode("ascii"))
            self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.serving = cycle
        super()._start_asgi_task(cycle, app)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        # Not into an answer that is being sent.
        if self.cycle is None or self.cycle.response_complete:
            self._write_refusal(431, _TOO_LARGE)
        self.transport.close()

    def _write_refusal(self, status: int, text: bytes) -> None:
        self.transport.write(
            b"%b%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[status], self.fixed_lines(), len(text), text)
        )

    def fixed_lines(self) -> bytes:
        """The headers of every answer that is written here; uvicorn makes a new list of its own
        each second.
        """
        lines = self.server_state.default_headers
        if lines is not self._lines:
            self._lines = lines
            self._block = b"".join([b"%b: %b\r\n" % line for line in lines])
        return self._block

    def _close_in(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def stop_deadline(self) -> None:
        """No head is waited for."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # Uvicorn sets a timer at the end of each request and cancels it at the next one's begin.
    # Here one timer looks now and then: it moves only when it fires.

    def on_response_complete(self) -> None:
        """An answer is sent: go on with the next request in the queue, or begin to wait."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self.flow.resume_reading()
            return
        self.flow.resume_reading()
        self._rests_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._rests_since = math.inf

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left == math.inf:
            return  # it is busy: the end of its answer begins a new wait
        if left > 0.001:  # uvloop's clock ticks in milliseconds
            self._look_in(left)
        else:
            self.timeout_keep_alive_handler()


_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
_MAX_ADDRESS = 45
"""Characters of the longest IPv6 address: one that ends in an IPv4 address."""


class ForwardedHeaders:
    """Takes the client's address and the scheme from a trusted proxy's ``X-Forwarded-*``.

    What is there and is no IP address is not believed: the address is then the peer's own. Calls
    without these headers pass at the price of looking for them.

    Args:
        app: The ASGI application.
        trusted: Addresses and networks, comma-separated; ``*`` is everybody.
    """

    def __init__(self, app: ASGIApp, trusted: str) -> None:
        self._app = app
        self._believe: Any = ProxyHeadersMiddleware(_nothing, trusted)

    # Not "async def": the usual call needs no coroutine around the application's.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Pass the call on."""
        if scope["type"] == "http":
            for name, _value in scope["headers"]:
                if name in _FORWARDED:
                    return self._forwarded(scope, receive, send)
        return self._app(scope, receive, send)

    def address(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's address, where there is no scope; the scheme does not matter then."""
        told = [value for name, value in headers if name == b"x-forwarded-for"]
        if not told or peer not in self._believe.trusted_hosts:
            return peer
        text = b", ".join(told).decode("latin-1")
        found: str = self._believe.trusted_hosts.get_trusted_client_address(text)[0]
        return found if _is_address(found) else peer

    async def _forwarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["client"]
        await self._believe(scope, receive, send)
        told = scope["client"]
        if told is not peer and not _is_address(told[0]):
            scope["client"] = peer
        await self._app(scope, receive, send)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Uvicorn's middleware wants an application; it is its change of the scope that we want."""


def _is_address(text: str) -> bool:
    # A zone ("%eth0") may hold any text at all.
    if len(text) > _MAX_ADDRESS or "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
