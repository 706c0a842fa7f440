"""A revoked token is refused by the very next call here, and within a second elsewhere."""

import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from doubles.installation import Installation, api, made, running
from doubles.openai_upstream import OpenAIDouble

WITHIN = 1.0
MARGIN = 1.0
"""Seconds that a busy machine may add."""


async def _call(http: httpx.AsyncClient, url: str, key: str) -> int:
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    answer = await http.post(
        f"{url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
    )
    return answer.status_code


async def _token(client: httpx.AsyncClient, name: str) -> tuple[str, str]:
    token = await made(client, "/tokens", {"group_id": "team", "name": name})
    return token["id"], token["key"]


async def _channel_and_group(client: httpx.AsyncClient, double: OpenAIDouble) -> None:
    channel = {"name": "double", "provider": "openai", "base_url": double.url, "models": ["chat"]}
    await made(client, "/channels", channel)
    await made(client, "/groups", {"id": "team"})


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mariadb"])
async def test_in_the_process_that_revokes_it_the_very_next_call_is_refused(
    tmp_path: Path, empty_database_url: URL
) -> None:
    url = empty_database_url.render_as_string(hide_password=False)
    installation = Installation(tmp_path, PAIFANG_DB_URL=url, PAIFANG_GATEWAY_WELCOME="false")
    async with (
        OpenAIDouble() as double,
        running(installation) as up,
        api(up.url) as client,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        await _channel_and_group(client, double)
        for number in range(10):
            token_id, key = await _token(client, f"t{number}")
            assert await _call(http, up.url, key) == 200, "a new token works at once"
            assert (await client.post(f"/tokens/{token_id}/revoke")).is_success
            assert await _call(http, up.url, key) == 401
        token_id, key = await _token(client, "of-the-group")
        assert await _call(http, up.url, key) == 200
        assert (await client.delete("/groups/team")).is_success
        assert await _call(http, up.url, key) == 401, "deleting the group ends its tokens"


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("with_redis", [False, True], ids=["polled", "redis"])
async def test_in_another_process_it_is_refused_within_a_second(
    tmp_path: Path, empty_database_url: URL, with_redis: bool, request: pytest.FixtureRequest
) -> None:
    variables = {"PAIFANG_DB_URL": empty_database_url.render_as_string(hide_password=False)}
    if with_redis:
        variables["PAIFANG_REDIS_URL"] = request.getfixturevalue("redis_url")
    installation = Installation(tmp_path, PAIFANG_GATEWAY_WELCOME="false", **variables)
    status, output = await installation.command("migrate")
    assert status == 0, output
    async with (
        OpenAIDouble() as double,
        running(installation, "serve", "--only", "gateway") as gateway,
        running(installation, "serve", "--only", "console") as console,
        api(console.url) as client,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        await _channel_and_group(client, double)
        for number in range(3):
            token_id, key = await _token(client, f"t{number}")
            await _until(http, gateway.url, key, 200)
            assert (await client.post(f"/tokens/{token_id}/revoke")).is_success
            await _until(http, gateway.url, key, 401)


async def _until(http: httpx.AsyncClient, url: str, key: str, status: int) -> None:
    deadline = time.monotonic() + WITHIN + MARGIN
    while (found := await _call(http, url, key)) != status:
        assert time.monotonic() < deadline, f"still {found} after {WITHIN + MARGIN} s"
