"""Connections of the load generator: each asks, reads the whole answer, and asks again.

A client understands exactly the answers that the upstream double gives, through whatever proxy;
anything else is the error that ends the slice.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import cast

import answers
import messages

NEVER = 2**63
"""A moment that does not come, in nanoseconds."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_END = b"0\r\n\r\n"
_LONGEST_PART = 17
"""Bytes of a :data:`messages.STAMP` that is not complete, at most."""


@dataclass
class Tally:
    """What the connections of one slice share. Moments are nanoseconds of the steady clock."""

    request: bytes
    kind: str
    exact: bool
    begin: int = NEVER
    """What is finished before does not count."""
    end: int = NEVER
    """Nothing is asked after."""
    most: int = NEVER
    """Nor after so many requests."""
    asked: int = 0
    made: int = 0
    """Calls, or events of paced streams, that were finished, counted or not."""
    times: list[int] = field(default_factory=list)
    """Of what counts, in nanoseconds: calls, or how long each event of a paced stream took."""
    firsts: list[int] = field(default_factory=list)
    """Nanoseconds to a call's first byte."""
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    warm_at: int = 0
    """So many made set it."""
    error: str = ""
    """The first that went wrong."""


class Client(asyncio.Protocol):
    """One connection. A call takes from its request's write to its answer's last byte."""

    per_call = True
    """Whether a finished call is what is counted."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.stream = tally.kind != "json"
        self.done = asyncio.get_running_loop().create_future()
        self.parts: list[bytes] = []
        self.missing = 0
        self.checked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is supposed to hang up on us."""
        self.finish(f"the connection was closed: {exc or 'end of file'}")

    def ask(self) -> None:
        """Send the request."""
        self.parts.clear()
        self.tally.asked += 1
        self.asked_at = time.monotonic_ns()
        self.transport.write(self.tally.request)

    def data_received(self, data: bytes) -> None:
        """Read on; at the end of an answer, ask again."""
        parts = self.parts
        if not parts:
            self.first_at = time.monotonic_ns()
            if data[:12] != b"HTTP/1.1 200":
                self.finish(f"not the expected answer: {data[:600]!r}")
                return
            if not self.stream:
                head_end = data.find(b"\r\n\r\n")
                length = _LENGTH.search(data, 0, head_end + 2)
                if head_end < 0 or length is None:
                    self.finish(f"no content length at once: {data[:300]!r}")
                    return
                self.missing = head_end + 4 + int(length.group(1))
        parts.append(data)
        if self.stream:
            tail = data if len(data) >= len(_END) else b"".join(parts[-len(_END) :])
            if tail.endswith(_END):
                self.complete()
        else:
            self.missing -= len(data)
            if self.missing <= 0:
                self.complete()

    def complete(self) -> None:
        """An answer is here."""
        now = time.monotonic_ns()
        tally = self.tally
        if not self.checked:  # each connection's first, in each slice
            self.checked = True
            wrong = answers.wrong(b"".join(self.parts), kind=tally.kind, exact=tally.exact)
            if wrong:
                self.finish(wrong)
                return
        if self.per_call:
            tally.made += 1
            if tally.begin <= now <= tally.end:
                tally.times.append(now - self.asked_at)
                tally.firsts.append(self.first_at - self.asked_at)
        if tally.made >= tally.warm_at:
            tally.warm_at = NEVER
            tally.warm.set()
        if now >= tally.end or tally.asked >= tally.most:
            self.finish("")
        else:
            self.ask()

    def finish(self, error: str) -> None:
        """Be done, with the first error if there is one."""
        if not self.done.done():
            self.tally.error = self.tally.error or error
            self.done.set_result(None)
            self.transport.close()


class PacedClient(Client):
    """What counts is each event, and how long it took from the upstream's write to our read."""

    per_call = False

    def ask(self) -> None:
        """Nothing is left over from the last stream."""
        self.rest = b""
        super().ask()

    def data_received(self, data: bytes) -> None:
        """Look for events first."""
        now = time.monotonic_ns()
        tally = self.tally
        found = self.rest + data
        counts = tally.begin <= now <= tally.end
        for stamp in messages.STAMP.finditer(found):
            tally.made += 1
            if counts:
                tally.times.append(now - int(stamp[1]) * 1000)
        self.rest = found[-_LONGEST_PART:]
        super().data_received(data)


class LeavingClient(Client):
    """Hangs up after some reads of a stream without end, as somebody does who closes a tab."""

    def __init__(self, tally: Tally, reads: int) -> None:
        super().__init__(tally)
        self.reads = reads

    def data_received(self, data: bytes) -> None:
        """Count down."""
        if data[:5] == b"HTTP/" and data[:12] != b"HTTP/1.1 200":
            self.finish(f"not the expected answer: {data[:600]!r}")
        self.reads -= 1
        if self.reads == 0 and not self.done.done():
            self.tally.made += 1
            self.done.set_result(None)
            self.transport.abort()
