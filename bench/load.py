"""The load generator: a closed loop over a number of connections, in a process of its own.

It reads one order a line from standard input (:class:`Order` as JSON) and answers each with one
line (:class:`Slice` as JSON). A call's time is from the write of its request to the read of its
answer's last byte. It understands exactly the answers that the upstream double gives, through
whatever proxy; anything else ends the slice with an error.
"""

import asyncio
import gc
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field

import messages
import uvloop

WARM_UP = 0.25
"""Seconds at the start of a slice that are not counted."""
PATIENCE = 20.0
"""Seconds after a slice that its last answers may take."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_END = b"0\r\n\r\n"


@dataclass
class Order:
    """What to measure."""

    port: int
    kind: str
    """``json``, ``stream`` or ``paused``."""
    connections: int
    seconds: float
    key: str = ""
    """The bearer token."""


@dataclass
class Slice:
    """What was measured."""

    calls: int = 0
    seconds: float = 0.0
    p50: float = 0.0
    """Milliseconds."""
    p99: float = 0.0
    first: float = 0.0
    """Milliseconds to the first byte, the median."""
    error: str = ""
    times: list[int] = field(default_factory=list)
    """Nanoseconds; not part of the answer."""
    firsts: list[int] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One connection: asks, reads the whole answer, asks again until the slice is over."""

    def __init__(self, slice_: Slice, request: bytes, *, stream: bool, stop_at: int) -> None:
        self.slice = slice_
        self.request = request
        self.stream = stream
        self.stop_at = stop_at
        self.count_from = 0
        self.done = asyncio.get_running_loop().create_future()
        self.parts: list[bytes] = []
        self.missing = 0
        self.checked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        self.transport = transport
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is supposed to hang up on us."""
        self.end(f"the connection was closed: {exc or 'end of file'}")

    def ask(self) -> None:
        """Send the request."""
        self.parts.clear()
        self.asked_at = time.perf_counter_ns()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Read on; at the end of an answer, ask again."""
        parts = self.parts
        if not parts:
            self.first_at = time.perf_counter_ns()
            if data[:12] != b"HTTP/1.1 200":
                self.end(f"not the expected answer: {data[:600]!r}")
                return
            if not self.stream:
                head_end = data.find(b"\r\n\r\n")
                length = _LENGTH.search(data, 0, head_end + 2)
                if head_end < 0 or length is None:
                    self.end(f"no content length at once: {data[:300]!r}")
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
        now = time.perf_counter_ns()
        if not self.checked:
            self.checked = True
            wrong = self.wrong()
            if wrong:
                self.end(wrong)
                return
        if self.asked_at >= self.count_from:
            self.slice.times.append(now - self.asked_at)
            self.slice.firsts.append(self.first_at - self.asked_at)
        if now >= self.stop_at:
            self.end("")
        else:
            self.ask()

    def wrong(self) -> str:
        """What differs from the upstream's answer; looked at once for each connection."""
        answer = b"".join(self.parts)
        body = answer[answer.find(b"\r\n\r\n") + 4 :]
        if not self.stream:
            return "" if body == messages.JSON_ANSWER else f"another body: {body!r}"
        expected = b"".join([*messages.STREAM_EVENTS, messages.DONE_EVENT])
        try:
            found = _unchunk(body)
        except ValueError:
            return f"not chunked: {body[:300]!r}"
        return "" if found == expected else f"another stream: {found[-600:]!r}"

    def end(self, error: str) -> None:
        """Be done, with the first error if there is one."""
        if not self.done.done():
            self.slice.error = self.slice.error or error
            self.done.set_result(None)
            self.transport.close()


def _unchunk(body: bytes) -> bytes:
    parts = []
    at = 0
    while True:
        stop = body.index(b"\r\n", at)
        size = int(body[at:stop], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[stop + 2 : stop + 2 + size])
        at = stop + size + 4


async def run(order: Order) -> Slice:
    """Measure one slice."""
    loop = asyncio.get_running_loop()
    body = {
        "json": messages.JSON_REQUEST,
        "stream": messages.STREAM_REQUEST,
        "paused": messages.PAUSED_REQUEST,
    }[order.kind]
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"Authorization: Bearer %b\r\nContent-Type: application/json\r\n"
        b"User-Agent: paifang-bench\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n"
        % (order.port, order.key.encode(), len(body))
    ) + body
    slice_ = Slice()
    once = order.kind == "paused"
    start = time.perf_counter_ns()
    count_from = start if once else start + int(WARM_UP * 1e9)
    stop_at = start if once else count_from + int(order.seconds * 1e9)
    clients = []
    for _ in range(order.connections):
        client = Client(slice_, request, stream=order.kind != "json", stop_at=stop_at)
        client.count_from = count_from
        await loop.create_connection(lambda client=client: client, "127.0.0.1", order.port)
        clients.append(client)
    _, late = await asyncio.wait(
        [client.done for client in clients], timeout=order.seconds + WARM_UP + PATIENCE
    )
    if late:
        slice_.error = slice_.error or f"{len(late)} connections got no answer in time"
    for client in clients:
        client.end("")
    slice_.seconds = (time.perf_counter_ns() - count_from) / 1e9
    slice_.calls = len(slice_.times)
    if slice_.calls:
        slice_.p50 = _quantile(slice_.times, 0.5) / 1e6
        slice_.p99 = _quantile(slice_.times, 0.99) / 1e6
        slice_.first = _quantile(slice_.firsts, 0.5) / 1e6
    elif not slice_.error:
        slice_.error = "no call was finished"
    return slice_


def _quantile(values: list[int], share: float) -> int:
    values.sort()
    return values[min(len(values) - 1, int(len(values) * share))]


async def main() -> None:
    """Take orders until standard input ends."""
    loop = asyncio.get_running_loop()
    gc.disable()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        found = asdict(await run(Order(**json.loads(line))))
        del found["times"], found["firsts"]
        print(json.dumps(found), flush=True)
        gc.collect()


if __name__ == "__main__":
    uvloop.run(main())
