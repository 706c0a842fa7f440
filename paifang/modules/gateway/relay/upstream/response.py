"""An answer on its way in: a status, headers, and a body that arrives in pieces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol, Self

from paifang.modules.gateway.relay.upstream.errors import UpstreamError

HIGH_WATER = 256 * 1024
"""Bytes of body held for a slow reader before the upstream's socket is no longer read."""


class Source(Protocol):
    """The connection a response comes from."""

    paused: bool

    def resume(self) -> None:
        """Read from the socket again."""

    def abandon(self, response: "Response") -> None:
        """Drop the connection if it still serves this response."""


class Response(AsyncIterator[bytes]):
    """One answer. Read it with :meth:`chunks` or :meth:`read`, and always :meth:`close` it.

    The connection goes back to the pool by itself as soon as the last byte has been received;
    closing earlier drops it, which is how a generation is cancelled.
    """

    __slots__ = ("_error", "_loop", "_source", "_waiter", "buffered", "complete", "headers",
                 "into", "parts", "status")  # fmt: skip

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Names in lower case, values and order as received."""
        self.complete = False
        """True when the last byte has been received, read or not."""
        self.buffered = 0
        """Bytes received and not read yet."""
        self.into: Callable[[bytes], bool] | None = None
        """May take what comes while the reader of :meth:`chunks` waits, in that very moment, and
        says whether it did: the reader then sleeps on and never sees it. What it raises is raised
        in the reader."""
        self._source = source
        self._loop = loop
        self.parts: list[bytes] = []
        """The connection adds to them as they come; :meth:`wake` tells the reader."""
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # For the reader.

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, free of its transfer encoding, as it arrives.

        All that came since the last step is one chunk; none is empty. Raises
        :class:`UpstreamError` (``reset``, ``protocol``, ``timeout_idle``) when the body breaks
        off, after everything that came before the break has been handed out.
        """
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self.parts:
            if self._error is not None:
                raise self._error
            if self.complete:
                raise StopAsyncIteration
            await self.wait()
        return self._take()

    def whole(self, limit: int) -> bytes | None:
        """The body, if all of it came in one piece and nothing was read yet, as most do.

        None when there is anything to wait for, to join or to refuse: :meth:`read` does that.
        """
        parts = self.parts
        if not self.complete or len(parts) != 1 or self.buffered > limit:
            return None
        self.buffered = 0
        return parts.pop()

    async def read(self, limit: int) -> bytes:
        """The rest of the body in one piece.

        Raises :class:`UpstreamError`: ``too_large`` when it is over ``limit`` bytes (the
        connection is dropped), or as :meth:`chunks` does when it breaks off.
        """
        pieces: list[bytes] = []
        size = 0
        while True:
            size += self.buffered
            if size > limit:
                self.close()
                raise UpstreamError(
                    "too_large", f"the upstream's answer is over {limit} bytes", sent=True
                )
            if self.parts:
                pieces.append(self._take())
            if self._error is not None:
                raise self._error
            if self.complete:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            await self.wait()

    def close(self) -> None:
        """Be done with the answer. A connection whose answer is unfinished is dropped.

        May be called at any time and again, by another task as well: a reader that is waiting
        then gets an :class:`UpstreamError`.
        """
        if not self.complete and self._error is None:
            self._source.abandon(self)
            self.fail(UpstreamError("reset", "the answer was closed before its end", sent=True))

    def _take(self) -> bytes:
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.buffered = 0
        if self._source.paused and not self.complete:
            self._source.resume()
        return data

    # For the connection.

    async def wait(self) -> None:
        """Wait for the next news. Being cancelled meanwhile closes the answer."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except BaseException:  # cancelled, mostly: nobody is going to read the rest
            self.close()
            raise
        finally:
            self._waiter = None

    def arrived(self) -> None:
        """More is here, and it is neither the end nor too much: for :attr:`into`, or else for the
        reader.
        """
        waiter, into, parts = self._waiter, self.into, self.parts
        if waiter is None or waiter.done():
            return  # the reader has not seen yet what came before, and that comes first
        if into is not None and parts:
            try:
                taken = into(parts[0] if len(parts) == 1 else b"".join(parts))
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is the reader's
                waiter.set_exception(fault)
                return
            if taken:
                parts.clear()
                self.buffered = 0
                return
        waiter.set_result(None)

    def wake(self) -> None:
        """There is news for whoever waits."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fail(self, error: UpstreamError) -> None:
        """No more will come."""
        self._error = error
        self.wake()

    @property
    def error(self) -> UpstreamError | None:
        """Why the answer broke off, if it did."""
        return self._error
