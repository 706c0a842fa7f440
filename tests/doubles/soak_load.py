"""The soak's clients and administrator.

The first order is a JSON object, see :class:`Plan`. It calls for so many seconds, tells
``{"wrong": [...], "made": N}``, and leaves one :class:`~doubles.soak_mix.Seen` a line in the file.
"""

import asyncio
import contextlib
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO

import orjson
import uvloop

from doubles.load_client import Answer, Connection, events_in, request
from doubles.programs import orders, tell
from doubles.soak_mix import (
    KINDS,
    LARGE_PROMPT,
    PLAIN,
    PROMPT,
    QUOTA_STEP,
    RATE,
    Kind,
    Seen,
    text,
    text_tokens,
)

MAX_OPEN = 64
"""Calls in flight; beyond, a slow machine gets fewer calls."""
KEPT = 4
"""Connections of one token that are used again."""
STUCK = 60.0
"""Seconds after which a call is taken for stuck."""
SMALL_BUFFER = 4096
PAUSE = 0.02
"""Seconds that a slow reader rests between two pieces."""
WHEN = {"retry-after", "x-should-retry"}
"""Headers that tell a refused client when to come again, or that it need not."""
WRONG_KEY = "pf_live_0000000000000000000000000000_000000"

CHURN_EVERY = 2.0
"""Seconds between two lives of a token that the administrator makes and ends."""
QUOTA_EVERY = 10.0
"""Seconds between two rises of the spender's quota."""
HEARD = 30.0
"""Seconds in which a change must have reached the gateway on the slowest machine."""


@dataclass
class Plan:
    """What to do."""

    seconds: float
    port: int
    """The gateway's."""
    console: int
    """The administrator's API."""
    admin_key: str
    keys: dict[str, str]
    """By the tokens' names."""
    spender: str
    """Id of the token with a quota."""
    file: str


def _body(kind: Kind, name: str) -> bytes:
    prompt = LARGE_PROMPT if kind.large else PROMPT
    if kind.path.endswith("embeddings"):
        return orjson.dumps({"model": kind.model, "input": prompt})
    body: dict[str, Any] = {
        "model": kind.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max(1, kind.pieces),
    }
    if kind.stream:
        body["stream"] = True
    if kind.usage:
        body["stream_options"] = {"include_usage": True}
    # Spaced, as some clients write it: the relay looks at such a body with other eyes.
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 if name == "fresh" else None)


BODIES = {name: _body(kind, name) for name, kind in KINDS.items()}
WORDS = {len(LARGE_PROMPT): len(LARGE_PROMPT.split()), len(PROMPT): len(PROMPT.split())}


class Load:
    """Everybody who calls."""

    def __init__(self, plan: Plan, out: TextIO) -> None:
        self.plan = plan
        self.out = out
        self.chance = random.Random(7)
        self.numbers = itertools.count()
        self.free: dict[str, list[Connection]] = defaultdict(list)
        """Connections to be used again, by the token that uses them."""
        self.made = 0
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Call for as long as planned, and wait for the last answers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.plan.seconds
        running: set[asyncio.Task[None]] = set()
        kinds, rates = list(KINDS), [kind.rate for kind in KINDS.values()]
        administrator = asyncio.create_task(Administrator(self).run(end))
        next_at = loop.time()
        while loop.time() < end:
            (name,) = self.chance.choices(kinds, rates)
            task = asyncio.create_task(self.one(name))
            running.add(task)
            task.add_done_callback(running.discard)
            if len(running) >= MAX_OPEN:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # What is late is not made up for.
            next_at = max(next_at + self.chance.expovariate(RATE), loop.time() - 0.1)
            await asyncio.sleep(next_at - loop.time())
        if running:
            await asyncio.wait(running)
        await administrator
        for token in list(self.free):
            self.forget(token)

    def forget(self, token: str) -> None:
        """Close a token's connections."""
        for connection in self.free.pop(token, ()):
            connection.close()

    async def one(self, name: str) -> None:
        """One call of a kind."""
        kind = KINDS[name]
        token = kind.token or self.chance.choice(PLAIN)
        key = self.plan.keys.get(token, WRONG_KEY)
        seen = Seen(f"{name}-{next(self.numbers)}", name, token if token in self.plan.keys else "")
        await self.call(seen, key)

    async def call(self, seen: Seen, key: str) -> None:
        """Make a call and keep what was seen of it."""
        kind = KINDS[seen.kind]
        try:
            async with asyncio.timeout(STUCK):
                answer = await self._call(seen, kind, key)
            _read(seen, kind, answer)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test is to say so
            seen.wrong.append(repr(error))
        if seen.ending not in kind.endings:
            seen.wrong.append(f"it ended with {seen.ending!r}")
        self.made += 1
        if seen.wrong and len(self.wrong) < 20:
            self.wrong.append(repr(seen)[:2000])
        self.out.write(orjson.dumps(seen).decode() + "\n")

    async def _call(self, seen: Seen, kind: Kind, key: str) -> Answer:
        own = kind.fresh or kind.slow
        free = [] if own else self.free[seen.token]
        connection = await self._connect(free, slow=kind.slow)
        seen.agent = seen.name if kind.leaves else connection.name
        data = request(self.plan.port, key, seen.agent, BODIES[seen.kind], kind.path)
        leave: Callable[[Answer], bool] | None = None
        patience: float | None = None
        if kind.leaves == "in time":
            patience = self.chance.uniform(0, 0.4)
        elif kind.leaves == "at an event":
            leave = partial(_has_events, count=self.chance.randrange(1, kind.pieces))
        elif kind.leaves == "in the answer":
            leave = partial(_has_bytes, count=self.chance.randrange(1, 200_000))
        elif kind.leaves == "in the request":
            data = data[: self.chance.randrange(300, len(data))]
            patience = self.chance.uniform(0, 0.2)
        pause = PAUSE if kind.slow else 0.0
        answer = await connection.call(data, leave=leave, patience=patience, pause=pause)
        if connection.broken:
            seen.wrong.append(connection.broken)
        if not own and connection.usable and len(free) < KEPT:
            free.append(connection)
        else:
            connection.close()
        return answer

    async def _connect(self, free: list[Connection], *, slow: bool) -> Connection:
        while free:
            connection = free.pop(self.chance.randrange(len(free)))
            if connection.usable:
                return connection
        buffer = SMALL_BUFFER if slow else 0
        return await Connection.open(self.plan.port, receive_buffer=buffer)


def _has_events(answer: Answer, count: int) -> bool:
    return answer.body.count(b"\n\n") >= count


def _has_bytes(answer: Answer, count: int) -> bool:
    return len(answer.body) >= count


def _read(seen: Seen, kind: Kind, answer: Answer) -> None:
    """What an answer says, and what is wrong with it."""
    seen.status = answer.status
    seen.request_id = answer.request_id
    if answer.status not in {0, 200}:
        if answer.whole:
            seen.ending = f"{answer.status} {orjson.loads(answer.body)['error']['code']}"
            if answer.status == 429 and answer.headers.keys().isdisjoint(WHEN):
                seen.wrong.append("a 429 that does not say when")
        return
    if kind.stream:
        _read_stream(seen, kind, answer)
    elif answer.whole:
        _read_json(seen, kind, orjson.loads(answer.body))
    if answer.left:
        seen.ending = "left"


def _read_json(seen: Seen, kind: Kind, data: dict[str, Any]) -> None:
    seen.ending = "200"
    _take_usage(seen, kind, data["usage"])
    if kind.pieces and data["choices"][0]["message"]["content"] != text(kind.pieces):
        seen.wrong.append("another text")


def _read_stream(seen: Seen, kind: Kind, answer: Answer) -> None:
    events = events_in(answer.body)
    seen.text_tokens = text_tokens(events.text)
    if events.text != text(events.pieces):
        seen.wrong.append(f"another text: {events.text[-200:]!r}")
    if answer.left or not answer.whole:
        return
    if events.pieces != kind.pieces:
        seen.wrong.append(f"{events.pieces} pieces")
    if events.error:
        seen.ending = events.error
        return
    seen.ending = "200"
    if not events.done:
        seen.wrong.append("no [DONE]")
    if kind.usage:
        _take_usage(seen, kind, events.usage or {})
    else:
        seen.input, seen.output = WORDS[len(PROMPT)], events.pieces
        if events.usage is not None:
            seen.wrong.append("usage that was not asked for")


def _take_usage(seen: Seen, kind: Kind, usage: dict[str, Any]) -> None:
    seen.input, seen.output = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    expected = WORDS[len(LARGE_PROMPT if kind.large else PROMPT)], kind.pieces
    if (seen.input, seen.output) != expected:
        seen.wrong.append(f"{usage} instead of {expected}")


class Administrator:
    """Makes tokens and ends them, and tries after each change until the gateway has heard of it."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.connection: Connection | None = None

    async def run(self, end: float) -> None:
        """Until the end; what fails is wrong."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._churn(end))
                group.create_task(self._raise_quota(end))
        except* Exception as errors:  # noqa: BLE001  # whatever it is, the test is to say so
            self.load.wrong += [f"administrator: {error!r}" for error in errors.exceptions]

    async def _churn(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            if loop.time() > end:
                return
            made = await self.ask("POST", "", {"group_id": "readers", "name": f"churn-{number}"})
            where, key = "/" + made["id"], made["key"]
            await self.until("200", made["name"], key)
            await self.ask("PATCH", where, {"status": "disabled"})
            await self.until("401 invalid_api_key", made["name"], key)
            await self.ask("PATCH", where, {"status": "enabled"})
            await self.until("200", made["name"], key)
            turned = await self.ask("POST", f"{where}/rotate", {})
            await self.until("200", made["name"], turned["key"])
            await self.until("401 invalid_api_key", made["name"], key)
            # Half of them stay in the tables, so that their counters can be looked at.
            if number % 2:
                await self.ask("DELETE", where, None)
            else:
                await self.ask("POST", f"{where}/revoke", {})
            await self.until("401 invalid_api_key", made["name"], turned["key"])
            self.load.forget(made["name"])
            await asyncio.sleep(CHURN_EVERY)

    async def _raise_quota(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        for step in itertools.count(2):
            await asyncio.sleep(QUOTA_EVERY)
            if loop.time() > end:
                return
            quota = f"{step * QUOTA_STEP / 1e9:.9f}"
            await self.ask("PATCH", f"/{self.load.plan.spender}", {"quota": quota})

    async def until(self, ending: str, token: str, key: str) -> None:
        """Call with a key until that is how it ends."""
        async with asyncio.timeout(HEARD):
            while True:
                seen = Seen(f"churn-{next(self.load.numbers)}", "churn", token)
                await self.load.call(seen, key)
                if seen.ending == ending:
                    return
                await asyncio.sleep(0.1)

    async def ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """One call of the tokens' API. Raises ``RuntimeError`` when it is refused."""
        plan = self.load.plan
        connection = await Connection.open(plan.console)
        data = b"" if body is None else orjson.dumps(body)
        answer = await connection.call(
            b"%b /api/v1/gateway/tokens%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Authorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b"
            % (
                method.encode(),
                path.encode(),
                plan.console,
                plan.admin_key.encode(),
                len(data),
                data,
            )
        )
        connection.close()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {bytes(answer.body)!r}")
        return orjson.loads(answer.body) if answer.body else None


async def main() -> None:
    """Follow the one order."""
    async for order in orders():
        plan = Plan(**orjson.loads(order))
        with open(plan.file, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123  # lines, buffered
            load = Load(plan, out)
            await load.run()
        tell(wrong=load.wrong, made=load.made)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
