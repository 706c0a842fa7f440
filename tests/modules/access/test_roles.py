"""Roles through the API: what they grant, who may hand them out, and what can't be lost."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from modules.access.people import AsPerson, People, wrong_fields
from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, read_version
from paifang.core.errors import AppError
from paifang.modules.access.permissions import AccessPermission
from paifang.modules.access.roles import service
from paifang.modules.access.roles.models import Role, UserRole
from paifang.modules.accounts.users.models import User

ROLES_READ, ROLES_WRITE = AccessPermission.ROLES_READ, AccessPermission.ROLES_WRITE


async def make(api: httpx.AsyncClient, code: str = "sales", **body: Any) -> dict[str, Any]:
    answer = await api.post("/roles", json={"code": code, "name": code.title(), **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def built_in(api: httpx.AsyncClient) -> dict[str, str]:
    found = (await api.get("/roles")).json()["items"]
    return {role["code"]: role["id"] for role in found if role["built_in"]}


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_role_is_made_read_changed_and_deleted(
    api: httpx.AsyncClient, people: People, db: Database
) -> None:
    far = await people.department("far")
    made = await make(
        api, data_scope="chosen", department_ids=[str(far)], permissions=[ROLES_READ], sort=3
    )
    assert made["permissions"] == [ROLES_READ]
    assert made["department_ids"] == [str(far)]
    assert (made["built_in"], made["people"], made["status"]) == (False, 0, "enabled")
    path = f"/roles/{made['id']}"
    assert (await api.get(path)).json() == made
    answer = await api.patch(path, json={"name": "Far", "data_scope": "self"})
    assert (answer.json()["name"], answer.json()["department_ids"]) == ("Far", [])
    answer = await api.put(f"{path}/permissions", json={"permissions": [ROLES_WRITE]})
    assert answer.json()["permissions"] == [ROLES_WRITE]
    assert (await api.delete(path)).status_code == 204
    assert refused(await api.get(path)) == (404, "role_not_found")
    async with db.reading() as session:
        entries = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
        assert await read_version(session, "access") == 5  # with the built-in ones
    assert [e.action for e in entries if e.subject_id == made["id"]] == [
        "access.role.create",
        "access.role.update",
        "access.role.permissions",
        "access.role.delete",
    ]
    assert entries[3].changes == {"added": [ROLES_WRITE], "removed": [ROLES_READ]}


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_wrong_value_is_refused_by_name(api: httpx.AsyncClient, people: People) -> None:
    body = {"code": "sales", "name": "Sales"}

    async def wrong(**changes: Any) -> list[Any]:
        return wrong_fields(await api.post("/roles", json=body | changes))

    assert await wrong(code="Sales") == ["code"]
    assert await wrong(name=" ") == ["name"]
    assert await wrong(data_scope="most") == ["data_scope"]
    assert await wrong(permissions=[ROLES_READ, "no.such:thing"]) == ["permissions.1"]
    assert await wrong(data_scope="chosen") == ["department_ids"]
    assert await wrong(data_scope="chosen", department_ids=[str(uuid4())]) == ["department_ids"]
    assert await wrong(department_ids=[str(await people.department("a"))]) == ["department_ids"]
    made = await make(api)
    answer = await api.put(
        f"/roles/{made['id']}/permissions", json={"permissions": ["gone:read", ROLES_READ]}
    )
    assert wrong_fields(answer) == ["permissions.0"]
    assert "gone:read" in answer.json()["errors"][0]["message"]
    assert refused(await api.post("/roles", json=body)) == (409, "role_code_taken")


async def test_the_built_in_roles_stay_what_they_are(api: httpx.AsyncClient) -> None:
    roles = await built_in(api)
    top, member = f"/roles/{roles['administrator']}", f"/roles/{roles['member']}"
    every = (await api.get(top)).json()["permissions"]
    assert set(every) >= {p.value for p in AccessPermission}
    for answer in (
        await api.patch(top, json={"name": "Boss"}),
        await api.put(f"{top}/permissions", json={"permissions": []}),
        await api.delete(top),
        await api.patch(member, json={"status": "disabled"}),
        await api.patch(member, json={"data_scope": "all"}),
        await api.delete(member),
    ):
        assert refused(answer) == (409, "role_built_in")
    assert (await api.patch(member, json={"name": "Readers"})).json()["name"] == "Readers"
    answer = await api.put(f"{member}/permissions", json={"permissions": []})
    assert answer.json()["permissions"] == []


async def test_a_role_that_somebody_holds_is_not_deleted(
    api: httpx.AsyncClient, people: People
) -> None:
    made = await make(api)
    for name in ("ada", "bob"):
        await people.person(name, UUID(made["id"]))
    answer = await api.delete(f"/roles/{made['id']}")
    assert refused(answer) == (409, "role_in_use")
    assert answer.json()["errors"] == [{"field": "people", "message": "2"}]


async def test_a_list_takes_the_same_statements_however_many_roles_there_are(
    api: httpx.AsyncClient, db: Database, people: People, query_count: Any
) -> None:
    for number in range(12):
        role = await people.role(f"r{number:02}", ROLES_READ, ROLES_WRITE)
        await people.person(f"p{number}", role)
    with query_count(db) as queries:
        found = (await api.get("/roles", params={"page_size": 10})).json()
    assert len(queries) == 5  # total, page, permissions, departments, people
    assert [role["code"] for role in found["items"][:2]] == ["administrator", "member"]
    assert found["items"][5]["people"] == 1
    found = (await api.get("/roles", params={"search": "R1", "sort": "-code"})).json()
    assert [role["code"] for role in found["items"]] == ["r11", "r10"]


async def test_the_permissions_are_listed_by_module(api: httpx.AsyncClient) -> None:
    found = (await api.get("/permissions")).json()
    (mine,) = (entry for entry in found if entry["module"] == "access")
    assert {"permission": "access.self:use", "member": True} in mine["permissions"]
    assert {"permission": "access.roles:write", "member": False} in mine["permissions"]


async def test_who_holds_a_role_is_told_of_those_whom_the_caller_sees(
    api: httpx.AsyncClient, people: People, as_person: AsPerson, db: Database, query_count: Any
) -> None:
    sales, far = await people.department("sales"), await people.department("far")
    role = await people.role("reader", ROLES_READ, scope="department")
    ada = await people.person("ada", role, department=sales)
    await people.person("bob", role, department=sales)
    await people.person("eve", role, department=far)
    await people.person("off", department=sales, status="disabled")
    caller = await as_person(ada)
    found = (await caller.get(f"/roles/{role}/people")).json()
    assert [person["display_name"] for person in found["items"]] == ["ada", "bob"]
    assert found["total"] == 2
    with query_count(db) as queries:
        everybody = (await api.get(f"/roles/{role}/people")).json()
    assert everybody["total"] == 3
    assert len(queries) == 3
    member = (await built_in(api))["member"]
    found = (await api.get(f"/roles/{member}/people")).json()
    assert [person["display_name"] for person in found["items"]] == ["ada", "bob", "eve"]


# --- nobody hands out what they do not hold ---


@pytest.fixture
async def manager(people: People) -> tuple[UUID, UUID, UUID]:
    """Somebody who manages the roles of one department; their department and another one."""
    sales, far = await people.department("sales"), await people.department("far")
    role = await people.role(
        "manager", ROLES_READ, ROLES_WRITE, "access.positions:read", scope="department_and_below"
    )
    return await people.person("ada", role, department=sales), sales, far


async def test_a_role_beyond_ones_own_is_not_made(
    api: httpx.AsyncClient, as_person: AsPerson, manager: tuple[UUID, UUID, UUID]
) -> None:
    ada, sales, far = manager
    caller = await as_person(ada)

    async def tried(**body: Any) -> httpx.Response:
        return await caller.post("/roles", json={"code": "new", "name": "New", **body})

    lacking = await tried(permissions=["access.positions:read", "access.menus:write"])
    assert refused(lacking) == (403, "beyond_your_own")
    assert "access.menus:write, which you do not hold" in lacking.json()["detail"]
    wider = await tried(permissions=[ROLES_READ], data_scope="all")
    assert refused(wider) == (403, "beyond_your_own")
    assert "for more rows than you hold it" in wider.json()["detail"]
    chosen = {"data_scope": "chosen", "permissions": [ROLES_READ]}
    assert refused(await tried(**chosen, department_ids=[str(sales), str(far)]))[0] == 403
    assert (await tried(**chosen, department_ids=[str(sales)])).status_code == 201
    assert (
        await caller.post(
            "/roles", json={"code": "own", "name": "Own", "permissions": [ROLES_WRITE]}
        )
    ).status_code == 201


async def test_a_role_beyond_ones_own_is_not_touched_either_way(
    api: httpx.AsyncClient,
    as_person: AsPerson,
    people: People,
    manager: tuple[UUID, UUID, UUID],
) -> None:
    ada, _, far = manager
    caller = await as_person(ada)
    strong = await people.role("strong", "access.menus:write")
    for answer in (
        await caller.put(f"/roles/{strong}/permissions", json={"permissions": []}),
        await caller.patch(f"/roles/{strong}", json={"status": "disabled"}),
        await caller.delete(f"/roles/{strong}"),
    ):
        assert refused(answer) == (403, "beyond_your_own")
    wide = await people.role("wide", ROLES_READ, scope="all")
    narrower = await caller.patch(f"/roles/{wide}", json={"data_scope": "self"})
    assert refused(narrower) == (403, "beyond_your_own")
    mine = await people.role("mine", ROLES_READ)
    put = f"/roles/{mine}/permissions"
    assert (await caller.put(put, json={"permissions": [ROLES_READ]})).status_code == 200
    for body in ([ROLES_READ, "access.menus:write"], ["access.menus:write"]):
        assert refused(await caller.put(put, json={"permissions": body}))[0] == 403
    assert refused(await caller.patch(f"/roles/{mine}", json={"data_scope": "all"}))[0] == 403
    # A scope that depends on the holder counts for those who hold it.
    team = {"data_scope": "department"}
    assert (await caller.patch(f"/roles/{mine}", json=team)).status_code == 200
    await people.person("far", mine, department=far)
    assert refused(await caller.patch(f"/roles/{mine}", json={"name": "M"}))[0] == 403
    assert (await api.patch(f"/roles/{mine}", json={"name": "M"})).status_code == 200


async def assign(db: Database, user_id: UUID, *roles: UUID, actor: Principal | None = None) -> None:
    who = actor or Principal("boss", "Boss", all_permissions=True)
    async with db.transaction() as session:
        await service.assign(session, actor=who, user_id=user_id, role_ids=roles)


async def principal(db: Database, user_id: UUID, department: UUID | None) -> Principal:
    async with db.reading() as session:
        held = await service.grants(session, user_id=user_id, department_id=department)
    return Principal(str(user_id), "Somebody", user_id=user_id, grants=held.permissions)


async def code_of(call: Any) -> str:
    with pytest.raises(AppError) as caught:
        await call
    return caught.value.code


async def test_a_role_is_given_and_taken_only_by_who_holds_all_of_it(
    db: Database, people: People, manager: tuple[UUID, UUID, UUID], seeded: None
) -> None:
    ada, sales, far = manager
    actor = await principal(db, ada, sales)
    near, away = (
        await people.person("near", department=sales),
        await people.person("away", department=far),
    )
    team = await people.role("team", ROLES_READ, scope="department")
    strong = await people.role("strong", "access.menus:write")
    await assign(db, near, team, actor=actor)
    async with db.reading() as session:
        assert [r.code for r in (await service.roles_of(session, user_ids=[near]))[near]] == [
            "team"
        ]
    assert await code_of(assign(db, away, team, actor=actor)) == "beyond_your_own"
    assert await code_of(assign(db, near, team, strong, actor=actor)) == "beyond_your_own"
    await assign(db, near, team, strong)
    assert await code_of(assign(db, near, actor=actor)) == "beyond_your_own"
    await assign(db, near, strong, actor=actor)  # what is taken is within, what stays is not asked
    async with db.transaction() as session:
        top = await session.scalar(select(Role.id).where(Role.code == "administrator"))
    assert await code_of(assign(db, near, strong, top, actor=actor)) == "beyond_your_own"


async def test_whoever_holds_more_is_not_handled_and_nobody_is_moved_to_hold_more(
    db: Database, people: People, manager: tuple[UUID, UUID, UUID], seeded: None
) -> None:
    ada, sales, far = manager
    actor = await principal(db, ada, sales)
    team = await people.role("team", ROLES_READ, scope="department")
    near = await people.person("near", team, department=sales)
    boss = await people.person("boss", department=sales)
    strong = await people.person("strong", await people.role("s", "x:y"), department=sales)
    async with db.transaction() as session:
        await service.make_administrator(session, actor=ACTOR, user_id=boss)

        async def above(user_id: UUID) -> None:
            await service.check_not_above(session, actor=actor, user_id=user_id)

        async def moved(user_id: UUID, department: UUID) -> None:
            await service.check_place(
                session, actor=actor, user_id=user_id, department_id=department
            )

        await above(near)
        await above(ada)
        assert await code_of(above(boss)) == "beyond_your_own"
        assert await code_of(above(strong)) == "beyond_your_own"
        assert await code_of(above(uuid4())) == "person_not_found"
        await moved(near, sales)
        assert await code_of(moved(near, far)) == "beyond_your_own"


ACTOR = Principal("boss", "Boss", all_permissions=True)


async def test_what_can_not_be_assigned_is_refused_by_place(
    db: Database, people: People, seeded: None
) -> None:
    ada = await people.person("ada")
    async with db.transaction() as session:
        member = await session.scalar(select(Role.id).where(Role.code == "member"))
        with pytest.raises(AppError) as caught:
            await service.assign(
                session, actor=ACTOR, user_id=ada, role_ids=[member or uuid4(), uuid4()]
            )
    assert [e["field"] for e in caught.value.errors] == ["role_ids.0", "role_ids.1"]
    assert await code_of(assign(db, uuid4())) == "person_not_found"


async def test_the_last_active_administrator_stays_one(
    db: Database, people: People, seeded: None
) -> None:
    ada, bob = await people.person("ada"), await people.person("bob")
    eve = await people.person("eve", status="disabled")
    async with db.transaction() as session:
        assert await service.count_administrators(session) == 0
        await service.keep_an_administrator(session, without=[ada])
        for user_id in (ada, bob, eve):
            await service.make_administrator(session, actor=ACTOR, user_id=user_id)
            await service.make_administrator(session, actor=ACTOR, user_id=user_id)
        assert await service.count_administrators(session) == 3
        await service.keep_an_administrator(session, without=[ada])
        await service.keep_an_administrator(session, without=[])
    async with db.transaction() as session:
        left = service.keep_an_administrator(session, without=[ada, bob])
        assert await code_of(left) == "last_administrator"
    await assign(db, bob)
    assert await code_of(assign(db, ada)) == "last_administrator"
    async with db.transaction() as session:
        assert await code_of(service.forget(session, user_ids=[ada])) == "last_administrator"
        await service.forget(session, user_ids=[eve])
        assert await service.count_administrators(session) == 1


async def test_two_administrators_who_leave_at_once_wait_for_each_other(
    db: Database, people: People, seeded: None
) -> None:
    two = [await people.person("ada"), await people.person("bob")]
    async with db.transaction() as session:
        for user_id in two:
            await service.make_administrator(session, actor=ACTOR, user_id=user_id)

    async def disable(user_id: UUID) -> None:
        async with db.transaction() as session:
            await service.keep_an_administrator(session, without=[user_id])
            await session.execute(update(User).where(User.id == user_id).values(status="disabled"))

    done = await asyncio.gather(*map(disable, two), return_exceptions=True)
    assert [getattr(error, "code", None) for error in done].count("last_administrator") == 1
    assert done.count(None) == 1


async def test_roles_of_many_people_are_one_statement(
    db: Database, people: People, query_count: Any
) -> None:
    role = await people.role("reader", "a:read")
    several = [await people.person(f"p{n}", role) for n in range(10)]
    async with db.reading() as session:
        with query_count(db) as queries:
            found = await service.roles_of(session, user_ids=several)
    assert len(queries) == 1
    assert all([r.code for r in roles] == ["reader"] for roles in found.values())
    async with db.reading() as session:
        assert (await session.scalars(select(UserRole))).first() is not None
        assert await service.roles_of(session, user_ids=[]) == {}
