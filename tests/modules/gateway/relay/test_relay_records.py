"""Exactly one record per call: whatever the client sends, and whatever fails on the way to it."""

import asyncio
from typing import Any

import httpx
import pytest

from doubles.openai_upstream import Behaviour
from doubles.relay_server import KEY, channel, relay_server, snapshot
from paifang import server as web
from paifang.modules.gateway.relay import bill, call
from paifang.modules.gateway.relay.record import MAX_ERROR, MAX_IP, MAX_MODEL, MAX_USER_AGENT
from paifang.modules.gateway.relay.stats import MAX_FOREIGN_CODES

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**CHAT, "stream": True}
PATH = "/chat/completions"


def fault(*_: Any, **__: Any) -> Any:
    raise RecursionError("a fault of the estimator")


@pytest.mark.parametrize("name", ["estimate_prompt", "estimate_answer", "cost_of"])
@pytest.mark.parametrize("usage", ["no", "yes"])
@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_fault_in_metering_never_stops_the_record(
    relay, client, upstream, monkeypatch, *, body, usage, name
):
    upstream.behaviours["chat"] = Behaviour(usage=usage)
    monkeypatch.setattr(bill if name == "cost_of" else call, name, fault)
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200
    assert "word0" in answer.text
    record = await relay.record()
    assert (record.outcome, record.status, record.error) == ("completed", 200, "")
    if usage == "yes":
        assert (record.input, record.estimated) == (3, False)
    else:
        assert record.estimated
    if name == "cost_of":
        assert record.cost is None  # not known, which is not zero


async def test_a_fault_in_metering_never_stops_the_record_of_a_client_that_left(
    relay, client, upstream, monkeypatch
):
    upstream.behaviours["chat"] = Behaviour(pieces=1000, gap=0.05, usage="each")
    async with client.stream("POST", PATH, json=STREAM) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        monkeypatch.setattr("paifang.modules.gateway.relay.usage.AnswerCount.usage", fault)
    record = await relay.record()
    assert (record.outcome, record.input) == ("client_gone", 3)  # the provider's last numbers
    assert record.output >= 1


async def test_a_large_request_whose_prompt_cannot_be_estimated_is_recorded(
    relay, client, monkeypatch
):
    monkeypatch.setattr(call, "estimate_prompt", fault)
    body = {**STREAM, "user": "x" * 100_000}
    assert "[DONE]" in (await client.post(PATH, json=body)).text
    assert (await relay.record()).outcome == "completed"


async def test_a_fault_in_the_refusal_itself_leaves_a_record(relay, client, monkeypatch):
    async def broken(*_: Any) -> None:
        raise RuntimeError("a fault of the relay")

    monkeypatch.setattr(call.Call, "_refuse", broken)
    assert (await client.post(PATH, json={"model": "absent"})).status_code == 500
    record = await relay.record()
    assert (record.outcome, record.error) == ("interrupted", "internal_error")


async def test_deep_tools_are_refused_and_recorded(relay, client, upstream):
    deep = b'{"model":"chat","stream":true,"tools":' + b"[" * 900 + b"]" * 900 + b"}"
    assert (await client.post(PATH, content=deep)).status_code == 400
    assert (await relay.record()).outcome == "refused"
    assert upstream.requests == []


async def test_what_a_client_says_fits_the_record(relay, upstream):
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"authorization", KEY.encode()), (b"user-agent", b"u" * 60_000)],
        "client": ("9" * 70_000, 1),  # what a proxy passed on
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        body = b'{"model": "' + b"m" * 256 + b'"}'
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await relay.relay(scope, receive, send)
    assert sent[0]["status"] == 404
    record = await relay.record()
    assert record.ip == "9" * MAX_IP
    assert record.user_agent == "u" * MAX_USER_AGENT
    assert record.model == "m" * MAX_MODEL


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_an_answer_whose_record_is_refused_is_withheld(relay, client, monkeypatch, body):
    def refuse(_: bytes) -> None:
        raise ValueError("a journal record must have 1 to 65536 bytes")

    monkeypatch.setattr(relay.journal, "append", refuse)
    answer = await client.post(PATH, json=body)
    assert "[DONE]" not in answer.text
    assert "journal_full" in answer.text
    assert relay.relay.counters.journal_full == 1


async def test_an_upstreams_error_codes_are_bounded(relay, client, upstream):
    count = MAX_FOREIGN_CODES + 5
    upstream.script = [Behaviour(status=500, error_code=f"code_{i}") for i in range(count)]
    upstream.script.append(Behaviour(status=500, error_code="code_0"))
    upstream.script.append(Behaviour(status=500, error_code="Q" * 500))
    for _ in range(count + 2):
        assert (await client.post(PATH, json=CHAT)).status_code == 500
    await relay.record(count + 2)
    errors = [record.error for record in relay.records]
    assert errors[-8:] == ["code_63", *["other"] * 5, "code_0", "other"]
    assert max(map(len, errors)) <= MAX_ERROR
    assert len(relay.relay.counters.failed_attempts) == MAX_FOREIGN_CODES + 1


async def test_a_client_that_never_reads_is_dropped(tmp_path, upstream, monkeypatch):
    monkeypatch.setattr(web, "WRITE_TIMEOUT", 1.0)
    upstream.behaviours["chat"] = Behaviour(pieces=100_000, word="x" * 2000)
    sock = web.listen("127.0.0.1", 0)
    async with (
        relay_server(tmp_path / "journal", sock=sock) as running,
        httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=20) as client,
    ):
        running.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        async with client.stream("POST", running.url + PATH, json=STREAM) as answer:
            pieces = answer.aiter_raw()  # kept: httpx closes the answer with its iterator
            await anext(pieces)
            async with asyncio.timeout(20):
                await upstream.requests[0].disconnected.wait()
            assert running.relay.in_flight == 0
            record = await running.record()
    assert (record.outcome, record.error) == ("client_gone", "client_gone")
    assert record.output > 0
