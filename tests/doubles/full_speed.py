"""Clients that call as fast as they are answered, whatever happens to the gateway.

``full_speed KEY FILE`` with the answers of :mod:`doubles.lean_upstream`. Orders: ``port N`` says
where the gateway is (again), ``stop`` ends the load and writes what the clients saw to the file:
one :class:`Seen` a line.
"""

import asyncio
import contextlib
import itertools
import random
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson
import uvloop

from doubles import lean_upstream
from doubles.lean_upstream import JSON_ANSWER, MODEL, PIECES, PROMPT, STREAM
from doubles.load_client import Answer, Connection, events_in, request
from doubles.programs import orders, tell
from paifang.modules.gateway.relay.usage import TextCount

CLIENTS = 24
KINDS = {"json": 88, "stream": 4, "plain": 4, "leave": 4}
"""Shares. ``stream`` asks for usage, ``plain`` does not, ``leave`` hangs up in its middle."""
AGAIN = 0.01
"""Seconds before another try while nothing listens."""


def _body(**more: object) -> bytes:
    messages = [{"role": "user", "content": PROMPT}]
    return orjson.dumps({"model": MODEL, "messages": messages, **more})


BODIES = {
    "json": _body(),
    "stream": _body(stream=True, stream_options={"include_usage": True}),
    "plain": _body(stream=True),
    "leave": _body(stream=True, stream_options={"include_usage": True}),
}
ANSWERS = {
    "json": JSON_ANSWER,
    "stream": b"".join(STREAM),
    "plain": b"".join([*STREAM[:-2], STREAM[-1]]),
    "leave": b"",
}
"""Bodies, byte for byte. A call that wants to leave must not get to the end."""


@dataclass(slots=True)
class Seen:
    """What a client saw of one call."""

    kind: str
    agent: str
    """What the call gave as its user agent: the name of its connection, so that the gateway gets
    the same head again and again. One that leaves has a name of its own: it may never hear the
    id of its request."""
    began_at: float
    """On the monotonic clock, which all processes share."""
    completed: bool = False
    """It got the whole answer."""
    left_at: float | None = None
    """When it hung up by itself."""
    text_tokens: int = 0
    """Of a call that it left: what the text it got costs when nobody says, by the relay's own
    estimate."""
    request_id: str = ""


@dataclass
class Load:
    """All clients."""

    key: str
    port: int = 0
    calls: list[Seen] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What no client should have seen."""
    stopping: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def client(self) -> None:
        """Call, and call again."""
        connection: Connection | None = None
        kinds = list(KINDS)
        cumulated = list(itertools.accumulate(KINDS.values()))
        while not self.stopping:
            if connection is None or not connection.usable:
                try:
                    connection = await Connection.open(self.port)
                except OSError:
                    await asyncio.sleep(AGAIN)
                    continue
            (kind,) = self.chance.choices(kinds, cum_weights=cumulated)
            agent, leave = connection.name, None
            if kind == "leave":
                agent = f"leaver-{next(self.numbers)}"
                leave = partial(_has_events, count=self.chance.randrange(1, PIECES))
            seen = Seen(kind, agent, time.monotonic())
            self.calls.append(seen)
            answer = await connection.call(
                request(self.port, self.key, agent, BODIES[kind]), leave=leave
            )
            self.note(seen, answer, connection.broken)
        if connection is not None:
            connection.close()

    def note(self, seen: Seen, answer: Answer, broken: str) -> None:
        """Keep what counts of an answer."""
        seen.request_id = answer.request_id
        if broken:
            self.wrong.append(f"{seen}: {broken}")
        elif answer.left:
            seen.left_at = time.monotonic()
            count = TextCount()
            count.add(events_in(answer.body).text)
            seen.text_tokens = count.tokens
        elif answer.whole:
            seen.completed = True
            if answer.status != 200 or answer.body != ANSWERS[seen.kind]:
                self.wrong.append(f"{seen}: {answer.status} {bytes(answer.body[-300:])!r}")


def _has_events(answer: Answer, count: int) -> bool:
    return answer.body.count(b"\n\n") >= count


async def main(key: str, file: str) -> None:
    """Take orders."""
    load = Load(key)
    clients: list[asyncio.Task[None]] = []
    async for order in orders():
        what, _, value = order.partition(" ")
        if what == "port":
            load.port = int(value)
            clients = clients or [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
        elif what == "stop":
            load.stopping = True
            await asyncio.gather(*clients)
            lines = b"\n".join(map(orjson.dumps, load.calls))
            await asyncio.to_thread(Path(file).write_bytes, lines)
            tell(wrong=load.wrong[:20])


def whole_answer() -> tuple[int, int, str]:
    """Model tokens in and out of a completed call, and its whole text."""
    usage = lean_upstream.USAGE
    return usage["prompt_tokens"], usage["completion_tokens"], lean_upstream.TEXT


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(*sys.argv[1:]))
