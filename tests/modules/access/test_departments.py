"""The tree of departments: it stays a tree, and each sees and changes their own part of it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from modules.access.people import AsPerson, People, wrong_fields
from paifang.core.auth import Principal
from paifang.core.db import Database, read_version
from paifang.core.errors import AppError
from paifang.core.ids import uuid7
from paifang.modules.access.departments import service
from paifang.modules.access.departments.models import MAX_DEPTH, Department

READ, WRITE = "access.departments:read", "access.departments:write"


async def make(api: httpx.AsyncClient, name: str, parent: Any = None) -> str:
    body = {"name": name, "parent_id": None if parent is None else str(parent)}
    answer = await api.post("/departments", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def names(nodes: list[dict[str, Any]]) -> Any:
    return {node["name"]: names(node["children"]) for node in nodes}


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def assert_sound(db: Database) -> None:
    """Every path is the parent's and one's own id."""
    async with db.reading() as session:
        found = {d.id: d for d in await session.scalars(select(Department))}
    for department in found.values():
        above = found[department.parent_id].path if department.parent_id else "/"
        assert department.path == f"{above}{department.id.hex}/"
        assert department.depth <= MAX_DEPTH


async def test_the_tree_is_told_in_order_with_its_people_in_two_statements(
    api: httpx.AsyncClient, db: Database, people: People, query_count: Any
) -> None:
    top = await make(api, "top")
    for name in ("b", "a"):
        below = await make(api, name, top)
    await make(api, "under a", below)
    await people.person("ada", department=UUID(below))
    await people.person("off", department=UUID(below), status="disabled")
    with query_count(db) as queries:
        found = (await api.get("/departments")).json()
    assert len(queries) == 2
    assert names(found) == {"top": {"a": {"under a": {}}, "b": {}}}
    assert [n["name"] for n in found[0]["children"]] == ["a", "b"]
    assert found[0]["children"][0]["people"] == 2
    assert found[0]["people"] == 0


async def test_a_move_takes_everything_below_along(api: httpx.AsyncClient, db: Database) -> None:
    one, two = await make(api, "one"), await make(api, "two")
    middle = await make(api, "middle", one)
    low = await make(api, "low", middle)
    await make(api, "lowest", low)
    async with db.reading() as session:
        before = await read_version(session, "access")
    answer = await api.post(f"/departments/{middle}/move", json={"parent_id": two})
    assert answer.json()["parent_id"] == two
    assert names((await api.get("/departments")).json()) == {
        "one": {},
        "two": {"middle": {"low": {"lowest": {}}}},
    }
    await assert_sound(db)
    async with db.reading() as session:
        assert await read_version(session, "access") == before + 1
    await api.post(f"/departments/{middle}/move", json={"parent_id": None})
    assert set(names((await api.get("/departments")).json())) == {"one", "two", "middle"}
    await assert_sound(db)


async def test_no_department_gets_below_itself_or_too_deep(
    api: httpx.AsyncClient, db: Database
) -> None:
    chain = [await make(api, "0")]
    for number in range(1, MAX_DEPTH):
        chain.append(await make(api, str(number), chain[-1]))
    for target in (chain[0], chain[1], chain[-1]):
        answer = await api.post(f"/departments/{chain[0]}/move", json={"parent_id": target})
        assert refused(answer) == (409, "department_misplaced")
    answer = await api.post("/departments", json={"name": "deep", "parent_id": chain[-1]})
    assert refused(answer) == (409, "department_misplaced")
    other = await make(api, "other")
    answer = await api.post(f"/departments/{chain[0]}/move", json={"parent_id": other})
    assert refused(answer) == (409, "department_misplaced")
    answer = await api.post(f"/departments/{chain[1]}/move", json={"parent_id": other})
    assert answer.status_code == 200
    await assert_sound(db)


async def test_two_moves_at_once_make_no_circle(api: httpx.AsyncClient, db: Database) -> None:
    one, two = await make(api, "one"), await make(api, "two")
    done = await asyncio.gather(
        api.post(f"/departments/{one}/move", json={"parent_id": two}),
        api.post(f"/departments/{two}/move", json={"parent_id": one}),
    )
    assert sorted(answer.status_code for answer in done) == [200, 409]
    await assert_sound(db)


async def test_siblings_differ_in_name(api: httpx.AsyncClient) -> None:
    top = await make(api, "sales")
    low = await make(api, "sales", top)
    taken = (409, "department_name_taken")
    assert refused(await api.post("/departments", json={"name": "sales"})) == taken
    assert refused(await api.post(f"/departments/{low}/move", json={"parent_id": None})) == taken
    other = await make(api, "other")
    assert refused(await api.patch(f"/departments/{other}", json={"name": "sales"})) == taken
    assert (await api.patch(f"/departments/{other}", json={"name": "other"})).status_code == 200


async def test_a_department_that_is_used_is_not_deleted_and_says_by_what(
    api: httpx.AsyncClient, people: People
) -> None:
    top = UUID(await make(api, "top"))
    low = UUID(await make(api, "low", top))
    await people.person("ada", department=top)
    await people.role("chosen", scope="chosen", departments=(top,))
    answer = await api.delete(f"/departments/{top}")
    assert refused(answer) == (409, "department_in_use")
    assert answer.json()["errors"] == [
        {"field": field, "message": "1"} for field in ("people", "departments", "roles")
    ]
    assert (await api.delete(f"/departments/{low}")).status_code == 204
    assert refused(await api.get(f"/departments/{low}")) == (404, "department_not_found")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_wrong_values_are_refused_by_name(api: httpx.AsyncClient) -> None:
    top = await make(api, "top")
    assert wrong_fields(await api.post("/departments", json={"name": ""})) == ["name"]
    assert wrong_fields(await api.patch(f"/departments/{top}", json={"status": "x"})) == ["status"]
    assert wrong_fields(await api.patch(f"/departments/{top}", json={"sort": 1.5})) == ["sort"]
    assert wrong_fields(await api.post(f"/departments/{top}/move", json={})) == ["parent_id"]
    for body in ({"parent_id": str(uuid4())}, {"parent_id": str(uuid7())}):
        answer = await api.post(f"/departments/{top}/move", json=body)
        assert refused(answer) == (404, "department_not_found")


async def test_each_sees_and_changes_their_part_of_the_tree(
    api: httpx.AsyncClient, people: People, as_person: AsPerson, db: Database
) -> None:
    top = await people.department("top")
    mine = await people.department("mine", top)
    below = await people.department("below", mine)
    far = await people.department("far", top)
    role = await people.role("lead", READ, WRITE, scope="department_and_below")
    caller = await as_person(await people.person("ada", role, department=mine))
    nobody = await as_person(await people.person("bob", await people.role("r", READ, WRITE)))
    assert names((await caller.get("/departments")).json()) == {"mine": {"below": {}}}
    assert (await nobody.get("/departments")).json() == []
    missing = (404, "department_not_found")
    out = (403, "department_out_of_reach")
    for hidden in (top, far):
        assert refused(await caller.get(f"/departments/{hidden}")) == missing
        assert refused(await caller.patch(f"/departments/{hidden}", json={"sort": 1})) == missing
        assert refused(await caller.delete(f"/departments/{hidden}")) == missing
        move = {"parent_id": str(hidden)}
        assert refused(await caller.post(f"/departments/{below}/move", json=move)) == missing
        new = {"name": "new", "parent_id": str(hidden)}
        assert refused(await caller.post("/departments", json=new)) == missing
    assert refused(await caller.post("/departments", json={"name": "new"})) == out
    assert refused(await caller.post(f"/departments/{below}/move", json={"parent_id": None})) == out
    made = UUID(await make(caller, "new", mine))
    moved = await caller.post(f"/departments/{made}/move", json={"parent_id": str(below)})
    assert moved.status_code == 200
    await assert_sound(db)


async def test_what_one_does_not_manage_is_not_moved_along(
    people: People, as_person: AsPerson
) -> None:
    one, two = await people.department("one"), await people.department("two")
    middle = await people.department("middle", one)
    await people.department("low", middle)
    role = await people.role("r", READ, WRITE, scope="chosen", departments=(one, two, middle))
    caller = await as_person(await people.person("ada", role))
    answer = await caller.post(f"/departments/{middle}/move", json={"parent_id": str(two)})
    assert refused(answer) == (403, "department_out_of_reach")


async def test_nobody_is_put_into_a_department_that_is_disabled_or_gone(
    db: Database, people: People, api: httpx.AsyncClient
) -> None:
    open_, closed = await people.department("open"), await people.department("closed")
    await api.patch(f"/departments/{closed}", json={"status": "disabled"})

    async def code(department_id: UUID) -> str | None:
        async with db.transaction() as session:
            try:
                await service.check_usable(session, department_id=department_id)
            except AppError as error:
                return error.code
        return None

    assert await code(open_) is None
    assert await code(closed) == "department_disabled"
    assert await code(uuid4()) == "department_not_found"


async def test_departments_and_all_below_them(db: Database, people: People) -> None:
    top = await people.department("top")
    low = await people.department("low", top)
    await people.department("far")
    async with db.reading() as session:
        assert await service.below_all(session, [top]) == {top, low}
        assert await service.below_all(session, []) == frozenset()
        assert await service.unknown(session, [top, (gone := uuid4())]) == {gone}
        caller = Principal("a", "A", all_permissions=True)
        assert len(await service.tree(session, caller=caller)) == 3
