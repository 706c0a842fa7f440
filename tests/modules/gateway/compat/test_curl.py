"""The calls of AI Proxy's own description, by the real ``curl`` on a real port."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import URL

from doubles.openai_upstream import OpenAIDouble
from paifang.app import Application, open_runtime
from paifang.core.settings import load
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.start import Gateway
from paifang.modules.gateway.tokens import keys
from paifang.registry import MODULES, settings_areas
from paifang.server import listen

Curl = Callable[[str], Awaitable[dict[str, Any]]]

STATUS = """curl https://HOST/api/status -H "Authorization: sealos-admin" """
MAKE_GROUP = """curl https://HOST/api/group/ -H "Authorization: sealos-admin" -d '{
"id": "ns-admin"
}'"""
MAKE_TOKEN = """curl https://HOST/api/token/ns-admin -H "Authorization: sealos-admin" -d '{
"name": "token 1"
}'"""
LIST_TOKENS = """curl https://HOST/api/tokens/ -H "Authorization: sealos-admin" """
DELETE_GROUP = """curl https://HOST/api/group/ns-admin -H "Authorization: sealos-admin" -X DELETE"""


@pytest.fixture
async def application(tmp_path: Path, database_url: URL) -> AsyncIterator[Application]:
    """Everything but the jobs, set up with the names that AI Proxy's environment has."""
    settings = load(
        settings_areas(MODULES),
        environ={
            "ADMIN_KEY": "sealos-admin",
            "SQL_DSN": database_url.render_as_string(hide_password=False),
            "PAIFANG_ENV": "test",
            "PAIFANG_HOME": str(tmp_path / "home"),
            "PAIFANG_GATEWAY_WELCOME": "false",
        },
        folder=tmp_path,
    )
    running = Application(open_runtime(settings, roles=frozenset({"gateway", "console"})))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def address(application: Application) -> AsyncIterator[str]:
    """Where it listens."""
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # pytest's own
    # It listens already: whoever calls before the server has started waits for it.
    sock = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
def curl(address: str, tmp_path: Path) -> Curl:
    """Runs a command line with our address in it; gives the envelope."""

    async def run(command: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            command.replace("https://HOST", address),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "*"},
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode == 0, err
        envelope: dict[str, Any] = json.loads(out)
        assert set(envelope) == {"success", "message", "data"}
        return envelope

    return run


async def test_the_life_of_a_group_and_its_token(curl: Curl, address: str) -> None:
    status = await curl(STATUS)
    assert status["success"] is True
    assert status["data"]["startTime"] > 0
    group = await curl(MAKE_GROUP)
    assert (group["success"], group["message"]) == (True, "")
    made = await curl(MAKE_TOKEN)
    assert made["success"] is True
    key = made["data"]["key"]
    assert keys.looks_like_key(key)
    listed = (await curl(LIST_TOKENS))["data"]
    assert listed["total"] == 1
    assert listed["tokens"] == [{**made["data"], "key": listed["tokens"][0]["key"]}]
    assert key not in str(listed)
    async with httpx.AsyncClient(base_url=address) as client:
        # As that service's front end shows it, and as it was given.
        for shown in (key, f"sk-{key}"):
            headers = {"Authorization": f"Bearer {shown}"}
            assert (await client.get("/v1/models", headers=headers)).status_code == 200
        assert await curl(DELETE_GROUP) == {"success": True, "message": "", "data": None}
        assert (await client.get("/v1/models", headers=headers)).status_code == 401
    assert (await curl(LIST_TOKENS))["data"] == {"tokens": [], "total": 0}
    assert (await curl(DELETE_GROUP))["success"] is False


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_wrong_key_is_a_401_in_the_envelope(curl: Curl) -> None:
    for header in ('-H "Authorization: sealos"', '-H "Authorization: Bearer "', ""):
        refused = await curl(f"curl https://HOST/api/tokens/ {header}")
        assert (refused["success"], refused["data"]) == (False, None)
    code = "curl -s -o /dev/null -w '%{http_code}' https://HOST/api/tokens/"
    assert (await curl(f"""printf '{{"success":0,"message":0,"data":%s}}' $({code})"""))[
        "data"
    ] == 401


async def test_a_call_is_in_the_logs_and_in_the_counters(
    curl: Curl, address: str, application: Application
) -> None:
    await curl(MAKE_GROUP)
    key = (await curl(MAKE_TOKEN))["data"]["key"]
    auth = '-H "Authorization: Bearer sealos-admin"'
    async with OpenAIDouble() as upstream:
        channel = json.dumps({"type": 1, "name": "c", "base_url": upstream.url, "models": ["chat"]})
        made = await curl(f"curl https://HOST/api/channel/ {auth} -d '{channel}'")
        assert made["success"], made
        price = json.dumps({"key": "ModelPrice", "value": '{"chat": 0.5}'})
        assert (await curl(f"curl https://HOST/api/option/ {auth} -X PUT -d '{price}'"))["success"]
        async with httpx.AsyncClient(base_url=address) as client:
            answer = await client.post(
                "/v1/chat/completions",
                headers={"Authorization": f"Bearer sk-{key}"},
                json={"model": "chat", "messages": [{"role": "user", "content": "hi"}]},
            )
        assert answer.status_code == 200, answer.text
        usage = answer.json()["usage"]
    flusher: Flusher = application.runtime.parts[Gateway].flusher
    await flusher.flush()
    (log,) = (await curl(f"curl https://HOST/api/log/ns-admin {auth}"))["data"]["logs"]
    cost = (usage["prompt_tokens"] + usage["completion_tokens"]) * 0.5 / 1000
    assert (log["token_id"], log["channel"], log["code"]) == (1, 1, 200)
    assert (log["price"], log["completion_price"]) == (0.5, 0.5)
    assert log["prompt_tokens"] == usage["prompt_tokens"]
    assert log["used_amount"] == pytest.approx(cost)
    for path in ("group/ns-admin", "tokens/1", "channel/1"):
        shown = (await curl(f"curl https://HOST/api/{path} {auth}"))["data"]
        assert (shown["used_amount"], shown["request_count"]) == (pytest.approx(cost), 1)
