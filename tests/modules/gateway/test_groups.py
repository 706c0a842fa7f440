"""Groups through the API: their ids, limits and lists, and that their tokens go with them."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, read_version
from paifang.core.errors import AppError
from paifang.core.runtime import Runtime
from paifang.core.scope import EVERYTHING
from paifang.modules.gateway.groups import service
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token


async def make(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post("/groups", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def version(db: Database) -> int:
    async with db.reading() as session:
        return await read_version(session, "gateway")


def wrong_fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


async def test_a_group_keeps_the_id_it_is_given_and_its_limits(api: httpx.AsyncClient) -> None:
    made = await make(api, id="Team.a_1-x", rpm=60, tpm=10_000_000_000, concurrency=4)
    assert made["id"] == "Team.a_1-x"
    assert (made["rpm"], made["tpm"], made["concurrency"]) == (60, 10_000_000_000, 4)
    assert (made["status"], made["unpriced"], made["used"]) == ("enabled", "allow", "0")
    assert made["created_at"].endswith("Z")
    assert (await api.get("/groups/Team.a_1-x")).json() == made


async def test_an_id_is_made_when_none_is_given(api: httpx.AsyncClient) -> None:
    one, two = (await make(api))["id"], (await make(api))["id"]
    assert one != two
    assert one.startswith("g-")
    assert len(one) == 12
    assert set(one[2:]) <= set("abcdefghijklmnopqrstuvwxyz234567")


async def test_an_id_that_is_taken_is_refused(api: httpx.AsyncClient) -> None:
    await make(api, id="team")
    answer = await api.post("/groups", json={"id": "team"})
    assert (answer.status_code, answer.json()["code"]) == (409, "group_id_taken")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "-a"}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a\n"}, "id"),
        ({"rpm": 0}, "rpm"),
        ({"tpm": -1}, "tpm"),
        ({"concurrency": 10**9}, "concurrency"),
        ({"rpm": 1.5}, "rpm"),
        ({"status": "revoked"}, "status"),
        ({"unpriced": "free"}, "unpriced"),
        ({"rmp": 5}, "rmp"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_wrong_value_is_refused_by_name(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    assert wrong_fields(await api.post("/groups", json=body)) == [field]
    assert (await api.get("/groups")).json()["total"] == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_the_service_refuses_what_the_api_refuses_and_names_every_field(
    db: Database, actor: Principal
) -> None:
    with pytest.raises(AppError) as caught:
        async with db.transaction() as session:
            await service.create(
                session, actor=actor, group_id="a b", status="on", unpriced="x", rpm=0, tpm=True
            )
    assert caught.value.status == 422
    fields = [error["field"] for error in caught.value.errors]
    assert fields == ["id", "status", "unpriced", "rpm", "tpm"]


async def test_an_update_changes_what_is_sent_and_null_lifts_a_limit(
    api: httpx.AsyncClient,
) -> None:
    await make(api, id="team", rpm=60, tpm=100)
    answer = await api.patch("/groups/team", json={"tpm": None, "status": "disabled"})
    changed = answer.json()
    assert (changed["rpm"], changed["tpm"], changed["status"]) == (60, None, "disabled")
    assert wrong_fields(await api.patch("/groups/team", json={"status": None})) == ["status"]
    assert wrong_fields(await api.patch("/groups/team", json={"id": "other"})) == ["id"]
    assert (await api.get("/groups/team")).json() == changed


async def test_what_does_not_exist_is_not_found(api: httpx.AsyncClient) -> None:
    for group_id in ("nobody", "%F0%9F%99%82", "x" * 300):
        for method, body in (("GET", None), ("PATCH", {"rpm": 1}), ("DELETE", None)):
            answer = await api.request(method, f"/groups/{group_id}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "group_not_found")
    # PostgreSQL refuses the NUL with an error of its own, so it is never asked.
    assert (await api.get("/groups/a%00b")).status_code == 404


async def test_every_change_counts_the_version_up_and_is_audited(
    api: httpx.AsyncClient, db: Database
) -> None:
    await make(api, id="team")
    assert await version(db) == 1
    await api.patch("/groups/team", json={"rpm": 5})
    assert await version(db) == 2
    await api.patch("/groups/team", json={"rpm": 5})  # nothing changes
    assert await version(db) == 2
    await api.delete("/groups/team")
    assert await version(db) == 3
    async with db.reading() as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [e.action.removeprefix("gateway.group.") for e in entries] == [
        "create",
        "update",
        "delete",
    ]
    assert {e.subject_id for e in entries} == {"team"}
    assert {e.actor_id for e in entries} == {"administrator"}
    assert entries[1].changes == {"rpm": [None, 5]}


async def test_a_list_is_filtered_searched_and_paged_with_two_statements(
    api: httpx.AsyncClient, db: Database, query_count: Any
) -> None:
    for number in range(12):
        await make(api, id=f"team{number:02}", status="disabled" if number % 4 == 0 else "enabled")
    await make(api, id="x_y")
    with query_count(db) as queries:
        found = (await api.get("/groups", params={"page_size": 5, "page": 2, "sort": "id"})).json()
    assert len(queries) == 2
    assert [g["id"] for g in found["items"]] == [f"team{n:02}" for n in range(5, 10)]
    assert (found["total"], found["page"], found["page_size"]) == (13, 2, 5)

    async def ids(**params: Any) -> list[str]:
        answer = (await api.get("/groups", params={"sort": "id", **params})).json()
        assert answer["total"] == len(answer["items"])
        return [g["id"] for g in answer["items"]]

    assert await ids(status="disabled") == ["team00", "team04", "team08"]
    assert await ids(search="TEAM1") == ["team10", "team11"]
    assert await ids(search="_") == ["x_y"]  # no wildcard
    assert await ids(search="%") == []
    assert (await ids())[0] == "team00"
    assert (await api.get("/groups")).json()["items"][0]["id"] == "x_y"  # the newest
    assert wrong_fields(await api.get("/groups", params={"sort": "digest"})) == ["sort"]
    assert wrong_fields(await api.get("/groups", params={"search": "a\0b"})) == ["search"]


async def token_of(db: Database, actor: Principal, group_id: str, name: str) -> Token:
    async with db.transaction() as session:
        token, _ = await tokens.create(session, actor=actor, group_id=group_id, name=name)
    return token


async def test_deleting_a_group_deletes_its_tokens_and_no_others(
    api: httpx.AsyncClient, db: Database, actor: Principal
) -> None:
    await make(api, id="gone")
    await make(api, id="stays")
    lost = {str((await token_of(db, actor, "gone", name)).id) for name in ("a", "b")}
    kept = await token_of(db, actor, "stays", "a")
    answer = await api.delete("/groups/gone")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get("/groups/gone")).status_code == 404
    async with db.reading() as session:
        assert (await session.scalars(select(Token.id))).all() == [kept.id]
        audited = select(AuditEntry.subject_id).where(AuditEntry.action == "gateway.token.delete")
        assert set(await session.scalars(audited)) == lost
    # Made anew, it has nothing of the old one.
    await make(api, id="gone")
    assert (await api.get("/tokens", params={"group_id": "gone"})).json()["total"] == 0


async def test_a_deletion_that_fails_midway_deletes_nothing(
    api: httpx.AsyncClient, db: Database, actor: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(api, id="team")
    await token_of(db, actor, "team", "a")

    async def fails(*_: Any) -> int:
        raise AppError("no")

    monkeypatch.setattr(service, "bump_version", fails)
    assert (await api.delete("/groups/team")).status_code == 400
    async with db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Group)) == 1
        assert await session.scalar(select(func.count()).select_from(Token)) == 1


async def test_a_token_made_while_its_group_is_deleted_is_refused_or_deleted_with_it(
    api: httpx.AsyncClient, db: Database
) -> None:
    for number in range(5):
        await make(api, id="team")
        await make(api, id=f"warm{number}")
        created, deleted = await asyncio.gather(
            api.post("/tokens", json={"group_id": "team", "name": "a"}),
            api.delete("/groups/team"),
        )
        assert deleted.status_code == 204, deleted.text
        assert created.status_code in {201, 404}, created.text
        async with db.reading() as session:
            assert await session.scalar(select(func.count()).select_from(Token)) == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_new_group_follows_the_setting_for_models_without_a_price(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    gateway = replace(runtime.settings.gateway, unpriced="block")  # type: ignore[attr-defined]  # a module's area
    runtime.settings = replace(runtime.settings, gateway=gateway)
    assert (await make(api))["unpriced"] == "block"
    assert (await make(api, unpriced="allow"))["unpriced"] == "allow"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_each_route_asks_for_its_permission(api: httpx.AsyncClient, runtime: Runtime) -> None:
    async def reader(*_: Any) -> Principal:
        return Principal("r", "Reader", grants={"gateway.groups:read": EVERYTHING})

    await make(api, id="team")
    runtime.authenticators = (reader,)
    assert (await api.get("/groups")).status_code == 200
    assert (await api.get("/groups/team")).status_code == 200
    assert (await api.post("/groups", json={})).status_code == 403
    assert (await api.patch("/groups/team", json={"rpm": 1})).status_code == 403
    assert (await api.delete("/groups/team")).status_code == 403
    for path in ("/tokens", "/prices", "/models"):
        assert (await api.get(path)).status_code == 403
    runtime.authenticators = ()
    assert (await api.get("/groups")).status_code == 401
