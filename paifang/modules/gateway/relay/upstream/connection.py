"""One connection to an upstream: one request at a time, its parser, its deadline."""

import asyncio
import math
import select
import ssl
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from paifang.core.writes import writes_of
from paifang.modules.gateway.relay.upstream.errors import ErrorKind, UpstreamError
from paifang.modules.gateway.relay.upstream.response import HIGH_WATER, Response

IDLE, HEAD, BODY, DONE = range(4)
"""Nothing asked; waiting for the head; reading the body; last byte read, not yet handed back."""

SHORT_REST = 1.0
"""Seconds of rest up to which a peer's announced keep-alive is not looked at."""

JOINED = 64 * 1024
"""Bytes of a body that is copied behind its head: one buffer is sent faster than two."""

Key = tuple[str, int, bool]
"""Host, port, TLS: what connections are pooled by."""


class Owner(Protocol):
    """The pool, as a connection sees it."""

    idle_seconds: float
    max_header_bytes: int

    def keep(self, connection: "Connection") -> bool:
        """Take a free connection back; False when there is no room for it."""

    def dropped(self, connection: "Connection") -> None:
        """The connection is of no more use."""

    def lost(self, connection: "Connection") -> None:
        """The connection's socket is closed."""


class Connection(asyncio.Protocol):
    """An HTTP/1.1 client connection on httptools.

    One timer serves all three deadlines. It is moved only when a deadline comes nearer; a
    deadline that moves away is noticed when the timer fires, so a busy connection hardly ever
    touches the event loop's timers.
    """

    def __init__(self, owner: Owner, key: Key, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.paused = False
        self.closed = False
        self._owner = owner
        self._loop = loop
        self._parser = HttpResponseParser(self)
        self._response: Response | None = None
        self._phase = IDLE
        self._headers: list[tuple[bytes, bytes]] = []
        self._last_headers: list[tuple[bytes, bytes]] = []
        self._bodyless = False
        self._reusable = False
        self._room = 0
        self._unsent = 0
        self._writes = writes_of(loop)
        self._turn = -1
        self._first_byte = 0.0
        self._idle = 0.0
        self._idle_since = 0.0
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._transport: asyncio.Transport | None = None
        self._probe: select.poll | None = None

    # For the pool.

    def usable(self) -> bool:
        """Whether a connection that rested may carry another request.

        The event loop reports a close by the peer, and such a connection leaves the pool at
        once. What the kernel knows and the loop has not read yet is asked for here, each time:
        the loop may have been busy for long, and bytes that nobody asked for would become the
        next answer.
        """
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            return False
        rested = self._loop.time() - self._idle_since
        if rested >= SHORT_REST:
            for name, value in self._last_headers:
                if name == b"keep-alive" and rested > _keep_alive_seconds(value) - 1:
                    return False  # it is about to be closed; our bytes would cross with that
        probe = self._probe
        if probe is None:
            if not hasattr(select, "poll"):
                return True
            probe = self._probe = select.poll()
            probe.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not probe.poll(0)  # readable means closed or unasked for: useless either way

    async def exchange(
        self, head: bytes, body: bytes, *, bodyless: bool, first_byte: float, idle: float
    ) -> Response:
        """Send a request and wait for the head of its answer.

        ``bodyless`` tells that the answer has no body whatever it says (HEAD). Raises
        :class:`UpstreamError`; being cancelled drops the connection.
        """
        transport = self._transport
        if transport is None or self.closed:
            raise UpstreamError("reset", f"{self.name} closed the connection", sent=False)
        response = self._response = Response(self, self._loop)
        self._phase = HEAD
        self._bodyless = bodyless
        self._reusable = True
        self._room = self._owner.max_header_bytes
        self._unsent = len(head) + len(body)
        self._first_byte = first_byte
        self._idle = idle
        if len(body) <= JOINED:
            self._turn = self._writes.write(transport, head + body)
        else:
            self._turn = -1
            transport.writelines((head, body))
        self._expect(first_byte)
        await response.wait()
        if response.status == 0 and response.error is not None:
            raise response.error
        return response

    def drop(self) -> None:
        """Close the connection now; an answer in progress is left to its own devices."""
        if self.closed:
            return
        self.closed = True
        self._phase = IDLE
        self._response = None
        self._deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._owner.dropped(self)
        if self._transport is not None:
            self._transport.abort()

    def fail(self, kind: ErrorKind, message: str) -> None:
        """Drop the connection and tell the answer in progress, if there is one, why."""
        response = self._response
        writes = self._writes
        sent = self._turn != writes.turn and self._transport not in writes.skipped
        self.drop()
        if response is not None:
            response.fail(UpstreamError(kind, message, sent=sent))

    @property
    def name(self) -> str:
        """The upstream's host and port, for messages."""
        return f"{self.key[0]}:{self.key[1]}"

    # For the response.

    def resume(self) -> None:
        """Read on, after the reader has caught up."""
        self.paused = False
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()
            self._expect(self._idle)

    def abandon(self, response: Response) -> None:
        """Drop the connection if it still serves this response."""
        if self._response is response:
            self.drop()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up, its TLS handshake done."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:  # whoever wanted it was cancelled meanwhile
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        response = self._response
        if response is None:
            self.drop()  # nobody asked: whatever this is, the next answer must not begin with it
            return
        phase, had = self._phase, response.buffered
        if phase == HEAD and self._turn == self._writes.turn:  # the request waits still
            self.fail("protocol", f"{self.name} spoke before it was asked")
            return
        if not self._feed(data, response):
            return
        if self._phase == BODY:
            if phase == BODY and response.buffered == had:
                self._room -= len(data)  # chunk framing or trailers: these have a bound, too
                if self._room < 0:
                    self.fail("protocol", f"{self.name} sent endless framing or trailers")
                    return
            else:
                self._room = self._owner.max_header_bytes
            if response.buffered > HIGH_WATER:
                if not self.paused and self._transport is not None:
                    self.paused = True
                    self._transport.pause_reading()
                    self._deadline = math.inf  # it is the reader who keeps us waiting
                response.wake()
            else:
                self._expect(self._idle)
                response.arrived()
        elif self._phase == DONE:
            self._finish(response)

    def eof_received(self) -> None:
        """The peer will send no more. That ends a body without a length, and breaks any other."""
        response = self._response
        if (
            response is not None
            and self._phase == BODY
            and _ends_with_connection(response.headers)
            and self._ended_cleanly()
        ):
            self._reusable = False
            self._finish(response)
            return
        self._broken_off()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by either side."""
        del exc  # which errno it was helps nobody: the answer is incomplete
        self._broken_off()
        self._transport = None
        self._owner.lost(self)

    def resume_writing(self) -> None:
        """A large request is written but for a rest: the wait for the answer begins here."""
        if self._phase == HEAD:
            self._expect(self._first_byte)

    # For the parser.

    def on_message_begin(self) -> None:
        """A message begins; behind a complete answer that is one too many."""
        if self._phase == DONE:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head (trailers are of no use to us)."""
        if self._phase == HEAD:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is read. Interim answers (1xx) are skipped."""
        response = self._response
        if self._phase != HEAD or response is None:
            return
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        if status < 200:
            return
        response.status = status
        response.headers = self._last_headers = headers
        self._reusable = self._parser.should_keep_alive() and not self._bodyless
        self._phase = DONE if self._bodyless else BODY
        self._room = self._owner.max_header_bytes

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        response = self._response
        if self._phase == BODY and response is not None:
            response.parts.append(body)
            response.buffered += len(body)

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one."""
        if self._phase == BODY:
            self._phase = DONE

    # Inside.

    def _feed(self, data: bytes, response: Response) -> bool:
        """Parse; False when the connection did not survive it."""
        try:
            if self._phase == HEAD and len(data) > self._room:
                room = self._room
                self._parser.feed_data(data[:room])
                if self._phase == HEAD:
                    self.fail(
                        "protocol",
                        f"{self.name} sent a head of over {self._owner.max_header_bytes} bytes",
                    )
                    return False
                data = data[room:]
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self._phase == DONE:  # the answer is whole; what follows it is not ours
                self._reusable = False
                return True
            what = "switched protocols" if isinstance(error, HttpParserUpgrade) else str(error)
            self.fail("protocol", f"{self.name} did not answer in HTTP/1.1: {what}")
            return False
        if self._phase == HEAD:
            self._room -= len(data)
        return self._response is response

    def _finish(self, response: Response) -> None:
        """The answer is complete: free the connection, then let the reader go on."""
        response.complete = True
        self._response = None
        self._phase = IDLE
        transport = self._transport
        if (
            self._reusable
            and transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() == 0  # else it answered before it had it all
            and self._owner.keep(self)
        ):
            if self.paused:
                self.paused = False
                transport.resume_reading()
            self._expect(self._owner.idle_seconds)
            self._idle_since = self._deadline - self._owner.idle_seconds
        else:
            self.drop()
        response.wake()

    def _broken_off(self) -> None:
        before = "before it answered" if self._phase == HEAD else "in the middle of its answer"
        self.fail("reset", f"{self.name} closed the connection {before}")

    def _ended_cleanly(self) -> bool:
        """Whether the peer itself ended the body. Under TLS only a close_notify proves that."""
        if self._transport is None:
            return False
        tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return tls.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except (ssl.SSLError, ValueError):
            return False

    def _expect(self, seconds: float) -> None:
        """Something must happen within so many seconds."""
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is None or deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        if self._deadline - self._loop.time() > 0.001:  # uvloop's clock ticks in milliseconds
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._tick)
        elif self._phase == BODY:
            self.fail("timeout_idle", f"{self.name} sent nothing for {self._idle:g} s")
        elif self._phase == HEAD:
            self._overdue()
        else:
            self.drop()

    def _overdue(self) -> None:
        """No answer in time; but the time does not count while a large request is being taken."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self._expect(self._first_byte)
            return
        self.fail("timeout_first_byte", f"{self.name} did not answer in {self._first_byte:g} s")


def _ends_with_connection(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body under these headers lasts until the connection ends (RFC 9112, 6.3)."""
    for name, value in headers:
        if name == b"content-length":
            return False
        if name == b"transfer-encoding" and value.lower().rstrip().endswith(b"chunked"):
            return False
    return True


def _keep_alive_seconds(value: bytes) -> float:
    """The time-out a ``Keep-Alive`` header announces; infinite when it announces none."""
    for part in value.split(b","):
        name, _, seconds = part.partition(b"=")
        if name.strip().lower() == b"timeout" and seconds.strip().isdigit():
            return float(seconds)
    return math.inf
