"""Writes of one turn of the event loop, sent together.

A write to a connection wakes whoever waits at its other end, and to wake a core that sleeps costs
more than the write. Of many writes in one turn each would wake it anew, since it has long done its
work when the next one comes; sent one right behind the other they wake it once. With one write in a
turn there is nothing to gain, so while turns are like that it goes out at once.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)

MOST_HELD = 64 * 1024
"""Bytes that are held at most; more goes out before the turn ends."""

Data = bytes | bytearray | memoryview


class Writes:
    """What an event loop is about to send. Made by :func:`writes_of`."""

    __slots__ = ("_busy", "_count", "_held", "_open", "_pending", "skipped", "turn")

    def __init__(self) -> None:
        self._open = False
        """A write has been made in this turn."""
        self._busy = False
        """There were several in the turn before."""
        self._count = 0
        self._pending: list[tuple[asyncio.WriteTransport, Data]] = []
        self.turn = 0
        """Counts up when what was pending goes out."""
        self.skipped: list[asyncio.WriteTransport] = []
        """Transports that were closing already when their data was to go out, the last time there
        were any: nothing of it was sent."""
        self._held = 0

    def write(self, transport: asyncio.WriteTransport, data: Data) -> int:
        """Send data, at the latest when this turn ends.

        Whoever then does anything else with the transport calls :meth:`flush` first, as
        :class:`JoinedTransport` does.

        Returns:
            The turn: as long as it is :attr:`turn`, nothing was sent. -1 when it was at once.
        """
        if not self._open:
            self._open = True
            asyncio.get_running_loop().call_soon(self._end)
            if not self._busy:
                transport.write(data)
                return -1
        self._count += 1
        self._pending.append((transport, data))
        turn = self.turn
        self._held += len(data)
        if self._held > MOST_HELD:  # a transport can tell its writer to wait only when it has it
            self.flush()
        return turn

    def flush(self) -> None:
        """Send everything now."""
        pending = self._pending
        if not pending:
            return
        self._pending, self._held = [], 0
        self.turn += 1
        skipped: list[asyncio.WriteTransport] = []
        for transport, data in pending:
            if transport.is_closing():  # its other end, or its owner, has gone meanwhile
                skipped.append(transport)
                continue
            try:
                transport.write(data)
            except Exception:  # one connection's trouble must not keep the others' answers
                log.exception("a connection could not be written to")
        if skipped:
            self.skipped = skipped

    def waiting(self, transport: asyncio.WriteTransport) -> int:
        """Bytes for a transport that wait for the end of the turn."""
        return sum(len(data) for to, data in self._pending if to is transport)

    def _end(self) -> None:
        self._busy = self._count > 1
        self._count = 0
        self._open = False
        self.flush()


_all: WeakKeyDictionary[asyncio.AbstractEventLoop, Writes] = WeakKeyDictionary()


def writes_of(loop: asyncio.AbstractEventLoop) -> Writes:
    """The one of an event loop."""
    found = _all.get(loop)
    if found is None:
        found = _all[loop] = Writes()
    return found


class JoinedTransport(asyncio.Transport):
    """A transport whose writes go out with those of others; all it does keeps its order."""

    def __init__(self, transport: asyncio.Transport, writes: Writes) -> None:
        super().__init__()
        self._transport = transport
        self._writes = writes
        # With the others of this turn. Each answer and each piece of a stream comes through here,
        # so there is no function in between.
        self.write = partial(writes.write, transport)  # type: ignore[method-assign, assignment]  # what it returns is not looked at

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        """As one write."""
        self._writes.write(self._transport, b"".join(list_of_data))

    def write_eof(self) -> None:
        """Behind what was written."""
        self._writes.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Behind what was written."""
        self._writes.flush()
        self._transport.close()

    def abort(self) -> None:
        """At once; what was not sent is lost."""
        self._transport.abort()

    # What follows asks or steers the transport itself.

    def is_closing(self) -> bool:
        """See :class:`asyncio.BaseTransport`."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See :class:`asyncio.BaseTransport`."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See :class:`asyncio.BaseTransport`."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See :class:`asyncio.BaseTransport`."""
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        """See :class:`asyncio.ReadTransport`."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """See :class:`asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See :class:`asyncio.ReadTransport`."""
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See :class:`asyncio.WriteTransport`."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """With what waits for the end of the turn."""
        return self._transport.get_write_buffer_size() + self._writes.waiting(self._transport)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See :class:`asyncio.WriteTransport`."""
        return self._transport.get_write_buffer_limits()

    def can_write_eof(self) -> bool:
        """See :class:`asyncio.WriteTransport`."""
        return self._transport.can_write_eof()
