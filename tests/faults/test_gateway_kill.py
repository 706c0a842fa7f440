"""``kill -9`` of the gateway under load: the ledger equals what the clients saw."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL, func, select

from counts import count
from doubles.installation import Installation, Running, api, made
from doubles.openai_upstream import OpenAIDouble
from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay.usage import TextCount
from paifang.modules.gateway.tokens.models import Token

CLIENTS = 6
PIECES = 12
MODEL = f"chat:gap=0.01,pieces={PIECES}"
WHOLE = "".join(f"word{index} " for index in range(PIECES))
"""The double's answer."""
INPUT_PRICE, OUTPUT_PRICE = 1_000, 2_000
"""Nanos per model token, from the prices set below."""
NOTICED = 2.0
"""Seconds after which the gateway has surely noticed that a client left."""


@dataclass
class Seen:
    """What a client saw of one call."""

    kind: str
    began_at: float
    completed: bool = False
    """It got the whole answer."""
    left_at: float | None = None
    """When it hung up by itself."""
    output: int = 0
    """Model tokens it was told of."""
    text: str = ""
    """What it got of the answer."""
    request_id: str = ""


@dataclass
class Load:
    """Clients that call as long as they are let, whatever happens to the gateway."""

    key: str
    url: str = ""
    calls: dict[str, Seen] = field(default_factory=dict)
    stopping: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def client(self) -> None:
        """Call, and call again."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            while not self.stopping:
                name = f"call-{next(self.numbers)}"
                kind = self.chance.choice(["json", "json", "stream", "disconnect"])
                seen = self.calls[name] = Seen(kind, time.monotonic())
                try:
                    await self.call(http, name, seen)
                except httpx.TransportError:
                    await asyncio.sleep(0.2)  # killed: wait for the next life

    async def call(self, http: httpx.AsyncClient, name: str, seen: Seen) -> None:
        """One call; its name travels as the user agent, which the log keeps."""
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "one two three"}],
            "stream": seen.kind != "json",
            "stream_options": {"include_usage": True},
        }
        if seen.kind == "json":
            del body["stream_options"]
        headers = {"Authorization": f"Bearer {self.key}", "User-Agent": name}
        url = f"{self.url}/v1/chat/completions"
        async with http.stream("POST", url, json=body, headers=headers) as answer:
            seen.request_id = answer.headers["x-request-id"]
            if seen.kind == "json":
                data = json.loads(await answer.aread())
                assert answer.status_code == 200, data
                seen.output = data["usage"]["completion_tokens"]
                seen.completed = True
                return
            assert answer.status_code == 200
            hang_up = self.chance.randrange(1, 8) if seen.kind == "disconnect" else 10_000
            async for line in answer.aiter_lines():
                if line == "data: [DONE]":
                    seen.completed = True
                elif line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    for choice in event["choices"]:
                        seen.text += choice["delta"].get("content", "")
                    if event.get("usage"):
                        seen.output = event["usage"]["completion_tokens"]
                    hang_up -= 1
                    if hang_up == 0:
                        seen.left_at = time.monotonic()
                        return


async def _prepare(installation: Installation, double: OpenAIDouble) -> str:
    """A channel, a price and a token; the token's key."""
    running = await installation.start()
    try:
        async with api(running.url) as client:
            channel = {"name": "double", "base_url": double.url, "models": [MODEL]}
            await made(client, "/channels", {**channel, "provider": "openai"})
            await made(client, "/prices", {"model": MODEL, "input": "1", "output": "2"})
            await made(client, "/groups", {"id": "team"})
            token = await made(client, "/tokens", {"group_id": "team", "name": "t"})
    finally:
        await running.terminate()
    return str(token["key"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
async def test_after_every_kill_the_ledger_equals_what_the_clients_saw(
    tmp_path: Path, empty_database_url: URL
) -> None:
    url = empty_database_url.render_as_string(hide_password=False)
    installation = Installation(tmp_path, PAIFANG_DB_URL=url, PAIFANG_GATEWAY_WELCOME="false")
    kills = count(10, 50)
    killed_at: list[float] = []
    async with OpenAIDouble() as double:
        load = Load(await _prepare(installation, double))
        clients: list[asyncio.Task[None]] = []
        running: Running | None = None
        try:
            for _ in range(kills):
                running = await installation.start("serve", "--only", "gateway")
                load.url = running.url
                clients = clients or [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
                await asyncio.sleep(load.chance.uniform(0.2, 1.2))
                killed_at.append(time.monotonic())
                await running.kill()
            running = await installation.start("serve", "--only", "gateway")
            load.url = running.url
            await asyncio.sleep(1.0)
            load.stopping = True
            await asyncio.gather(*clients)
            assert await running.terminate() == 0, running.text
        finally:
            for client in clients:
                client.cancel()
            if running is not None and running.process.returncode is None:
                await running.kill()
    await _check(Database(empty_database_url), load, killed_at)


async def _check(db: Database, load: Load, killed_at: list[float]) -> None:
    async with db.reading() as session:
        logs = list(await session.scalars(select(Log)))
        token = (await session.scalars(select(Token))).one()
        group = (await session.scalars(select(Group))).one()
        channel = (await session.scalars(select(Channel))).one()
        cost = await session.scalar(select(func.sum(Log.cost)))
    await db.close()

    twice = [name for name, times in Counter(log.user_agent for log in logs).items() if times > 1]
    assert twice == []
    by_name = {log.user_agent: log for log in logs}
    assert set(by_name) <= set(load.calls), "no call that nobody made"

    completed = {name: seen for name, seen in load.calls.items() if seen.completed}
    assert len(completed) > 10 * len(killed_at), "the test is worth nothing without calls"
    missing = [name for name in completed if name not in by_name]
    assert missing == []
    for name, seen in completed.items():
        log = by_name[name]
        assert (log.outcome, log.output, log.input) == ("completed", seen.output, 3), name
        assert log.request_id == seen.request_id
        assert log.cost == 3 * INPUT_PRICE + seen.output * OUTPUT_PRICE

    left = {name: seen for name, seen in load.calls.items() if seen.left_at is not None}
    assert left
    for name, seen in left.items():
        assert seen.left_at is not None
        # A client may still read what the kernel holds for it when the gateway is dead.
        cut = any(seen.began_at <= kill < seen.left_at + NOTICED for kill in killed_at)
        assert name in by_name or cut, f"{name} left and was never billed"
        if name in by_name:
            # What was delivered is billed: what it saw before the hang-up, and what was on its way.
            log = by_name[name]
            assert log.outcome in {"client_gone", "completed"}
            if log.estimated:
                assert _tokens(seen.text) <= log.output <= _tokens(WHOLE)
            else:
                assert log.output == PIECES

    assert token.used == group.used == channel.used == cost
    assert token.requests == group.requests == channel.requests == len(logs)


def _tokens(text: str) -> int:
    """What a text costs when nobody says: the relay's own estimate."""
    count = TextCount()
    count.add(text)
    return count.tokens
