"""Tokens through the API: made, limited, and ended for good."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text, update

from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, read_version, utc_now
from paifang.core.errors import AppError
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.tokens import keys, service
from paifang.modules.gateway.tokens.errors import GroupNotFound, TokenNotFound
from paifang.modules.gateway.tokens.models import Token

SECRET_FIELDS = {"key", "digest"}


@pytest.fixture(autouse=True)
async def groups(db: Database) -> None:
    """Two groups to make tokens in."""
    async with db.transaction() as session:
        session.add_all([Group(id="team"), Group(id="other")])


async def make(api: httpx.AsyncClient, name: str = "mine", **body: Any) -> dict[str, Any]:
    answer = await api.post("/tokens", json={"group_id": "team", "name": name, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def version(db: Database) -> int:
    async with db.reading() as session:
        return await read_version(session, "gateway")


def wrong_fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_key_is_shown_by_the_call_that_makes_it_and_never_again(
    api: httpx.AsyncClient, db: Database
) -> None:
    answer = await api.post("/tokens", json={"group_id": "team", "name": "mine"})
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    key = made.pop("key")
    assert keys.looks_like_key(key)
    assert (made["prefix"], made["last_four"]) == (key[:12], key[-4:])
    assert (made["status"], made["state"], made["created_by"]) == (
        "enabled",
        "enabled",
        "administrator",
    )
    shown = [
        (await api.get(f"/tokens/{made['id']}")).json(),
        (await api.get("/tokens")).json()["items"][0],
        (await api.patch(f"/tokens/{made['id']}", json={})).json(),
        (await api.post(f"/tokens/{made['id']}/revoke")).json(),
    ]
    assert shown[0] == made
    assert not any(SECRET_FIELDS & set(one) for one in shown)
    async with db.reading() as session:
        stored = (await session.scalars(select(Token))).one()
        assert stored.digest == keys.digest(key)
        rows = []
        for table in ("tokens", "audit_entries"):
            rows += (await session.execute(text(f"select * from {table}"))).all()
    kept = repr(rows)
    assert key[12:40] not in kept  # what of it is kept begins and ends the key
    audited = repr([row for row in rows if "gateway.token" in repr(row)])
    assert audited
    assert stored.digest not in audited


async def test_names_are_unique_in_their_group_alone(api: httpx.AsyncClient) -> None:
    first = await make(api, "mine")
    again = await api.post("/tokens", json={"group_id": "team", "name": " mine "})
    assert code(again) == (409, "token_name_taken")
    assert (await make(api, "mine", group_id="other"))["number"] != first["number"]
    second = await make(api, "second")
    renamed = await api.patch(f"/tokens/{second['id']}", json={"name": "mine"})
    assert code(renamed) == (409, "token_name_taken")
    kept = await api.patch(f"/tokens/{first['id']}", json={"name": "mine"})
    assert kept.status_code == 200


async def test_one_name_made_twice_at_once_is_made_once(api: httpx.AsyncClient) -> None:
    await make(api, "warm")
    answers = await asyncio.gather(
        *(api.post("/tokens", json={"group_id": "team", "name": "x"}) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]


async def test_a_token_needs_a_group_that_exists(api: httpx.AsyncClient) -> None:
    for group_id in ("nobody", "a\1b", "", "ü"):
        answer = await api.post("/tokens", json={"group_id": group_id, "name": "a"})
        assert code(answer) == (404, "group_not_found")
    answer = await api.post("/tokens", json={"group_id": "a\0b", "name": "a"})
    assert code(answer) == (422, "invalid")
    assert (await api.get("/tokens")).json()["total"] == 0


async def test_a_group_can_be_made_along_with_its_first_token(
    db: Database, actor: Principal
) -> None:
    async with db.transaction() as session:
        for name in ("a", "b"):
            await service.create(
                session,
                actor=actor,
                group_id="fresh",
                name=name,
                auto_create_group=True,
                group_unpriced="block",
            )
    async with db.reading() as session:
        group = await session.get(Group, "fresh")
        assert group is not None
        assert (group.unpriced, group.status, group.used) == ("block", "enabled", 0)
        actions = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
    assert actions.count("gateway.group.create") == 1
    with pytest.raises(AppError, match="group_id"):
        async with db.transaction() as session:
            await service.create(
                session, actor=actor, group_id="a b", name="a", auto_create_group=True
            )
    with pytest.raises(GroupNotFound):
        async with db.transaction() as session:
            await service.create(session, actor=actor, group_id="a b", name="a")


async def test_networks_come_back_in_their_normal_form(api: httpx.AsyncClient) -> None:
    given = [
        "10.1.2.3",
        "10.1.2.3/8",
        " 10.0.0.0/8 ",
        "::1",
        "2001:DB8:0::/32",
        "::ffff:192.168.1.0/120",
    ]
    made = await make(api, networks=given)
    assert made["networks"] == [
        "10.1.2.3/32",
        "10.0.0.0/8",
        "::1/128",
        "2001:db8::/32",
        "192.168.1.0/24",
    ]


async def test_an_entry_that_is_no_network_is_named(api: httpx.AsyncClient) -> None:
    body = {"group_id": "team", "name": "a", "networks": ["10.0.0.0/8", "10.0.0.0/33", "lan"]}
    answer = await api.post("/tokens", json=body)
    assert wrong_fields(answer) == ["networks.1", "networks.2"]
    assert "10.0.0.0/33" in answer.json()["detail"]
    for entry in ("10.1", "fe80::1%eth0", "", "1.2.3.4/-1"):
        answer = await api.post("/tokens", json={**body, "networks": [entry]})
        assert wrong_fields(answer) == ["networks.0"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"models": []}, "models"),
        ({"models": ["gpt", " "]}, "models.1"),
        ({"models": ["x" * 129]}, "models.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"quota": "-1"}, "quota"),
        ({"quota": 5}, "quota"),
        ({"quota": "0.0000000001"}, "quota"),
        ({"quota": "9999999999"}, "quota"),
        ({"quota": "1e3"}, "quota"),
        ({"rpm": 0}, "rpm"),
        ({"tpm": 10**13}, "tpm"),
        ({"concurrency": True}, "concurrency"),
        ({"expire_at": None}, "expire_at"),
        ({"status": "disabled"}, "status"),
        ({"networks": None}, "networks"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_wrong_value_is_refused_by_name(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await api.post("/tokens", json={"group_id": "team", "name": "a", **body})
    assert wrong_fields(answer) == [field]
    assert (await api.get("/tokens")).json()["total"] == 0


async def test_money_is_exact_decimal_text(api: httpx.AsyncClient, db: Database) -> None:
    made = await make(api, quota="1000000000")
    assert made["quota"] == "1000000000"
    changed = await api.patch(f"/tokens/{made['id']}", json={"quota": "0.123456789"})
    assert changed.json()["quota"] == "0.123456789"
    async with db.reading() as session:
        assert await session.scalar(select(Token.quota)) == 123_456_789


async def test_an_update_changes_what_is_sent_and_null_lifts_a_limit(
    api: httpx.AsyncClient, db: Database
) -> None:
    later = (utc_now() + timedelta(days=1)).isoformat()
    made = await make(
        api, models=["b", "a", "b"], expires_at=later, quota="5", rpm=1, networks=["::1"]
    )
    assert made["models"] == ["b", "a"]
    path = f"/tokens/{made['id']}"
    before = await version(db)
    changed = (await api.patch(path, json={"models": None, "quota": None, "rpm": 7})).json()
    assert (changed["models"], changed["quota"], changed["rpm"]) == (None, None, 7)
    assert (changed["expires_at"], changed["networks"]) == (made["expires_at"], ["::1/128"])
    assert await version(db) == before + 1
    assert (await api.patch(path, json={"rpm": 7})).json() == changed
    assert await version(db) == before + 1
    assert (await api.patch(path, json={"expires_at": None})).json()["expires_at"] is None
    assert wrong_fields(await api.patch(path, json={"name": None})) == ["name"]
    assert wrong_fields(await api.patch(path, json={"status": "revoked"})) == ["status"]
    assert wrong_fields(await api.patch(path, json={"expires_at": "2020-01-01T00:00:00Z"})) == [
        "expires_at"
    ]
    async with db.reading() as session:
        entry = (
            await session.scalars(
                select(AuditEntry)
                .where(AuditEntry.action == "gateway.token.update")
                .order_by(AuditEntry.id)
                .limit(1)
            )
        ).one()
    assert entry.changes == {
        "models": [["b", "a"], None],
        "quota": [5_000_000_000, None],
        "rpm": [1, 7],
    }


async def test_the_state_says_why_an_enabled_token_is_refused(
    api: httpx.AsyncClient, db: Database
) -> None:
    past, later = utc_now() - timedelta(days=1), utc_now() + timedelta(days=1)
    columns: dict[str, dict[str, Any]] = {
        "enabled": {"expires_at": later, "quota": 10, "used": 9},
        "disabled": {"status": "disabled", "expires_at": past},
        "revoked": {"status": "revoked", "quota": 0},
        "expired": {"expires_at": past, "quota": 0},
        "exhausted": {"quota": 10, "used": 10},
    }
    for state, values in columns.items():
        made = await make(api, state)
        async with db.transaction() as session:
            await session.execute(
                update(Token).where(Token.number == made["number"]).values(values)
            )
    shown = (await api.get("/tokens")).json()["items"]
    assert {token["name"]: token["state"] for token in shown} == {s: s for s in columns}
    for state in columns:
        found = (await api.get("/tokens", params={"state": state})).json()
        assert [token["name"] for token in found["items"]] == [state]
    found = (await api.get("/tokens", params={"status": "enabled", "sort": "name"})).json()
    assert [token["name"] for token in found["items"]] == ["enabled", "exhausted", "expired"]


async def test_revoking_twice_is_once_and_for_ever(api: httpx.AsyncClient, db: Database) -> None:
    made = await make(api)
    path = f"/tokens/{made['id']}"
    first = await api.post(f"{path}/revoke")
    assert (first.json()["status"], first.json()["state"]) == ("revoked", "revoked")
    assert first.json()["revoked_at"] is not None
    counted = await version(db)
    assert (await api.post(f"{path}/revoke")).json() == first.json()
    assert await version(db) == counted
    for answer in (
        await api.patch(path, json={"status": "enabled"}),
        await api.patch(path, json={"rpm": 5}),
        await api.post(f"{path}/rotate"),
    ):
        assert code(answer) == (409, "token_revoked")
    assert (await api.get(path)).json() == first.json()


async def test_a_revocation_wins_over_changes_made_at_the_same_moment(
    api: httpx.AsyncClient,
) -> None:
    for number in range(5):
        path = f"/tokens/{(await make(api, f't{number}'))['id']}"
        await api.patch(path, json={"status": "disabled"})
        answers = await asyncio.gather(
            api.patch(path, json={"status": "enabled"}),
            api.post(f"{path}/revoke"),
            api.patch(path, json={"status": "enabled", "rpm": 5}),
        )
        assert answers[1].status_code == 200
        assert {a.status_code for a in answers} <= {200, 409}
        assert (await api.get(path)).json()["status"] == "revoked"


async def test_rotating_replaces_the_key_and_keeps_all_else(
    api: httpx.AsyncClient, db: Database
) -> None:
    made = await make(api, rpm=5, quota="1")
    old = made.pop("key")
    answer = await api.post(f"/tokens/{made['id']}/rotate")
    assert answer.headers["cache-control"] == "no-store"
    rotated = answer.json()
    key = rotated.pop("key")
    assert key != old
    assert keys.looks_like_key(key)
    changing = {"prefix", "last_four", "updated_at"}
    assert {k: v for k, v in rotated.items() if k not in changing} == {
        k: v for k, v in made.items() if k not in changing
    }
    async with db.reading() as session:
        assert (await session.scalars(select(Token.digest))).all() == [keys.digest(key)]
        entry = (
            await session.scalars(
                select(AuditEntry).where(AuditEntry.action == "gateway.token.rotate")
            )
        ).one()
    assert entry.changes["last_four"] == [old[-4:], key[-4:]]
    assert set(entry.changes) <= {"prefix", "last_four"}


async def test_a_deleted_token_is_gone_and_its_number_is_not_given_again(
    api: httpx.AsyncClient, db: Database, actor: Principal
) -> None:
    made = await make(api)
    assert (await api.delete(f"/tokens/{made['id']}")).status_code == 204
    for answer in (
        await api.get(f"/tokens/{made['id']}"),
        await api.delete(f"/tokens/{made['id']}"),
        await api.patch(f"/tokens/{made['id']}", json={}),
        await api.post(f"/tokens/{made['id']}/revoke"),
        await api.post(f"/tokens/{made['id']}/rotate"),
    ):
        assert code(answer) == (404, "token_not_found")
    again = await make(api)
    assert again["number"] == made["number"] + 1
    async with db.reading() as session:
        token = await service.find_by_number(
            session, caller=actor, number=again["number"], group_id="team"
        )
        assert str(token.id) == again["id"]
        with pytest.raises(TokenNotFound):
            await service.find_by_number(
                session, caller=actor, number=again["number"], group_id="other"
            )
        for number in (made["number"], 0, -1, 2**70):
            with pytest.raises(TokenNotFound):
                await service.find_by_number(session, caller=actor, number=number)


async def test_a_list_takes_one_statement_however_long_it_is(
    api: httpx.AsyncClient, db: Database, query_count: Any
) -> None:
    for number in range(7):
        await make(api, f"t{number}", group_id="team" if number % 2 else "other")
    with query_count(db) as queries:
        found = (await api.get("/tokens", params={"page_size": 5})).json()
    assert len(queries) == 1
    assert [token["name"] for token in found["items"]] == ["t6", "t5", "t4", "t3", "t2"]
    assert found["total"] == 7
    found = (await api.get("/tokens", params={"group_id": "team", "sort": "-name"})).json()
    assert [token["name"] for token in found["items"]] == ["t5", "t3", "t1"]


async def test_a_token_is_found_by_its_name_and_by_what_is_shown_of_its_key(
    api: httpx.AsyncClient,
) -> None:
    wanted = await make(api, "Büro 100%")
    for number in range(3):
        await make(api, f"other{number}")

    async def names(search: str) -> list[str]:
        found = (await api.get("/tokens", params={"search": search})).json()
        return [token["name"] for token in found["items"]]

    assert await names("RO 100%") == ["Büro 100%"]
    assert await names(wanted["prefix"]) == ["Büro 100%"]
    assert await names(wanted["last_four"]) == ["Büro 100%"]
    assert await names("o%r") == []
    assert len(await names("pf_live_")) == 4
