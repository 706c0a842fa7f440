"""Upstreams that fail, clients that leave, journals that are full."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from doubles.openai_upstream import Behaviour, OpenAIDouble
from doubles.relay_server import TIMEOUTS, RelayServer, channel, relay_server, snapshot
from paifang.modules.gateway.relay.local import LocalModelError
from paifang.modules.gateway.relay.snapshot import Channel, Timeouts

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**CHAT, "stream": True}
PATH = "/chat/completions"


def code(answer: httpx.Response) -> str:
    return answer.json()["error"]["code"]


def last_event(text: str) -> dict:
    assert text.endswith("\n\n")
    return json.loads(text.rstrip().split("\n\n")[-1].removeprefix("data: "))


@pytest.fixture
async def spare() -> AsyncIterator[OpenAIDouble]:
    """A second upstream."""
    async with OpenAIDouble() as double:
        yield double


@pytest.fixture
def two(server: RelayServer, upstream: OpenAIDouble, spare: OpenAIDouble) -> RelayServer:
    """A relay with two channels for ``chat``; ``upstream`` is asked first."""
    first = channel(upstream.url, priority=1)
    second = channel(spare.url, id="c2", name="spare")
    server.relay.use(snapshot({"chat": (first, second)}))
    return server


@pytest.mark.parametrize("body", [CHAT, STREAM])
@pytest.mark.parametrize(
    "how",
    [
        Behaviour(status=500),
        Behaviour(status=529),
        Behaviour(status=429),
        Behaviour(status=401),
        Behaviour(status=402),
        Behaviour(status=302),
        Behaviour(status=999),
        Behaviour(malformed=True),
        Behaviour(error_body=True),
        Behaviour(cut_after=0),
        Behaviour(headers={"content-encoding": "gzip"}),
    ],
)
async def test_another_channel_answers_when_the_first_one_fails(
    two, client, upstream, *, spare, how, body
):
    upstream.behaviours["chat"] = how
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200
    assert "word0" in answer.text
    assert len(upstream.requests) == len(spare.requests) == 1
    record = await two.record()
    assert (record.channel_id, record.attempts, record.outcome) == ("c2", 2, "completed")
    assert sum(two.relay.counters.failed_attempts.values()) == 1


async def test_another_channel_answers_when_a_stream_has_nothing_but_comments(
    two, client, upstream
):
    upstream.behaviours["chat"] = Behaviour(pieces=0, done=False, finish=False, comments=2)
    answer = await client.post(PATH, json=STREAM)
    assert "word0" in answer.text
    assert "still thinking" not in answer.text
    assert (await two.record()).attempts == 2


async def test_a_refusal_that_is_about_the_request_is_not_tried_elsewhere(
    two, client, upstream, spare
):
    upstream.behaviours["chat"] = Behaviour(status=400, error_code="bad_temperature")
    answer = await client.post(PATH, json=CHAT)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "the double says 400"
    assert spare.requests == []
    record = await two.record()
    assert (record.outcome, record.status, record.error) == ("completed", 400, "bad_temperature")
    assert record.cost == 0


async def test_an_upstream_that_is_away_is_passed_over(server, client, upstream, unused_tcp_port):
    away = channel(f"http://127.0.0.1:{unused_tcp_port}/v1", priority=1)
    server.relay.use(snapshot({"chat": (away, channel(upstream.url, id="c2"))}))
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    server.relay.use(snapshot({"chat": (away,)}))
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, code(answer)) == (502, "upstream_unreachable")
    assert str(unused_tcp_port) not in answer.text
    record = await server.record(2)
    assert (record.outcome, record.status, record.cost) == ("upstream_error", 502, 0)


async def test_at_most_so_many_channels_are_asked(server, client, upstream):
    upstream.behaviours["chat"] = Behaviour(status=500)
    channels = tuple(channel(upstream.url, id=f"c{i}") for i in range(5))
    server.relay.use(snapshot({"chat": channels}))
    answer = await client.post(PATH, json=CHAT)
    assert answer.status_code == 500
    assert len(upstream.requests) == 3
    assert (await server.record()).attempts == 3


@pytest.mark.parametrize("status", [401, 403])
async def test_a_rejected_credential_of_ours_does_not_look_like_the_clients(
    relay, client, upstream, status
):
    upstream.behaviours["chat"] = Behaviour(status=status, error_code="invalid_api_key")
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, code(answer)) == (502, "upstream_auth_failed")
    assert "the double says" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("how", "status", "expected"),
    [
        (Behaviour(status=429, error_code="insufficient_quota"), 502, "upstream_quota_exhausted"),
        (Behaviour(status=402), 502, "upstream_quota_exhausted"),
        (Behaviour(status=503, malformed=True), 503, "upstream_error"),
        (Behaviour(status=404, malformed=True), 404, "upstream_error"),
        (Behaviour(status=307), 502, "upstream_protocol"),
        (Behaviour(malformed=True), 502, "upstream_protocol"),
        (Behaviour(error_body=True), 502, None),
        (Behaviour(cut_after=0), 502, "upstream_reset"),
    ],
)
async def test_failures_are_told_in_openais_shape(
    relay, client, upstream, *, how, status, expected
):
    upstream.behaviours["chat"] = how
    answer = await client.post(PATH, json=CHAT)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert code(answer) == expected
    assert (await relay.record()).status == status


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_an_upstream_that_does_not_begin_is_given_up(server, client, upstream, body):
    waits = Timeouts(connect=1, first_byte=0.2, idle=5)
    server.relay.use(snapshot({"chat": (channel(upstream.url, timeouts=waits),)}))
    upstream.behaviours["chat"] = Behaviour(delay=30)
    answer = await client.post(PATH, json=body)
    assert (answer.status_code, code(answer)) == (504, "upstream_timeout")
    await upstream.requests[0].disconnected.wait()


async def test_retry_after_is_honoured_and_passed_on(two, client, upstream, spare):
    upstream.behaviours["chat"] = Behaviour(status=429, retry_after="30")
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    upstream.behaviours.clear()
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    assert (len(upstream.requests), len(spare.requests)) == (1, 2)  # it is left alone
    spare.behaviours["chat"] = Behaviour(status=503, retry_after="7")
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    answer = await client.post(PATH, json=CHAT)  # all of them cool
    assert (answer.status_code, code(answer)) == (503, "upstream_overloaded")
    assert 1 <= int(answer.headers["retry-after"]) <= 7
    assert (len(upstream.requests), len(spare.requests)) == (1, 3)
    record = await two.record(4)
    assert (record.outcome, record.attempts) == ("upstream_error", 0)


# Streams that break.


async def test_a_stream_that_breaks_off_ends_with_an_error_event(two, client, upstream, spare):
    upstream.behaviours["chat"] = Behaviour(pieces=10, cut_after=4, gap=0.02)
    answer = await client.post(PATH, json=STREAM)
    assert answer.status_code == 200
    assert last_event(answer.text)["error"]["code"] == "upstream_reset"
    assert "[DONE]" not in answer.text
    assert spare.requests == []  # content had gone out
    record = await two.record()
    assert (record.outcome, record.status, record.error) == ("interrupted", 200, "upstream_reset")
    assert record.estimated
    assert (record.input, record.output) == (8, 6)  # 4 words of 6 characters
    assert record.cost == 8 * 1000 + 6 * 2000 + 5


async def test_a_stream_that_stalls_ends_with_an_error_event(server, client, upstream):
    waits = Timeouts(connect=1, first_byte=5, idle=0.3)
    server.relay.use(snapshot({"chat": (channel(upstream.url, timeouts=waits),)}))
    upstream.behaviours["chat"] = Behaviour(gap=30)
    answer = await client.post(PATH, json=STREAM)
    assert last_event(answer.text)["error"]["code"] == "upstream_timeout"
    assert (await server.record()).outcome == "interrupted"
    await upstream.requests[0].disconnected.wait()


async def test_a_stream_that_ends_without_its_end_is_an_error(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(done=False, finish=False, usage="no")
    answer = await client.post(PATH, json=STREAM)
    assert last_event(answer.text)["error"]["code"] == "upstream_reset"
    assert (await relay.record()).outcome == "interrupted"


async def test_an_error_event_of_the_upstream_ends_the_stream(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(error_after=2)
    answer = await client.post(PATH, json=STREAM)
    assert last_event(answer.text)["error"]["message"] == "the model broke midway"
    assert answer.text.count('"error":') == 1
    record = await relay.record()
    assert (record.outcome, record.error, record.output) == ("interrupted", "upstream_error", 3)


async def test_a_large_request_is_billed_though_it_is_let_go_of(relay, client, upstream):
    upstream.behaviours["chat"] = Behaviour(pieces=4, cut_after=1)
    messages = [{"role": "user", "content": "four" * 50_000 + "牌" * 1000}]
    await client.post(PATH, json={**STREAM, "messages": messages})
    record = await relay.record()
    assert (record.outcome, record.input) == ("interrupted", 51_004)


# Local models.


class Runner:
    """Stands for the runner of local models."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.in_use = 0
        self.error: LocalModelError | None = None

    async def acquire(self, channel: Channel) -> str:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.in_use += 1
        return self.url

    def credential(self, channel: Channel) -> str:
        return "key-of-the-child"

    def release(self, channel: Channel) -> None:
        self.in_use -= 1


async def test_a_local_model_is_acquired_and_released(tmp_path, upstream):
    runner = Runner(upstream.url)
    async with relay_server(tmp_path / "j", local=runner) as server:
        made = channel("local:tiny", provider="local", credential="")
        server.relay.use(snapshot({"chat": (made,)}))
        headers = {"authorization": "Bearer pf_live_KeyOfTheTests0123456789_abcdef"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            for body in (CHAT, STREAM):
                assert (await client.post(PATH, json=body)).status_code == 200
                assert runner.in_use == 0
            assert upstream.requests[0].headers["authorization"] == "Bearer key-of-the-child"
            upstream.behaviours["chat"] = Behaviour(gap=30)
            async with client.stream("POST", PATH, json=STREAM) as answer:
                await anext(answer.aiter_raw())
                assert runner.in_use == 1
            assert (await server.record(3)).outcome == "client_gone"
            assert await server.relay.wait_idle(5)
            assert runner.in_use == 0
            runner.error = LocalModelError("no file /secret/path", retry_after=9.5)
            answer = await client.post(PATH, json=CHAT)
            assert (answer.status_code, code(answer)) == (503, "local_model_unavailable")
            assert answer.headers["retry-after"] == "10"
            assert "/secret" not in answer.text


async def test_each_call_of_a_local_model_has_a_connection_of_its_own(tmp_path, upstream):
    # Its engine may close a connection just after an answer, when the next call is on it.
    async with relay_server(tmp_path / "j", local=Runner(upstream.url)) as server:
        made = channel("local:tiny", provider="local", credential="")
        server.relay.use(snapshot({"chat": (made,)}))
        headers = {"authorization": "Bearer pf_live_KeyOfTheTests0123456789_abcdef"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            for _ in range(3):
                assert (await client.post(PATH, json=CHAT)).status_code == 200
        assert upstream.connections == 3


async def test_without_a_runner_local_models_are_unavailable(server, client):
    server.relay.use(snapshot({"chat": (channel("local:tiny", provider="local"),)}))
    answer = await client.post(PATH, json=CHAT)
    assert (answer.status_code, code(answer)) == (503, "local_model_unavailable")


@pytest.mark.parametrize("fields", [{"base_url": "ftp://x"}, {"credential": "a\r\nb: c"}])
async def test_a_channel_that_cannot_be_asked_is_passed_over(server, client, upstream, fields):
    wrong = channel(upstream.url, priority=1)
    wrong = channel(**{"url": upstream.url, "priority": 1, **fields})
    server.relay.use(snapshot({"chat": (wrong, channel(upstream.url, id="c2"))}))
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    assert (await server.record()).attempts == 2
    assert TIMEOUTS.idle == 5
