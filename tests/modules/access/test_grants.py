"""What roles add up to: each within its own scope, the union per permission."""

import asyncio
from dataclasses import replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from modules.access.people import People
from paifang.core.db import Database, bump_version, read_version
from paifang.core.module import Module
from paifang.core.runtime import Runtime
from paifang.core.scope import EVERYTHING, OWN, Scope
from paifang.modules.access.roles import service
from paifang.modules.access.roles.models import MEMBER, Role, RolePermission
from paifang.modules.access.roles.service import Grants
from paifang.modules.access.start import start_access


async def grants(db: Database, user_id: UUID, department: UUID | None = None) -> Grants:
    async with db.reading() as session:
        return await service.grants(session, user_id=user_id, department_id=department)


async def version(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(service.access_version())) or 0


def some(*departments: UUID) -> Scope:
    return Scope(departments=frozenset(departments))


async def test_roles_that_differ_never_widen_each_others_permissions(
    db: Database, people: People
) -> None:
    sales = await people.department("sales")
    north = await people.department("north", sales)
    other = await people.department("other")
    wide = await people.role("reader", "orders:read", scope="all")
    narrow = await people.role("writer", "orders:write", scope="self")
    team = await people.role("team", "orders:write", "notes:read", scope="department")
    chosen = await people.role("chosen", "notes:read", scope="chosen", departments=(other,))
    below = await people.role("below", "below:read", scope="department_and_below")
    ada = await people.person("ada", wide, narrow, team, chosen, below, department=sales)

    found = await grants(db, ada, sales)

    assert dict(found.permissions) == {
        "orders:read": EVERYTHING,
        "orders:write": some(sales),
        "notes:read": some(sales, other),
        "below:read": some(sales, north),
    }
    assert found.administrator is False


async def test_a_person_without_a_department_keeps_their_own_rows(
    db: Database, people: People
) -> None:
    team = await people.role("team", "a:read", scope="department")
    below = await people.role("below", "b:read", scope="department_and_below")
    found = await grants(db, await people.person("ada", team, below))
    assert dict(found.permissions) == {"a:read": OWN, "b:read": OWN}


async def test_a_disabled_role_grants_nothing(db: Database, people: People) -> None:
    off = await people.role("off", "orders:read", scope="all", status="disabled")
    assert dict((await grants(db, await people.person("ada", off))).permissions) == {}


async def test_everybody_is_a_member_and_the_administrator_may_everything(
    db: Database, people: People, seeded: None
) -> None:
    async with db.transaction() as session:
        member = await session.scalar(select(Role.id).where(Role.code == MEMBER))
        session.add(RolePermission(role_id=member, permission="notes:read"))
        top = await session.scalar(select(Role.id).where(Role.code == "administrator"))
    ada, boss = await people.person("ada"), await people.person("boss", top)
    found = await grants(db, ada)
    assert found.permissions["notes:read"] == OWN
    assert found.administrator is False
    assert (await grants(db, boss)).administrator is True


async def test_grants_are_one_statement_and_two_where_departments_matter(
    db: Database, people: People, query_count: Any
) -> None:
    sales = await people.department("sales")
    plain = await people.person("plain", await people.role("plain", "a:read", scope="all"))
    for number in range(10):
        await people.department(f"d{number}", sales)
    roles = [
        await people.role(f"r{n}", "a:read", "b:read", scope=scope, departments=(sales,))
        for n, scope in enumerate(("chosen", "department_and_below", "chosen", "department"))
    ]
    ada = await people.person("ada", *roles, department=sales)
    with query_count(db) as queries:
        await grants(db, plain)
    assert len(queries) == 1
    with query_count(db) as queries:
        found = await grants(db, ada, sales)
    assert len(queries) == 2
    assert len(found.permissions["a:read"].departments) == 11


async def test_a_version_is_asked_for_once_and_a_new_one_anew(
    db: Database, people: People, query_count: Any
) -> None:
    role = await people.role("reader", "a:read", scope="all")
    ada = await people.person("ada", role)

    async def at() -> Grants:
        known = await version(db)
        async with db.reading() as session:
            return await service.grants_at(session, version=known, user_id=ada, department_id=None)

    assert (await at()).permissions == {"a:read": EVERYTHING}
    with query_count(db) as queries:
        await at()
    assert len(queries) == 1  # the version alone
    async with db.transaction() as session:
        await session.execute(update(Role).where(Role.id == role).values(status="disabled"))
        await bump_version(session, service.VERSION)
    assert (await at()).permissions == {}


async def test_what_is_rolled_back_is_not_remembered(db: Database, people: People) -> None:
    role = await people.role("reader", "a:read", scope="all")
    ada = await people.person("ada", role)

    async def change(*, fails: bool) -> None:
        async with db.transaction() as session:
            if fails:
                await session.execute(delete(RolePermission))
            number = await bump_version(session, service.VERSION)
            found = await service.grants_at(
                session, version=number, user_id=ada, department_id=None
            )
            assert (not found.permissions) is fails
            if fails:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        await change(fails=True)
    await change(fails=False)
    async with db.reading() as session:
        number = await read_version(session, service.VERSION)
        found = await service.grants_at(session, version=number, user_id=ada, department_id=None)
    assert found.permissions == {"a:read": EVERYTHING}


class First(StrEnum):
    NOTES = "notes:read"


class Second(StrEnum):
    NOTES = "notes:read"
    MORE = "more:read"


OLD = Module(name="notes", permissions=First, member_permissions=(First.NOTES,))
NEW = replace(OLD, permissions=Second, member_permissions=(Second.NOTES, Second.MORE))


async def member_permissions(db: Database) -> set[str]:
    async with db.reading() as session:
        found = await session.scalars(
            select(RolePermission.permission)
            .join(Role, Role.id == RolePermission.role_id)
            .where(Role.code == MEMBER)
        )
        return set(found)


async def test_a_member_permission_is_given_once_and_what_was_taken_stays_away(
    db: Database,
) -> None:
    await service.seed(db, [OLD])
    assert await member_permissions(db) == {"notes:read"}
    async with db.transaction() as session:
        await session.execute(delete(RolePermission))
    await service.seed(db, [OLD])
    assert await member_permissions(db) == set()
    await service.seed(db, [NEW])
    assert await member_permissions(db) == {"more:read"}
    before = await version(db)
    await service.seed(db, [NEW])
    assert await version(db) == before


async def test_a_start_with_a_console_makes_the_built_in_roles_and_no_other_does(
    runtime: Runtime, db: Database
) -> None:
    async def count() -> int:
        async with db.reading() as session:
            return await session.scalar(select(func.count()).select_from(Role)) or 0

    runtime.roles = frozenset({"gateway"})
    await (await start_access(runtime))()
    assert await count() == 0
    runtime.roles = frozenset({"console"})
    await (await start_access(runtime))()
    assert await count() == 2
    assert "access.self:use" in await member_permissions(db)


async def test_processes_that_start_together_make_the_roles_once(db: Database) -> None:
    await asyncio.gather(*(service.seed(db, [NEW]) for _ in range(4)))
    async with db.reading() as session:
        roles = await session.scalars(select(Role.code).order_by(Role.code))
        assert list(roles) == ["administrator", "member"]
        assert await session.scalar(select(func.count()).select_from(RolePermission)) == 2
