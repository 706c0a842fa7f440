"""The unmodified ``openai`` package as the client."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from doubles.openai_upstream import Behaviour, OpenAIDouble
from doubles.relay_server import KEY, RelayServer, channel, snapshot, token
from paifang.modules.gateway.relay.snapshot import Limits

MESSAGES = [{"role": "user", "content": "one two three"}]


@pytest.fixture
async def sdk(relay: RelayServer) -> AsyncIterator[openai.AsyncOpenAI]:
    """The package's own client, which gives up at the first error."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=relay.url, max_retries=0) as made:
        yield made


async def test_chat(sdk, relay):
    answer = await sdk.chat.completions.create(model="chat", messages=MESSAGES)
    assert answer.choices[0].message.content == "word0 word1 word2 "
    assert answer.usage.total_tokens == 6
    assert answer._request_id == (await relay.record()).request_id


async def test_chat_from_a_thread_with_the_synchronous_client(relay):
    def ask() -> str:
        with openai.OpenAI(api_key=f"sk-{KEY}", base_url=relay.url, max_retries=0) as sdk:
            return sdk.chat.completions.create(model="chat", messages=MESSAGES).choices[0].message

    assert (await asyncio.to_thread(ask)).content == "word0 word1 word2 "


async def test_a_stream_without_usage(sdk, relay):
    stream = await sdk.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "word0 word1 word2 "
    assert all(chunk.usage is None for chunk in chunks)
    record = await relay.record()
    assert (record.input, record.output, record.estimated) == (3, 3, False)


async def test_a_stream_with_usage(sdk, relay):
    stream = await sdk.chat.completions.create(
        model="chat", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3
    assert (await relay.record()).output == 3


async def test_completions_and_their_streams(sdk, relay):
    answer = await sdk.completions.create(model="chat", prompt="one two")
    assert answer.choices[0].text == "word0 word1 word2 "
    stream = await sdk.completions.create(model="chat", prompt="one two", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "word0 word1 word2 "
    await relay.record(2)
    assert [(r.input, r.output) for r in relay.records] == [(2, 3), (2, 3)]


async def test_embeddings(sdk, relay):
    answer = await sdk.embeddings.create(model="chat", input=["one two", "three"])
    assert [item.embedding for item in answer.data] == [[0.25, -0.5], [0.25, -0.5]]
    record = await relay.record()
    assert (record.input, record.output) == (3, 0)


async def test_models(sdk):
    assert [model.id async for model in sdk.models.list()] == ["chat"]
    assert (await sdk.models.retrieve("chat")).id == "chat"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("absent")


async def test_errors_have_their_classes(sdk, server, upstream):
    with pytest.raises(openai.AuthenticationError) as wrong_key:
        await sdk.with_options(api_key="pf_live_wrong").models.list()
    assert wrong_key.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as absent:
        await sdk.chat.completions.create(model="absent", messages=MESSAGES)
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")
    assert absent.value.request_id
    upstream.behaviours["chat"] = Behaviour(status=400)
    with pytest.raises(openai.BadRequestError, match="the double says 400"):
        await sdk.chat.completions.create(model="chat", messages=MESSAGES)
    upstream.behaviours["chat"] = Behaviour(status=401)
    with pytest.raises(openai.InternalServerError) as ours:
        await sdk.chat.completions.create(model="chat", messages=MESSAGES)
    assert ours.value.status_code == 502
    made = {"chat": (channel(upstream.url),)}
    server.relay.use(snapshot(made, (KEY, token(limits=Limits(rpm=0)))))
    with pytest.raises(openai.RateLimitError) as limited:
        await sdk.chat.completions.create(model="chat", messages=MESSAGES)
    assert limited.value.code == "rate_limit_exceeded"


async def test_the_clients_own_retries_wait_as_they_are_told(relay, sdk, upstream):
    upstream.script = [Behaviour(status=429, retry_after="1")]
    patient = sdk.with_options(max_retries=2)
    answer = await patient.chat.completions.create(model="chat", messages=MESSAGES)
    assert answer.choices[0].message.content == "word0 word1 word2 "
    assert len(upstream.requests) == 2
    assert [record.status for record in relay.records][-1] == 200


async def test_a_stream_that_breaks_off_raises(sdk, relay, upstream):
    upstream.behaviours["chat"] = Behaviour(pieces=5, cut_after=2, gap=0.02)
    stream = await sdk.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
    text = ""
    with pytest.raises(openai.APIError, match="closed the connection"):
        async for chunk in stream:
            text += chunk.choices[0].delta.content
    assert text == "word0 word1 "
    assert (await relay.record()).outcome == "interrupted"


async def test_a_client_that_times_out_cancels_the_upstream(sdk, relay, upstream):
    upstream.behaviours["chat"] = Behaviour(delay=30)
    with pytest.raises(openai.APITimeoutError):
        await sdk.with_options(timeout=0.3).chat.completions.create(model="chat", messages=MESSAGES)
    async with asyncio.timeout(10):
        await upstream.requests[0].disconnected.wait()
    assert (await relay.record()).outcome == "client_gone"


async def test_a_stream_that_is_closed_is_cancelled_and_billed_in_part(
    sdk, relay, upstream: OpenAIDouble
):
    upstream.behaviours["chat"] = Behaviour(pieces=1000, gap=0.05)
    stream = await sdk.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
    got = 0
    async for chunk in stream:
        got += bool(chunk.choices[0].delta.content)
        if got == 3:
            break
    await stream.close()
    async with asyncio.timeout(10):
        await upstream.requests[0].disconnected.wait()
    record = await relay.record()
    assert (record.outcome, record.estimated) == ("client_gone", True)
    assert 5 <= record.output <= 12
    assert 0 < record.cost < 1000 * 2000
