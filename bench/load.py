"""The load generator: a closed loop over a number of connections, in a process of its own.

It reads one order a line from standard input (:class:`Order` as JSON) and answers each with one
line (:class:`Slice` as JSON). A slice begins when there were as many answers as there are
connections, and what is finished within its seconds counts: so a proxy that is slow is not measured
at its first calls, nor by its last. (Waiting for each connection's first answer would take a minute
with a proxy that answers some connections ten times before it answers others.)
"""

import asyncio
import functools
import gc
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import messages
import uvloop
from client import Client, LeavingClient, PacedClient, Tally

WARM_UP = 0.25
"""Seconds before a slice, at least."""
PATIENCE = 60.0
"""Seconds that the first answers, and the last, may take."""
LONGEST_STAY = 10
"""Reads after which a client leaves who leaves in the middle, at most."""

BODIES = {
    "json": messages.JSON_REQUEST,
    "stream": messages.STREAM_REQUEST,
    "paused": messages.PAUSED_REQUEST,
    "paced": messages.PACED_REQUEST,
    "left": messages.ENDLESS_REQUEST,
}


@dataclass
class Order:
    """What to measure."""

    port: int
    kind: str
    """``json``, ``stream``, ``paused``, ``paced`` or ``left``: endless, and the client leaves."""
    connections: int
    seconds: float = 0.0
    """Of the slice."""
    calls: int = 0
    """Instead of seconds: exactly so many calls, and all of them count."""
    headers: Mapping[str, str] = field(default_factory=dict)
    exact: bool = True
    """Whether answers must be the upstream's, byte for byte."""


@dataclass
class Slice:
    """What was measured."""

    counted: int = 0
    """Calls, or events of paced streams, that were finished in the slice."""
    seconds: float = 0.0
    made: int = 0
    """The same with warm-up and end: what the CPU time of the whole was spent on."""
    p50: float = 0.0
    """Milliseconds of a call; of a paced event, from the upstream's write to our read."""
    p99: float = 0.0
    first: float = 0.0
    """Milliseconds to a call's first byte, the median."""
    error: str = ""


async def run(order: Order) -> Slice:
    """Measure one slice."""
    body = BODIES[order.kind]
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: 127.0.0.1:{order.port}",
        *(f"{name}: {value}" for name, value in order.headers.items()),
        "Content-Type: application/json",
        "User-Agent: paifang-bench",
        "Accept: */*",
        f"Content-Length: {len(body)}\r\n\r\n",
    ]
    tally = Tally("\r\n".join(head).encode() + body, order.kind, order.exact)
    tally.warm_at = order.connections
    if order.calls:
        tally.begin, tally.most = time.monotonic_ns(), order.calls
    if order.kind == "left":
        await _leaving(order, tally)
    else:
        await _staying(order, tally)
    ended = min(time.monotonic_ns(), tally.end)
    found = Slice(
        counted=len(tally.times),
        seconds=(ended - tally.begin) / 1e9,
        made=tally.made,
        error=tally.error,
    )
    if tally.times:
        found.p50, found.p99 = _quantile(tally.times, 0.5), _quantile(tally.times, 0.99)
    if tally.firsts:
        found.first = _quantile(tally.firsts, 0.5)
    if not found.error and not tally.made:
        found.error = "nothing was finished"
    return found


async def _staying(order: Order, tally: Tally) -> None:
    """Connections that stay for the whole slice."""
    loop = asyncio.get_running_loop()
    kind = PacedClient if order.kind == "paced" else Client
    # Streams that all began together would send all their events together.
    apart = messages.EVENTS * messages.PACE / order.connections if order.kind == "paced" else 0.0
    clients = []
    for _ in range(order.connections):
        _, client = await loop.create_connection(lambda: kind(tally), "127.0.0.1", order.port)
        clients.append(client)
        if apart:
            await asyncio.sleep(apart)
    if order.seconds:
        enough = asyncio.create_task(_warm(tally))
        await asyncio.wait(
            [enough, *(client.done for client in clients)],
            timeout=PATIENCE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not enough.done():
            tally.error = tally.error or f"{tally.made} answers in {PATIENCE:g} s"
            enough.cancel()
        tally.begin = time.monotonic_ns()
        tally.end = tally.begin + (0 if tally.error else int(order.seconds * 1e9))
    _, late = await asyncio.wait(
        [client.done for client in clients], timeout=order.seconds + order.calls / 50 + PATIENCE
    )
    if late:
        tally.error = tally.error or f"{len(late)} connections got no answer in time"
    for client in clients:
        client.finish("")


async def _warm(tally: Tally) -> None:
    await asyncio.sleep(WARM_UP)
    await tally.warm.wait()


async def _leaving(order: Order, tally: Tally) -> None:
    """Connections that leave, and others that come instead of them."""
    loop = asyncio.get_running_loop()

    numbers = iter(range(order.calls))

    async def come_and_go() -> None:
        for number in numbers:
            if tally.error:
                return
            reads = 1 + number % LONGEST_STAY
            _, client = await loop.create_connection(
                functools.partial(LeavingClient, tally, reads), "127.0.0.1", order.port
            )
            await asyncio.wait_for(client.done, PATIENCE)

    await asyncio.gather(*(come_and_go() for _ in range(order.connections)))


def _quantile(nanoseconds: list[int], share: float) -> float:
    """In milliseconds."""
    nanoseconds.sort()
    return nanoseconds[min(len(nanoseconds) - 1, int(len(nanoseconds) * share))] / 1e6


async def main() -> None:
    """Take orders until standard input ends."""
    loop = asyncio.get_running_loop()
    gc.disable()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            found = await run(Order(**json.loads(line)))
        except (OSError, TimeoutError) as error:
            found = Slice(error=f"{type(error).__name__}: {error}")
        print(json.dumps(asdict(found)), flush=True)
        gc.collect()


if __name__ == "__main__":
    uvloop.run(main())
