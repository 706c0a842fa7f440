"""The process of a local model dies, at rest or amid an answer: it is started again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from doubles.installation import Installation, Running, api, running
from doubles.stepped_clock import Clock, SteppedInstallation
from doubles.tally import client

MODEL = "smollm2-135m-instruct"
SECONDS = 60.0
"""Longest wait until the model answers; it is loaded from the disk."""
LONG = {"max_tokens": 400, "stream": True}

pytestmark = [
    pytest.mark.needs("model"),
    pytest.mark.xdist_group("local model"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def installation(tmp_path: Path, clock: Clock) -> Installation:
    return SteppedInstallation(
        tmp_path,
        clock,
        PAIFANG_GATEWAY_FLUSH_SECONDS="0.1",
        PAIFANG_GATEWAY_LOCAL_CONTEXT="1024",
        PAIFANG_GATEWAY_LOCAL_PARALLEL="2",
    )


@pytest.fixture
async def up(installation: Installation) -> AsyncIterator[Running]:
    """``paifang up`` in an empty folder; its first start finds the model."""
    async with running(installation) as process:
        assert installation.first_key, process.text
        yield process
        assert "Traceback" not in process.text, process.text


def child(up: Running) -> psutil.Process | None:
    """The model's process, if it has one."""
    for process in psutil.Process(up.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if MODEL in process.cmdline():
                return process
    return None


def _body(**fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "Tell a long story about a river."}]
    return {"model": MODEL, "messages": messages, "max_tokens": 8, **fields}


async def ask(installation: Installation, up: Running, http: httpx.AsyncClient) -> httpx.Response:
    return await http.post(
        f"{up.url}/v1/chat/completions",
        json=_body(),
        headers={"authorization": f"Bearer {installation.first_key}"},
        timeout=SECONDS,
    )


async def answered_soon(
    installation: Installation, up: Running, http: httpx.AsyncClient
) -> httpx.Response:
    """The model's answer; until it comes, only refusals that say when to come back."""
    async with asyncio.timeout(SECONDS):
        while True:
            answer = await ask(installation, up, http)
            if answer.status_code == 200:
                assert answer.json()["usage"]["completion_tokens"] > 0
                return answer
            assert answer.status_code in {502, 503}, answer.text
            code = answer.json()["error"]["code"]
            assert code in {"local_model_unavailable", "upstream_reset", "upstream_unreachable"}
            if answer.status_code == 503:
                seconds = int(answer.headers["retry-after"])
                assert 1 <= seconds <= SECONDS
            await asyncio.sleep(0.2)


async def _logs(up: Running, count: int) -> list[dict[str, object]]:
    """The logs, oldest first."""
    async with api(up.url) as admin, asyncio.timeout(20):
        while True:
            items: list[dict[str, object]] = (await admin.get("/logs")).json()["items"]
            if len(items) >= count:
                assert len(items) == count
                return items[::-1]
            await asyncio.sleep(0.05)


async def test_killed_between_two_calls_it_is_there_for_the_next(
    installation: Installation, up: Running
) -> None:
    async with client() as http:
        await answered_soon(installation, up, http)
        first = child(up)
        assert first is not None
        first.kill()
        await asyncio.to_thread(first.wait, 20)
        await answered_soon(installation, up, http)
        second = child(up)
        assert second is not None
        assert second.pid != first.pid


async def test_killed_in_the_middle_of_a_stream_the_stream_ends_with_an_error(
    installation: Installation, up: Running
) -> None:
    headers = {"authorization": f"Bearer {installation.first_key}"}
    async with client() as http:
        await answered_soon(installation, up, http)
        before = len(await _count(up))
        async with http.stream(
            "POST", f"{up.url}/v1/chat/completions", json=_body(**LONG), headers=headers
        ) as stream:
            assert stream.status_code == 200
            number = stream.headers["x-request-id"]
            lines = stream.aiter_lines()
            words = 0
            async for line in lines:
                words += line.startswith("data: ")
                if words == 5:
                    break
            process = child(up)
            assert process is not None
            process.kill()
            rest = [line async for line in lines if line]
        assert rest[-1].startswith("data: ")
        assert "[DONE]" not in rest[-1]
        error = json.loads(rest[-1].removeprefix("data: "))["error"]
        assert error["code"] == "upstream_reset"
        assert error["message"]
        logs = await _logs(up, before + 1)
        assert (logs[-1]["request_id"], logs[-1]["outcome"]) == (number, "interrupted")
        assert logs[-1]["error"] == "upstream_reset"
        output = logs[-1]["output"]
        assert isinstance(output, int)
        assert output >= 1, "what was delivered is counted"
        await answered_soon(installation, up, http)


async def _count(up: Running) -> list[dict[str, object]]:
    """The logs when they grow no more."""
    async with api(up.url) as admin:
        items: list[dict[str, object]] = []
        while len(found := (await admin.get("/logs")).json()["items"]) != len(items) or not found:
            items = found
            await asyncio.sleep(0.5)
        return items


async def test_killed_while_calls_wait_each_gets_an_answer(
    installation: Installation, up: Running
) -> None:
    """JSON, of which nothing has been sent yet: an error, or the next process's answer."""
    async with client() as http:
        await answered_soon(installation, up, http)
        calls = [asyncio.create_task(ask(installation, up, http)) for _ in range(6)]
        await asyncio.sleep(0.05)
        process = child(up)
        assert process is not None
        process.kill()
        for answer in await asyncio.gather(*calls):
            assert answer.status_code in {200, 502, 503}, answer.text
            if answer.status_code != 200:
                error = answer.json()["error"]
                assert error["code"] in {"local_model_unavailable", "upstream_reset",
                                         "upstream_unreachable"}  # fmt: skip
        await answered_soon(installation, up, http)


async def test_stopped_without_dying_it_does_not_hold_the_gateway(
    installation: Installation, up: Running
) -> None:
    """A process that hangs: others are served, and it is again when it goes on."""
    async with client() as http:
        await answered_soon(installation, up, http)
        process = child(up)
        assert process is not None
        process.suspend()
        try:
            waiting = asyncio.create_task(ask(installation, up, http))
            await asyncio.sleep(1)
            assert not waiting.done()
            models = await http.get(
                f"{up.url}/v1/models",
                headers={"authorization": f"Bearer {installation.first_key}"},
            )
            assert models.status_code == 200
            assert (await http.get(f"{up.url}/readyz")).status_code == 200
        finally:
            process.resume()
        assert (await waiting).status_code == 200


async def test_the_rest_after_a_crash_is_no_matter_of_the_wall_clock(
    installation: Installation, up: Running, clock: Clock
) -> None:
    async with client() as http:
        await answered_soon(installation, up, http)
        process = child(up)
        assert process is not None
        process.kill()
        await asyncio.to_thread(process.wait, 20)
        # Crashed twice in a row, it rests for a while.
        async with asyncio.timeout(SECONDS):
            while (process := child(up)) is None:  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.005)
        process.kill()
        await asyncio.sleep(0.05)
        clock.step(-3600)
        await answered_soon(installation, up, http)
