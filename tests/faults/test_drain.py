"""SIGTERM: not ready, no new calls, running streams finish up to a limit, exit status 0."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL, select

from doubles.installation import Installation, api, made, running
from doubles.openai_upstream import OpenAIDouble
from paifang.core.db import Database
from paifang.modules.gateway.logs.models import Log

SLOW = "chat:gap=0.1,pieces=20"
ENDLESS = "chat:gap=0.1,pieces=1000"

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def installation(tmp_path: Path, empty_database_url: URL) -> Installation:
    return Installation(
        tmp_path,
        PAIFANG_DB_URL=empty_database_url.render_as_string(hide_password=False),
        PAIFANG_GATEWAY_WELCOME="false",
        PAIFANG_DRAIN_SECONDS="10",
    )


async def _token(url: str, double: OpenAIDouble) -> str:
    async with api(url) as client:
        channel = {"name": "double", "provider": "openai", "base_url": double.url}
        await made(client, "/channels", {**channel, "models": [SLOW, ENDLESS]})
        await made(client, "/groups", {"id": "team"})
        token = await made(client, "/tokens", {"group_id": "team", "name": "t"})
    return str(token["key"])


def _stream(model: str) -> dict[str, object]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}


async def _log(url: URL) -> Log:
    database = Database(url)
    async with database.reading() as session:
        log = (await session.scalars(select(Log))).one()
    await database.close()
    return log


async def test_a_running_stream_finishes_and_nothing_new_begins(
    installation: Installation, empty_database_url: URL
) -> None:
    async with (
        OpenAIDouble() as double,
        running(installation) as up,
        httpx.AsyncClient(trust_env=False, timeout=30, base_url=up.url) as http,
    ):
        headers = {"Authorization": f"Bearer {await _token(up.url, double)}"}
        path = "/v1/chat/completions"
        assert (await http.get("/readyz")).status_code == 200
        async with http.stream("POST", path, json=_stream(SLOW), headers=headers) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            up.process.send_signal(signal.SIGTERM)
            while (ready := await http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
            assert ready.json()["status"] == "draining"
            refused = await http.post(path, json=_stream(SLOW), headers=headers)
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
            assert refused.json()["error"]["code"] == "shutting_down"
            text = [line async for line in lines]
        assert text[-2:] == ["data: [DONE]", ""]
        async with asyncio.timeout(20):
            assert await up.process.wait() == 0, up.text
    log = await _log(empty_database_url)
    assert (log.outcome, log.output) == ("completed", 20)


async def test_a_stream_that_takes_too_long_ends_with_an_error_event_and_is_billed(
    installation: Installation, empty_database_url: URL
) -> None:
    async with (
        OpenAIDouble() as double,
        running(installation, PAIFANG_DRAIN_SECONDS="1") as up,
        httpx.AsyncClient(trust_env=False, timeout=30, base_url=up.url) as http,
    ):
        headers = {"Authorization": f"Bearer {await _token(up.url, double)}"}
        path = "/v1/chat/completions"
        async with http.stream("POST", path, json=_stream(ENDLESS), headers=headers) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            up.process.send_signal(signal.SIGTERM)
            text = [line async for line in lines if line]
        assert '"error"' in text[-1] or '"error"' in text[-2], text[-2:]
        async with asyncio.timeout(20):
            assert await up.process.wait() == 0, up.text
    log = await _log(empty_database_url)
    assert log.outcome == "interrupted"
    assert 1 <= log.output < 100
    assert log.estimated


async def test_with_nothing_to_do_it_stops_at_once(installation: Installation) -> None:
    up = await installation.start()
    assert await up.terminate(10) == 0, up.text
    assert "Traceback" not in up.text
