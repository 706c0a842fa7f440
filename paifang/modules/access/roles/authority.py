"""Nobody hands out what they do not hold: what a caller may do to roles and to who holds them.

A role may be made, changed, given, taken or deleted by whoever holds each of its permissions
themselves, for at least the rows that it grants them for. Administrators may do all of that.
"""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import EVERYTHING, OWN, Scope
from paifang.modules.access.above import ACTIVE, PEOPLE, person
from paifang.modules.access.departments import service as departments
from paifang.modules.access.roles.errors import BeyondYourOwn, LastAdministrator, PersonNotFound
from paifang.modules.access.roles.grants import RoleGrant, combined, gathered, grants, surroundings
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    DataScope,
    Role,
    RolePermission,
    UserRole,
)

NAMED = 5
"""Permissions that a refusal names."""


def check_within(actor: Principal, wanted: Mapping[str, Scope], what: str) -> None:
    """That the caller holds all of this themselves. Raises :class:`BeyondYourOwn`."""
    if actor.all_permissions:
        return
    missing = sorted(p for p in wanted if p not in actor.grants)
    wider = sorted(
        p for p, scope in wanted.items() if p in actor.grants and not scope.within(actor.grants[p])
    )
    if missing:
        raise BeyondYourOwn(f"{what} {_named(missing)}, which you do not hold yourself.")
    if wider:
        raise BeyondYourOwn(f"{what} {_named(wider)} for more rows than you hold it for yourself.")


def _named(permissions: list[str]) -> str:
    more = len(permissions) - NAMED
    return ", ".join(permissions[:NAMED]) + (f" and {more} more" if more > 0 else "")


async def check_role(
    session: AsyncSession,
    actor: Principal,
    role: Role,
    *,
    permissions: Collection[str],
    department_ids: Collection[UUID],
) -> None:
    """That a role, as it is or is about to be, is within the caller's own.

    A scope that depends on who holds the role is looked at for everybody who does.

    Raises:
        BeyondYourOwn: it is not.
    """
    if actor.all_permissions:
        return
    if role.code == ADMINISTRATOR:
        raise BeyondYourOwn("Only administrators decide about administrators.")
    match role.data_scope:
        case DataScope.ALL:
            scope = EVERYTHING
        case DataScope.CHOSEN:
            scope = Scope(departments=frozenset(department_ids))
        case DataScope.DEPARTMENT:
            scope = Scope(departments=await _departments_of_holders(session, role.id))
        case DataScope.DEPARTMENT_AND_BELOW:
            held = await _departments_of_holders(session, role.id)
            scope = Scope(departments=await departments.below_all(session, held))
        case _:
            scope = OWN
    check_within(actor, dict.fromkeys(permissions, scope), f"The role {role.code} grants")


async def _departments_of_holders(session: AsyncSession, role_id: UUID) -> frozenset[UUID]:
    rows = await session.scalars(
        select(PEOPLE.c.department_id)
        .join_from(PEOPLE, UserRole, UserRole.user_id == PEOPLE.c.id)
        .where(UserRole.role_id == role_id, PEOPLE.c.department_id.is_not(None))
        .distinct()
    )
    return frozenset(rows)


async def check_holding(
    session: AsyncSession, actor: Principal, role_ids: Iterable[UUID], department_id: UUID | None
) -> None:
    """That what these roles grant to somebody of a department is within the caller's own.

    Raises:
        BeyondYourOwn: it is not.
    """
    wanted = list(role_ids)
    if actor.all_permissions or not wanted:
        return
    rows = await session.execute(
        select(Role.id, Role.code, Role.data_scope, RolePermission.permission)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(Role.id.in_(wanted))
    )
    for role, held in await _each(session, gathered(rows), department_id):
        if role.code == ADMINISTRATOR:
            raise BeyondYourOwn("Only administrators decide about administrators.")
        check_within(actor, held, f"The role {role.code} grants")


async def _each(
    session: AsyncSession, roles: list[RoleGrant], department_id: UUID | None
) -> list[tuple[RoleGrant, Mapping[str, Scope]]]:
    around = await surroundings(session, department_id=department_id, roles=roles)
    return [(role, combined([role], around).permissions) for role in roles]


async def check_not_above(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """That a person holds nothing beyond the caller's own.

    For whatever would let the caller act as that person or shut them out: their mail address,
    password, factors, sessions, status. Oneself is never above oneself.

    Raises:
        PersonNotFound: there is no such person.
        BeyondYourOwn: they hold more.
    """
    if actor.all_permissions or actor.user_id == user_id:
        return
    department_id = await department_of(session, user_id)
    held = await grants(session, user_id=user_id, department_id=department_id)
    if held.administrator:
        raise BeyondYourOwn("Only administrators decide about administrators.")
    check_within(actor, held.permissions, "That person holds")


async def check_place(
    session: AsyncSession, *, actor: Principal, user_id: UUID, department_id: UUID | None
) -> None:
    """That a person, moved to a department, would hold nothing beyond the caller's own.

    Raises:
        BeyondYourOwn: one of their roles would reach further than the caller does.
    """
    held = await session.scalars(select(UserRole.role_id).where(UserRole.user_id == user_id))
    await check_holding(session, actor, held, department_id)


async def department_of(session: AsyncSession, user_id: UUID, *, lock: bool = False) -> UUID | None:
    """A person's department. Raises :class:`PersonNotFound`."""
    statement = select(PEOPLE.c.id, PEOPLE.c.department_id).where(person(user_id))
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise PersonNotFound
    found: UUID | None = row.department_id
    return found


async def keep_an_administrator(session: AsyncSession, *, without: Collection[UUID]) -> None:
    """That there is an active administrator beside these people, who are about to be none.

    Call it before disabling or deleting people; two that leave at the same moment wait for each
    other. Nothing is asked when none of them is an administrator.

    Raises:
        LastAdministrator: nobody would be left.
    """
    if not without:
        return
    role = select(Role.id).where(Role.code == ADMINISTRATOR)
    role_id = await session.scalar(role.with_for_update())
    rows = await session.execute(
        select(UserRole.user_id, PEOPLE.c.status)
        .join_from(UserRole, PEOPLE, PEOPLE.c.id == UserRole.user_id)
        .where(UserRole.role_id == role_id)
    )
    active = {user_id for user_id, status in rows if status == ACTIVE}
    if active and active <= set(without):
        raise LastAdministrator("Make somebody else an administrator first.")


async def count_administrators(session: AsyncSession) -> int:
    """How many people hold the role ``administrator``, active or not."""
    statement = (
        select(func.count())
        .select_from(UserRole)
        .join(Role, Role.id == UserRole.role_id)
        .where(Role.code == ADMINISTRATOR)
    )
    return await session.scalar(statement) or 0
