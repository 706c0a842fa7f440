"""``kill -9`` of the gateway at full speed: the ledger equals what the clients saw."""

import asyncio
import contextlib
import random
import time
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from sqlalchemy import URL, func, select

from counts import count
from doubles.full_speed import Seen, whole_answer
from doubles.installation import Installation, Running, api, made
from doubles.lean_upstream import MODEL, PIECES
from doubles.programs import Program, program
from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay.usage import TextCount
from paifang.modules.gateway.tokens.models import Token

SERVE = ("serve", "--only", "gateway")
INPUT_PRICE, OUTPUT_PRICE = 1_000, 2_000
"""Nanos per model token, from the prices set below."""
NOTICED = 10.0
"""Seconds after which the gateway has surely noticed that a client left, on a busy machine too."""
MANY = 100
"""Calls that are surely completed for each kill, on any machine."""
SHORT_LIVES = 4
"""After each so many kills, the next start is killed, too."""


@dataclass
class Story:
    """What happened to the gateway."""

    killed_at: list[float] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    """Logs in the database just after each kill."""


async def _prepare(installation: Installation, port: int) -> str:
    """A channel, a price and a token; the token's key."""
    running = await installation.start()
    try:
        async with api(running.url) as client:
            channel = {"name": "double", "base_url": f"http://127.0.0.1:{port}/v1"}
            await made(client, "/channels", {**channel, "models": [MODEL], "provider": "openai"})
            await made(client, "/prices", {"model": MODEL, "input": "1", "output": "2"})
            await made(client, "/groups", {"id": "team"})
            token = await made(client, "/tokens", {"group_id": "team", "name": "t"})
    finally:
        await running.terminate()
    return str(token["key"])


async def _life(installation: Installation, load: Program) -> Running:
    running = await installation.start(*SERVE)
    load.say(f"port {running.url.rpartition(':')[2]}")
    return running


async def _short_life(installation: Installation, seconds: float) -> None:
    """A start that is killed on its way, while it stores what the last kill left."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            running = await installation.start(*SERVE)
            await running.kill()


async def _live_and_die(
    installation: Installation, load: Program, db: Database, kills: int
) -> Story:
    """Start it, kill it, and so on; at last let it end as it should."""
    story = Story()
    chance = random.Random(7)
    running: Running | None = None
    try:
        for number in range(kills):
            began = time.monotonic()
            running = await _life(installation, load)
            took = time.monotonic() - began
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            story.killed_at.append(time.monotonic())
            await running.kill()
            story.stored.append(await _logs(db))
            if number % SHORT_LIVES == SHORT_LIVES - 1:
                await _short_life(installation, took * chance.uniform(0.6, 1.0))
        running = await _life(installation, load)
        await asyncio.sleep(1.0)
        found = await load.ask("stop")
        assert found["wrong"] == []
        assert await running.terminate() == 0, running.text
    finally:
        if running is not None and running.process.returncode is None:
            await running.kill()
    return story


@pytest.mark.timeout(count(900, 3600))
@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
async def test_after_every_kill_the_ledger_equals_what_the_clients_saw(
    tmp_path: Path, empty_database_url: URL
) -> None:
    url = empty_database_url.render_as_string(hide_password=False)
    installation = Installation(tmp_path, PAIFANG_DB_URL=url, PAIFANG_GATEWAY_WELCOME="false")
    file = tmp_path / "seen.jsonl"
    db = Database(empty_database_url)
    try:
        async with program("lean_upstream") as upstream:
            key = await _prepare(installation, (await upstream.hear())["port"])
            async with program("full_speed", key, str(file)) as load:
                story = await _live_and_die(installation, load, db, count(10, 50))
        calls = [Seen(**orjson.loads(line)) for line in file.read_bytes().splitlines()]
        await _check(db, story, calls)
    finally:
        await db.close()


_LOGS = select(
    Log.user_agent, Log.request_id, Log.outcome, Log.input, Log.output, Log.estimated, Log.cost
)


async def _logs(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(Log)) or 0


async def _check(db: Database, story: Story, calls: list[Seen]) -> None:
    async with db.reading() as session:
        logs = (await session.execute(_LOGS)).all()
        token = (await session.scalars(select(Token))).one()
        group = (await session.scalars(select(Group))).one()
        channel = (await session.scalars(select(Channel))).one()
        cost = await session.scalar(select(func.sum(Log.cost)))
    killed_at = story.killed_at
    by_id = {log.request_id: log for log in logs}

    # What nobody was told the id of was cut off, once per connection, or left very early.
    told = {seen.request_id for seen in calls}
    untold = Counter(log.user_agent for log in logs if log.request_id not in told)
    assert untold <= Counter(seen.agent for seen in calls if not seen.request_id)
    by_agent = {log.user_agent: log for log in logs}

    completed = [seen for seen in calls if seen.completed]
    assert len(completed) > MANY * len(killed_at), "the test is worth nothing without calls"
    assert {seen.kind for seen in completed} >= {"json", "stream", "plain"}
    assert len({seen.request_id for seen in completed}) == len(completed)
    missing = [seen for seen in completed if seen.request_id not in by_id]
    assert missing == []
    prompt, output, text = whole_answer()
    price = prompt * INPUT_PRICE + output * OUTPUT_PRICE
    for seen in completed:
        log = by_id[seen.request_id]
        found = (log.outcome, log.input, log.output, log.cost, log.user_agent)
        assert found == ("completed", prompt, output, price, seen.agent)

    left = [seen for seen in calls if seen.left_at is not None]
    assert left
    for seen in left:
        assert seen.left_at is not None
        # A client may still read what the kernel holds for it when the gateway is dead.
        cut = any(seen.began_at <= kill < seen.left_at + NOTICED for kill in killed_at)
        billed = by_id.get(seen.request_id, by_agent.get(seen.agent))
        assert billed is not None or cut, f"{seen} left and was never billed"
        if billed is not None:
            # What was delivered is billed: what it saw before the hang-up, and what was on its way.
            assert billed.outcome in {"client_gone", "completed"}
            if billed.estimated:
                assert seen.text_tokens <= billed.output <= _tokens(text)
            else:
                assert billed.output == PIECES

    assert token.used == group.used == channel.used == cost
    assert token.requests == group.requests == channel.requests == len(logs)

    # With nothing in the journal at a kill, nothing would have been at stake.
    began = sorted(seen.began_at for seen in calls if seen.request_id in by_id)
    waiting = [bisect(began, kill) - n for kill, n in zip(killed_at, story.stored, strict=True)]
    assert sum(number > 0 for number in waiting) > len(killed_at) / 2, waiting


def _tokens(text: str) -> int:
    """What a text costs when nobody says: the relay's own estimate."""
    count = TextCount()
    count.add(text)
    return count.tokens
