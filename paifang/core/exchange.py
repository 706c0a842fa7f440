"""One HTTP request and the answer to it, for code that must not pay for ASGI's messages.

What serves a hot path (the relay) is written against :class:`Exchange`. Our own server gives it
one that writes straight to the socket (``paifang.hotpath``); under any other ASGI server it gets
one over ``receive`` and ``send``.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

Headers = Sequence[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client closed its connection before its answer was complete."""


class BodyTooLarge(Exception):
    """The request's body is over the limit; no more of it is read."""


class Exchange(Protocol):
    """A request, and the one answer it gets.

    Headers of an answer are a block of ready lines, each with its line break, names in lower
    case: most of it never changes, and nobody has to put it together or look through it twice.
    The lines about length, chunks and the connection are the exchange's own.
    """

    @property
    def path(self) -> str:
        """The request's, without a query."""

    @property
    def address(self) -> str:
        """The client's, as far as it is to be believed; empty when it has none."""

    @property
    def headers(self) -> Headers:
        """The request's, names in lower case."""

    note: Any
    """What the handler wants to remember about this request's head. On a connection that sends
    the very same head again it is there again; at first it is None."""
    task: asyncio.Task[Any] | None
    """The task that serves this exchange."""

    @property
    def begun(self) -> bool:
        """An answer has begun in :meth:`send`: its head is on its way to the client."""

    async def read(self, limit: int, stated: int | None) -> bytes:
        """The whole body.

        Raises :class:`BodyTooLarge` when it is over ``limit`` bytes, or says so (``stated`` is
        its ``Content-Length``), :class:`ClientGone` when the client leaves first.
        """

    def watch(self, gone: Callable[[], None]) -> None:
        """Have ``gone`` called, once, when the client leaves before :meth:`unwatch`."""

    def unwatch(self) -> None:
        """It does not matter any more whether the client leaves."""

    async def answer(self, status: int, block: bytes, body: bytes, *, close: bool = False) -> None:
        """The whole answer. ``close``: the connection ends with it.

        A client that has left gets nothing; :class:`ClientGone` is raised only by a server that
        insists on telling.
        """

    async def send(self, block: bytes, data: bytes, *, last: bool) -> None:
        """A piece of an answer with status 200 that is sent as it comes.

        ``block`` is sent with the first piece, and only then. Waits while the client is slow to
        take what it was sent; nothing is sent when that wait is cancelled. Raises
        :class:`ClientGone` when more is to come and the client is known to have left: what did
        not go out must not be taken for delivered.
        """

    def send_now(self, data: bytes) -> bool:
        """A piece of an answer that has begun, if it can be sent without waiting.

        False when nothing was sent: the client is slow or has left, or this exchange never does
        it. :meth:`send` then does what is to be done.
        """


Handler = Callable[[Exchange], Coroutine[Any, Any, None]]
"""Serves an exchange."""


def header_block(headers: Headers) -> bytes:
    """Headers as lines. Names and values must be clean: no line breaks."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])
