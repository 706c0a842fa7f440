"""What a newcomer does: one command, then the unmodified ``openai`` package on a real model."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from doubles.installation import Installation, Running, api, running

MODEL = "smollm2-135m-instruct"

pytestmark = [pytest.mark.xdist_group("local model"), pytest.mark.timeout(300)]

Started = tuple[Installation, Running, AsyncOpenAI]


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Started]:
    """``paifang up`` in an empty folder, and a client with the key it printed."""
    installation = Installation(tmp_path)
    async with running(installation) as up:
        assert installation.first_key, f"no first token was printed:\n{up.text}"
        async with AsyncOpenAI(
            base_url=f"{up.url}/v1", api_key=installation.first_key, max_retries=0, timeout=120
        ) as client:
            yield installation, up, client


def _ask(text: str = "Say hello.") -> Any:
    return [{"role": "user", "content": text}]


async def _logs(up: Running, count: int) -> list[dict[str, Any]]:
    """The logs, newest first, once there are so many."""
    async with api(up.url) as client, asyncio.timeout(20):
        while True:
            items: list[dict[str, Any]] = (await client.get("/logs")).json()["items"]
            if len(items) >= count:
                return items
            await asyncio.sleep(0.05)


async def test_a_newcomers_first_calls_are_answered_by_a_real_model_and_metered(
    started: Started,
) -> None:
    _installation, up, client = started
    assert [model.id async for model in client.models.list()] == [MODEL]

    answer = await client.chat.completions.create(
        model=MODEL, messages=_ask("Name a colour."), max_tokens=16, temperature=0
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0

    plain = await client.chat.completions.create(
        model=MODEL, messages=_ask(), max_tokens=16, stream=True
    )
    chunks = [chunk async for chunk in plain]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert all(chunk.usage is None for chunk in chunks), "nobody asked for it"
    assert all(chunk.choices for chunk in chunks)

    asked = await client.chat.completions.create(
        model=MODEL,
        messages=_ask(),
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    usage = [chunk.usage async for chunk in asked if chunk.usage is not None]
    assert len(usage) == 1

    text = await client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8)
    assert text.choices[0].text

    embeddings = await client.embeddings.create(model=MODEL, input=["a tree", "a forest"])
    assert len(embeddings.data) == 2
    assert len(embeddings.data[0].embedding) > 100

    logs = await _logs(up, 5)
    assert [log["outcome"] for log in logs] == ["completed"] * 5
    assert not any(log["estimated"] or log["unpriced"] for log in logs), "the model's own numbers"
    chat = logs[-1]
    assert (chat["input"], chat["output"]) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert logs[2]["output"] == usage[0].completion_tokens


async def test_what_goes_wrong_is_raised_as_the_package_knows_it(started: Started) -> None:
    _installation, up, client = started
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="gpt-none", messages=_ask())
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="pf_live_wrong").models.list()
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="", messages=_ask())
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.3).chat.completions.create(
            model=MODEL, messages=_ask("Tell a long story."), max_tokens=2000
        )
    gone, *refused = await _logs(up, 3)
    assert gone["outcome"] == "client_gone"
    assert [log["outcome"] for log in refused] == ["refused", "refused"]


async def test_a_stream_that_is_left_stops_the_model_and_is_billed_for_what_came(
    started: Started,
) -> None:
    _installation, up, client = started
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=_ask("Tell a very long story."),
        max_tokens=3000,
        stream=True,
        extra_body={"ignore_eos": True},  # else it may be over before a slow client leaves
    )
    seen = 0
    async for chunk in stream:
        seen += bool(chunk.choices and chunk.choices[0].delta.content)
        if seen == 10:
            break
    await stream.close()
    gone = (await _logs(up, 1))[0]
    assert gone["outcome"] == "client_gone"
    assert gone["estimated"]
    assert 1 <= gone["output"] < 1000
    # The model is free again: the next short answer does not wait behind the long story.
    async with asyncio.timeout(30):
        await client.chat.completions.create(model=MODEL, messages=_ask(), max_tokens=4)


async def test_the_printed_curl_line_works_as_it_stands(started: Started) -> None:
    _installation, up, _client = started
    (line,) = [line.strip() for line in up.text.splitlines() if line.strip().startswith("curl ")]
    process = await asyncio.create_subprocess_shell(
        f"{line} --silent --show-error --fail", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(output)["choices"][0]["message"]["content"]


async def test_the_second_start_makes_nothing_again(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    first = await installation.start()
    assert await first.terminate() == 0
    async with running(installation) as second, api(second.url) as client:
        assert "pf_live_" not in second.text
        assert (await client.get("/tokens")).json()["total"] == 1
        assert (await client.get("/channels")).json()["total"] == 1
        headers = {"Authorization": f"Bearer {installation.first_key}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            models = await http.get(f"{second.url}/v1/models", headers=headers)
        assert models.status_code == 200


async def test_a_deleted_channel_does_not_come_back(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    async with running(installation) as first, api(first.url) as client:
        (channel,) = (await client.get("/channels")).json()["items"]
        assert (await client.delete(f"/channels/{channel['id']}")).status_code == 204
        assert await first.terminate() == 0
    async with running(installation) as second, api(second.url) as client:
        assert (await client.get("/channels")).json()["total"] == 0
