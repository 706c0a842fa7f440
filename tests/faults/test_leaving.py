"""Who leaves a group, or is disabled, loses it with the very next call."""

from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL, insert, update

from doubles.installation import Installation, api, made, running
from doubles.openai_upstream import OpenAIDouble
from paifang.core.db import Database, bump_version
from paifang.core.ids import uuid7
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.members.models import GroupMember
from paifang.modules.gateway.tokens.models import Token


async def _call(http: httpx.AsyncClient, url: str, key: str) -> int:
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    answer = await http.post(
        f"{url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
    )
    return answer.status_code


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mariadb"])
async def test_the_tokens_of_whoever_leaves_are_refused_by_the_next_call(
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
        channel = {
            "name": "double",
            "provider": "openai",
            "base_url": double.url,
            "models": ["chat"],
        }
        await made(client, "/channels", channel)
        await made(client, "/groups", {"id": "team", "kind": "team"})
        database = Database(empty_database_url)
        ann, bob = uuid7(), uuid7()
        keys: dict[object, str] = {}
        async with database.transaction() as session:
            for person, name in ((ann, "ann"), (bob, "bob")):
                values = {"id": person, "email": f"{name}@example.com", "display_name": name}
                await session.execute(insert(User).values(**values, status="active", locale="en"))
        for person, role in ((ann, "owner"), (bob, "member")):
            place = f"/groups/team/members/{person}"
            assert (await client.put(place, json={"role": role})).status_code == 204
            token = await made(client, "/tokens", {"group_id": "team", "name": str(person)})
            keys[person] = token["key"]
            async with database.transaction() as session:
                theirs = update(Token).where(Token.name == str(person)).values(user_id=person)
                await session.execute(unscoped(theirs, "as if they had made it themselves"))
                await bump_version(session, "gateway")
        for _ in range(200):  # the test's own writes reach the relay within its poll
            if await _call(http, up.url, keys[bob]) == 200:
                break
        assert await _call(http, up.url, keys[ann]) == 200

        gone = await client.delete(f"/groups/team/members/{bob}")
        assert gone.json() == {"tokens_stopped": 1}
        assert await _call(http, up.url, keys[bob]) == 401
        assert await _call(http, up.url, keys[ann]) == 200
        (stopped,) = (await client.get("/tokens?state=stopped")).json()["items"]
        assert (await client.post(f"/tokens/{stopped['id']}/take-over")).status_code == 200
        assert await _call(http, up.url, keys[bob]) == 200, "the same key, now the group's"
        async with database.reading() as session:
            assert await session.get(GroupMember, ("team", bob)) is None
        await database.close()
