"""Everything at once: nothing is lost, billed twice, or left behind."""

import asyncio
import random

import httpx

from doubles.relay_server import KEY, channel, snapshot, token
from paifang.modules.gateway.relay.snapshot import Limits, Timeouts

MESSAGES = [{"role": "user", "content": "one two three"}]
MODELS = [
    "m:pieces=5",
    "m:pieces=20,gap=0.01",
    "m:pieces=20,chunk_bytes=5",
    "m:usage=no",
    "m:delay=0.2",
    "m:delay=9",
    "m:status=500",
    "m:status=429",
    "m:malformed=1",
    "m:error_body=1",
    "m:cut_after=2",
    "m:cut_after=0",
    "m:error_after=1",
    "m:done=0",
    "m:as_json=1",
    "m:gap=9",
]


async def call(
    client: httpx.AsyncClient, dice: random.Random, room: asyncio.Semaphore
) -> tuple[str, int, str] | None:
    """One call with whatever fate; what the client saw if it stayed to the end."""
    body = {"model": dice.choice(MODELS), "messages": MESSAGES, "stream": dice.random() < 0.6}
    patience = dice.choice([0.05, 0.2, 0.4, 20, 20])
    try:
        async with room, asyncio.timeout(patience):
            answer = await client.post("/chat/completions", json=body)
    except TimeoutError:
        return None
    return answer.headers["x-request-id"], answer.status_code, answer.text


async def test_what_clients_saw_is_what_was_recorded(server, upstream):
    dice = random.Random(20)
    room = asyncio.Semaphore(40)
    waits = Timeouts(connect=2, first_byte=1, idle=1)
    channels = tuple(
        channel(upstream.url, id=f"c{i}", name=f"c{i}", timeouts=waits) for i in range(2)
    )
    limited = token(limits=Limits(concurrency=30, tpm=10**9), quota=10**15)
    server.relay.use(snapshot(dict.fromkeys(MODELS, channels), (KEY, limited)))
    headers = {"authorization": f"Bearer {KEY}"}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=server.url, headers=headers, timeout=30, limits=limits
    ) as client:
        answers = await asyncio.gather(*(call(client, dice, room) for _ in range(300)))
    assert await server.relay.wait_idle(20)

    records = {record.request_id: record for record in server.records}
    assert len(records) == len(server.records) <= 300
    seen = [answer for answer in answers if answer is not None]
    assert len(seen) > 50
    for request_id, status, text in seen:
        record = records[request_id]
        assert record.status == status
        if record.outcome == "completed" and status == 200:
            assert "word0" in text
            assert record.output >= 3
        if record.outcome in {"completed", "interrupted"} and status == 200:
            assert record.cost > 5
        else:
            assert record.cost == 0
    outcomes = {record.outcome for record in records.values()}
    assert outcomes >= {"completed", "upstream_error", "client_gone", "interrupted"}

    admission = server.relay.admission
    assert admission.ledger.spent("t1") == sum(r.cost for r in records.values())
    assert admission.ledger._held == {}
    assert admission.limiter.held(("key", "t1", "concurrency")) == 0
    assert server.relay.in_flight == 0
    assert server.relay.young == set()
    assert server.pool.open_connections == server.pool.idle_connections
