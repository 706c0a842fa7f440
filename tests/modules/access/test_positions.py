"""Positions through the API, and who has them."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from modules.access.people import People, wrong_fields
from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.errors import AppError
from paifang.modules.access.positions import service

ACTOR = Principal("boss", "Boss", all_permissions=True)


async def make(api: httpx.AsyncClient, code: str, **body: Any) -> str:
    answer = await api.post("/positions", json={"code": code, "name": code.title(), **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_positions_are_made_listed_changed_and_deleted(
    api: httpx.AsyncClient, db: Database, query_count: Any
) -> None:
    one = await make(api, "editor", sort=2)
    await make(api, "writer", sort=1, description="Writes.")
    with query_count(db) as queries:
        found = (await api.get("/positions")).json()
    assert len(queries) == 2
    assert [position["code"] for position in found["items"]] == ["writer", "editor"]
    found = (await api.get("/positions", params={"search": "EDI", "status": "enabled"})).json()
    assert found["total"] == 1
    changed = (await api.patch(f"/positions/{one}", json={"status": "disabled"})).json()
    assert (changed["status"], changed["name"]) == ("disabled", "Editor")
    assert (await api.get(f"/positions/{one}")).json() == changed
    assert (await api.delete(f"/positions/{one}")).status_code == 204
    answer = await api.get(f"/positions/{one}")
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    answer = await api.post("/positions", json={"code": "writer", "name": "W"})
    assert (answer.status_code, answer.json()["code"]) == (409, "position_code_taken")
    assert wrong_fields(await api.post("/positions", json={"code": "a b", "name": ""})) == [
        "code",
        "name",
    ]


async def test_people_have_positions_and_one_that_is_had_is_not_deleted(
    api: httpx.AsyncClient, db: Database, people: People, query_count: Any
) -> None:
    editor, writer = UUID(await make(api, "editor")), UUID(await make(api, "writer"))
    ada, bob = await people.person("ada"), await people.person("bob")

    async def give(user_id: UUID, *position_ids: UUID) -> None:
        async with db.transaction() as session:
            await service.set_positions(
                session, actor=ACTOR, user_id=user_id, position_ids=position_ids
            )

    await give(ada, editor, writer)
    await give(ada, writer)
    await give(bob, writer)
    async with db.reading() as session:
        with query_count(db) as queries:
            found = await service.positions_of(session, user_ids=[ada, bob])
        assert len(queries) == 1
    assert {user: [p.code for p in has] for user, has in found.items()} == {
        ada: ["writer"],
        bob: ["writer"],
    }
    answer = await api.delete(f"/positions/{writer}")
    assert (answer.status_code, answer.json()["code"]) == (409, "position_in_use")
    assert answer.json()["errors"] == [{"field": "people", "message": "2"}]

    await api.patch(f"/positions/{writer}", json={"status": "disabled"})
    await give(ada, writer)  # who has it keeps it
    for wrong in (uuid4(), writer):
        with pytest.raises(AppError) as caught:
            await give(await people.person(f"x{wrong.hex}"), wrong)
        assert [e["field"] for e in caught.value.errors] == ["position_ids.0"]
    async with db.transaction() as session:
        await service.forget(session, user_ids=[ada, bob])
    assert (await api.delete(f"/positions/{writer}")).status_code == 204
