"""Calls that succeed, and what is recorded of them."""

import asyncio
import json
import time

import httpx
import pytest

from doubles.openai_upstream import Behaviour, OpenAIDouble
from doubles.relay_server import GROUP, INTERNAL_KEY, KEY, RelayServer, channel, snapshot, token
from paifang.modules.gateway.relay import credential
from paifang.modules.gateway.relay.snapshot import Price

pytestmark = pytest.mark.parametrize("server", ["own", "asgi"], indirect=True)

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}


def events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]


async def test_a_call_is_forwarded_and_recorded(relay: RelayServer, client, upstream: OpenAIDouble):
    upstream.behaviours["chat"] = Behaviour(
        cached=1, reasoning=1, headers={"openai-processing-ms": "7", "set-cookie": "a=b"}
    )
    raw = json.dumps(CHAT, indent=3).encode()
    answer = await client.post("/chat/completions", content=raw)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "word0 word1 word2 "
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["openai-processing-ms"] == "7"
    assert "set-cookie" not in answer.headers

    seen = upstream.requests[0]
    assert seen.body == raw  # byte for byte
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == "Bearer sk-upstream-secret"
    assert seen.headers["user-agent"] == "paifang"

    record = await relay.record()
    assert record.request_id == answer.headers["x-request-id"] == seen.headers["x-request-id"]
    assert len(record.request_id) == 32
    assert record.request_id[12] == "7"
    assert (record.status, record.outcome, record.error) == (200, "completed", "")
    assert (record.group_id, record.token_id, record.purpose) == ("g1", "t1", "api")
    assert (record.model, record.upstream_model, record.endpoint) == (
        "chat",
        "chat",
        "/v1/chat/completions",
    )
    assert (record.channel_id, record.channel_name, record.attempts) == ("c1", "double", 1)
    assert (record.input, record.cached_input, record.output, record.reasoning) == (2, 1, 2, 1)
    assert record.cost == 2 * 1000 + 100 + 2 * 2000 + 3000 + 5
    assert record.price_id == "price-1"
    assert not record.stream
    assert not record.estimated
    assert record.ip == "127.0.0.1"
    assert record.user_agent.startswith("python-httpx")
    assert 0 < record.duration_ms < 10_000


async def test_nothing_of_the_clients_headers_reaches_the_upstream(relay, client, upstream):
    await client.post(
        "/chat/completions",
        json=CHAT,
        headers={"cookie": "session=1", "x-secret": "2", "openai-organization": "org"},
    )
    assert set(upstream.requests[0].headers) == {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent",
        "authorization", "x-request-id",
    }  # fmt: skip


async def test_models_are_mapped_and_channels_bring_headers(server, client, upstream):
    made = channel(
        upstream.url, model_mapping={"chat": "upstream-chat"}, headers={"X-Project": "p"}
    )
    server.relay.use(snapshot({"chat": (made,)}))
    answer = await client.post("/chat/completions", json={**CHAT, "temperature": 0.5})
    assert answer.status_code == 200
    seen = upstream.requests[0]
    assert seen.data == {**CHAT, "model": "upstream-chat", "temperature": 0.5}
    assert seen.headers["x-project"] == "p"
    record = await server.record()
    assert (record.model, record.upstream_model) == ("chat", "upstream-chat")


@pytest.mark.parametrize(
    ("path", "body", "output"),
    [
        ("/completions", {"model": "chat", "prompt": "one two"}, 3),
        ("/embeddings", {"model": "chat", "input": ["one", "two"], "stream": "whatever"}, 0),
    ],
)
async def test_the_other_endpoints(relay, client, path, body, output):
    answer = await client.post(path, json=body)
    assert answer.status_code == 200
    record = await relay.record()
    assert record.endpoint == f"/v1{path}"
    assert record.output == output
    assert record.cost > 5


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY}"},
        {"authorization": KEY},
        {"authorization": f"Bearer sk-{KEY}"},
        {"authorization": f"sk-{KEY}"},
        {"x-api-key": KEY},
        {"x-api-key": f"sk-{KEY}", "authorization": "Bearer"},
    ],
)
async def test_a_key_may_come_in_several_ways(relay, headers):
    async with httpx.AsyncClient() as plain:
        answer = await plain.post(f"{relay.url}/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 200


async def test_an_internal_credential_calls_for_a_person(relay, client):
    bearer = credential.make(INTERNAL_KEY, GROUP.id, "person-9", "playground", time.time())
    answer = await client.post(
        "/chat/completions", json=CHAT, headers={"authorization": f"Bearer {bearer}"}
    )
    assert answer.status_code == 200
    record = await relay.record()
    assert (record.token_id, record.token_name) == (None, "")
    assert (record.group_id, record.person, record.purpose) == ("g1", "person-9", "playground")
    assert record.cost > 0


async def test_the_models_a_key_may_call_are_listed(server, client, upstream):
    made = (channel(upstream.url),)
    mine = token(models=frozenset({"b", "org/c"}))
    server.relay.use(snapshot({"a": made, "b": made, "org/c": made, "none": ()}, (KEY, mine)))
    listed = (await client.get("/models")).json()
    assert [model["id"] for model in listed["data"]] == ["b", "org/c"]
    assert listed["object"] == "list"
    assert (await client.get("/models/org/c")).json()["id"] == "org/c"
    refused = await client.get("/models/a")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert server.records == []  # a list is no call


async def test_a_stream_passes_and_the_usage_we_asked_for_does_not(relay, client, upstream):
    answer = await client.post("/chat/completions", json={**CHAT, "stream": True})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-store"
    found = events(answer.text)
    assert found[-1] == "[DONE]"
    assert all(json.loads(e)["choices"] for e in found[:-1])
    assert upstream.requests[0].data["stream_options"] == {"include_usage": True}
    record = await relay.record()
    assert record.stream
    assert (record.input, record.output, record.estimated) == (3, 3, False)
    assert record.first_byte_ms is not None


async def test_a_stream_whose_usage_was_asked_for_passes_byte_for_byte(relay, client, upstream):
    raw = json.dumps({**CHAT, "stream": True, "stream_options": {"include_usage": True}}).encode()
    answer = await client.post("/chat/completions", content=raw)
    found = events(answer.text)
    assert json.loads(found[-2])["usage"]["total_tokens"] == 6
    assert json.loads(found[0])["usage"] is None
    assert upstream.requests[0].body == raw
    assert (await relay.record()).output == 3


async def test_other_stream_options_are_kept(relay, client, upstream):
    options = {"include_usage": False, "include_obfuscation": False}
    await client.post("/chat/completions", json={**CHAT, "stream": True, "stream_options": options})
    assert upstream.requests[0].data["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }


@pytest.mark.parametrize(
    "how",
    [
        Behaviour(pieces=40, chunk_bytes=7),
        Behaviour(pieces=40, word="牌坊é", chunk_bytes=3),
        Behaviour(pieces=40, comments=5, chunk_bytes=11),
        Behaviour(pieces=40, done=False),
        Behaviour(pieces=40, usage="each"),
        Behaviour(pieces=40, usage="last"),
        Behaviour(pieces=40, linger=0.2),
    ],
)
async def test_however_a_stream_comes_it_is_whole_and_metered(relay, client, upstream, how):
    upstream.behaviours["chat"] = how
    answer = await client.post("/chat/completions", json={**CHAT, "stream": True})
    found = events(answer.text)
    assert (found[-1] == "[DONE]") is how.done
    text = "".join(
        choice["delta"].get("content", "")
        for event in found
        if event != "[DONE]"
        for choice in json.loads(event)["choices"]
    )
    assert text == "".join(f"{how.word}{i} " for i in range(40))
    record = await relay.record()
    assert (record.outcome, record.input, record.output) == ("completed", 3, 40)
    assert not record.estimated


async def test_the_record_is_written_before_the_end_of_a_stream_is_sent(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(gap=0.05)
    body = {**CHAT, "stream": True}
    async with client.stream("POST", "/chat/completions", json=body) as answer:
        lines = answer.aiter_lines()
        assert "word0" in await anext(lines)
        assert relay.records == []
        async for line in lines:
            if line == "data: [DONE]":
                break
        assert len(relay.records) == 1


async def test_an_upstream_that_lingers_after_done_does_not_keep_the_client(
    relay, client, upstream
):
    upstream.behaviours["chat"] = Behaviour(linger=30)
    async with asyncio.timeout(10):
        await client.post("/chat/completions", json={**CHAT, "stream": True})
        await upstream.requests[0].disconnected.wait()


async def test_connections_to_the_upstream_are_used_again_after_streams(relay, client, upstream):
    for _ in range(5):
        await client.post("/chat/completions", json={**CHAT, "stream": True})
        await client.post("/chat/completions", json=CHAT)
    assert upstream.connections == 1


async def test_without_numbers_usage_is_estimated_and_marked(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(usage="no", pieces=10)
    await client.post("/chat/completions", json=CHAT)
    await client.post("/chat/completions", json={**CHAT, "stream": True})
    await relay.record(2)
    for record in relay.records:
        assert record.estimated
        assert record.input == 8  # 13 characters in a message
        assert record.output == 15  # 60 characters
        assert record.cost == 8 * 1000 + 15 * 2000 + 5


async def test_a_stream_answered_with_json_becomes_a_stream(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(as_json=True)
    answer = await client.post("/chat/completions", json={**CHAT, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    first, done = events(answer.text)
    assert done == "[DONE]"
    chunk = json.loads(first)
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["choices"][0]["delta"]["content"] == "word0 word1 word2 "
    assert chunk["choices"][0]["finish_reason"] == "stop"
    record = await relay.record()
    assert (record.input, record.output, record.estimated) == (3, 3, False)


async def test_without_a_price_the_cost_is_unknown_and_flagged(server, client, upstream):
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, prices={}))
    assert (await client.post("/chat/completions", json=CHAT)).status_code == 200
    record = await server.record()
    assert (record.cost, record.price_id, record.output) == (None, None, 3)
    server.relay.counters.settle()
    assert server.relay.counters.unpriced == {"chat": 1}


async def test_a_price_of_the_future_does_not_hold_yet(server, client, upstream):
    prices = {"chat": (Price("later", 4e9, request=99), Price("now", 0, request=1))}
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, prices=prices))
    await client.post("/chat/completions", json=CHAT)
    assert (await server.record()).price_id == "now"


async def test_counters_tell_what_happened(relay, client):
    await client.post("/chat/completions", json=CHAT)
    await client.post("/chat/completions", json={**CHAT, "model": "made-up"})
    await client.post("/chat/completions", json=CHAT, headers={"authorization": "Bearer no"})
    counters = relay.relay.counters
    counters.settle()
    assert counters.calls == {
        ("chat", "double", "completed", 200): 1,
        ("", "", "refused", 404): 1,
    }
    assert counters.tokens == {("chat", "input"): 3, ("chat", "output"): 3}
    assert counters.cost == {"chat": 9005}
    assert counters.unauthenticated == {"invalid_api_key": 1}
    assert sum(counters.duration["chat"].counts) == 1
    assert counters.duration["chat"].total > 0


async def test_hundred_calls_at_once_are_all_answered_and_recorded(relay, client):
    answers = await asyncio.gather(
        *(
            client.post("/chat/completions", json={**CHAT, "stream": bool(i % 2)})
            for i in range(100)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    await relay.record(100)
    assert {r.request_id for r in relay.records} == {a.headers["x-request-id"] for a in answers}
    assert relay.relay.in_flight == 0
