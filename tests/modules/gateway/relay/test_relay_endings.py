"""Clients that leave, journals that are full, shutdowns."""

import asyncio
import json

import httpx
import pytest

from doubles.hostile_upstream import STREAM_HEAD, HostileUpstream, Peer, chunk, event, hang
from doubles.openai_upstream import Behaviour
from doubles.raw_client import chat, connected, request
from doubles.relay_server import KEY, channel, snapshot

pytestmark = pytest.mark.parametrize("server", ["own", "asgi"], indirect=True)

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**CHAT, "stream": True}
PATH = "/chat/completions"


def code(answer: httpx.Response) -> str:
    return answer.json()["error"]["code"]


def last_event(text: str) -> dict:
    assert text.endswith("\n\n")
    return json.loads(text.rstrip().split("\n\n")[-1].removeprefix("data: "))


# Clients that leave.


async def test_a_client_that_leaves_a_stream_cancels_it_and_pays_for_what_it_got(
    relay, client, upstream
):
    upstream.behaviours["chat"] = Behaviour(pieces=1000, gap=0.05)
    async with client.stream("POST", PATH, json=STREAM) as answer:
        got = 0
        async for line in answer.aiter_lines():
            got += "word" in line
            if got == 3:
                break
    seen = upstream.requests[0]
    async with asyncio.timeout(10):
        await seen.disconnected.wait()
    record = await relay.record()
    assert (record.outcome, record.status, record.error) == ("client_gone", 200, "client_gone")
    assert record.estimated
    assert record.input == 8
    # 6 characters a word: what it read, and perhaps one or two words on their way to it
    assert -(-3 * 6 // 4) <= record.output <= -(-min(seen.sent, 8) * 6 // 4)
    assert record.cost == record.input * 1000 + record.output * 2000 + 5
    assert relay.relay.in_flight == 0


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_client_that_leaves_before_the_answer_cancels_it_and_pays_nothing(
    relay, client, upstream, body
):
    upstream.behaviours["chat"] = Behaviour(delay=30)
    call = asyncio.create_task(client.post(PATH, json=body))
    seen = await upstream.wait_for(1)
    call.cancel()
    async with asyncio.timeout(10):
        await seen.disconnected.wait()
    record = await relay.record()
    assert (record.outcome, record.status) == ("client_gone", 499)
    assert (record.cost, record.input, record.output) == (0, 0, 0)
    assert record.attempts == 1


async def test_a_client_that_leaves_while_it_sends_is_recorded(relay, client):
    port = int(relay.url.split(":")[2].split("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    key = client.headers["authorization"]
    writer.write(
        f"POST /v1{PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\n"
        "content-length: 100\r\n\r\n{".encode()
    )
    await writer.drain()
    await asyncio.sleep(0.05)  # let it begin: a request that never began is nobody's
    writer.close()
    record = await relay.record()
    assert (record.outcome, record.status, record.model) == ("client_gone", 499, "")


async def test_a_client_that_does_not_read_holds_the_upstream_back_and_may_leave(
    relay, client, upstream
):
    upstream.behaviours["chat"] = Behaviour(pieces=100_000, word="x" * 2000)
    async with client.stream("POST", PATH, json=STREAM) as answer:
        raw = answer.aiter_raw()  # kept: httpx closes the answer with its iterator
        await anext(raw)
        seen = upstream.requests[0]
        before = -1
        async with asyncio.timeout(20):
            while seen.sent != before:  # until nothing moves any more
                before = seen.sent
                await asyncio.sleep(0.3)
        assert seen.sent < 50_000
    async with asyncio.timeout(10):
        await seen.disconnected.wait()
    assert (await relay.record()).outcome == "client_gone"


# The journal.


async def test_an_answer_that_cannot_be_recorded_is_withheld(relay, client, upstream):
    relay.journal.full = True
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, code(answer)) == (503, "journal_full")
    assert "word0" not in answer.text
    answer = await client.post(PATH, json=CHAT)  # no upstream is asked any more
    assert (answer.status_code, code(answer)) == (503, "journal_full")
    assert answer.headers["retry-after"] == "5"
    assert len(upstream.requests) == 1
    relay.journal.full = False
    relay.relay._journal_full_until = 0.0
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    assert relay.relay.counters.journal_full == 1


async def test_a_stream_that_cannot_be_recorded_does_not_end_well(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(gap=0.05)
    text = ""
    async with client.stream("POST", PATH, json=STREAM) as answer:
        async for piece in answer.aiter_text():
            text += piece
            relay.journal.full = True
    assert answer.status_code == 200
    assert "[DONE]" not in text
    assert last_event(text)["error"]["code"] == "journal_full"


async def test_a_short_stream_that_cannot_be_recorded_is_withheld(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(as_json=True)
    relay.journal.full = True
    answer = await client.post(PATH, json=STREAM)
    assert (answer.status_code, code(answer)) == (503, "journal_full")


async def test_a_refusal_that_cannot_be_recorded_says_so(relay, client):
    relay.journal.full = True
    answer = await client.post(PATH, json={**CHAT, "model": "absent"})
    assert (answer.status_code, code(answer)) == (503, "journal_full")


# The end.


async def test_draining_refuses_new_calls_and_finishes_old_ones(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(delay=0.3)
    call = asyncio.create_task(client.post(PATH, json=STREAM))
    await upstream.wait_for(1)
    relay.relay.drain()
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, code(answer)) == (503, "shutting_down")
    assert answer.headers["retry-after"] == "1"
    assert not await relay.relay.wait_idle(0.01)
    assert relay.relay.in_flight == 1
    assert await relay.relay.wait_idle(10)
    assert (await call).text.endswith("data: [DONE]\n\n")
    assert await relay.relay.wait_idle(0)


async def test_closing_ends_what_is_in_flight_and_records_it(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(gap=30)
    waiting = asyncio.create_task(client.post(PATH, json={**CHAT, "model": "chat"}))
    await upstream.wait_for(1)
    assert (await waiting).status_code == 200
    upstream.script = [Behaviour(gap=30), Behaviour(delay=30)]
    async with client.stream("POST", PATH, json=STREAM) as answer:
        pieces = answer.aiter_text()
        text = await anext(pieces)
        late = asyncio.create_task(client.post(PATH, json=CHAT))
        await upstream.wait_for(3)
        await relay.relay.close()
        async for piece in pieces:
            text += piece
    assert last_event(text)["error"]["code"] == "shutting_down"
    answer = await late
    assert (answer.status_code, code(answer)) == (503, "shutting_down")
    await relay.record(3)
    by_stream = {record.stream: record for record in relay.records[1:]}
    assert (by_stream[True].outcome, by_stream[True].output) == ("interrupted", 2)
    assert (by_stream[False].outcome, by_stream[False].status) == ("refused", 503)


async def test_a_stream_that_waits_behind_an_unread_answer_is_refused_by_a_shutdown(
    server, upstream
):
    """Nothing of it is on its way yet: it is a whole refusal, and costs nothing."""
    said = asyncio.Event()

    async def tell(_: Peer) -> None:
        said.set()

    upstream.behaviours["large"] = Behaviour(word="x" * 2_500_000)
    port = int(server.url.split(":")[2].split("/")[0])
    async with (
        HostileUpstream([STREAM_HEAD, chunk(event("late")), tell, hang]) as slow,
        connected(port, receive_buffer=65536) as client,
    ):
        channels = {"large": (channel(upstream.url),), "late": (channel(slow.url, id="c2"),)}
        server.relay.use(snapshot(channels))
        client.writer.transport.pause_reading()
        await client.send(request(chat("large"), key=KEY))
        await server.record(1)
        await client.send(request(chat("late", stream=True), key=KEY))
        await said.wait()
        await asyncio.sleep(0.1)  # let the piece come to where it waits
        closing = asyncio.create_task(server.relay.close())
        await server.record(2)
        client.writer.transport.resume_reading()
        assert (await client.answer()).status == 200
        answer = await client.answer()
        await closing
    assert (answer.status, answer.code) == (503, "shutting_down")
    record = server.records[1]
    assert answer.headers["x-request-id"] == record.request_id
    assert (record.outcome, record.status, record.error) == ("refused", 503, "shutting_down")
    assert (record.cost, record.first_byte_ms) == (0, None)
