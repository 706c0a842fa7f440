"""Roles as they are read: with their permissions, departments and the number of their holders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.module import Module
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    Role,
    RoleDepartment,
    RolePermission,
    UserRole,
)


@dataclass(frozen=True)
class RoleDetail:
    """A role with what hangs on it."""

    role: Role
    permissions: list[str]
    """Those that are declared; of the administrator all of them."""
    department_ids: list[UUID]
    people: int
    """To whom it is assigned."""


def declared(modules: Iterable[Module]) -> list[str]:
    """Every permission there is, in the modules' order."""
    return [p.value for m in modules if m.permissions is not None for p in m.permissions]


async def detail_of(session: AsyncSession, role: Role, modules: Iterable[Module]) -> RoleDetail:
    """A role with what hangs on it."""
    return (await details_of(session, [role], modules))[0]


async def details_of(
    session: AsyncSession, roles: Sequence[Role], modules: Iterable[Module]
) -> list[RoleDetail]:
    """Roles with what hangs on them: three statements, however many they are."""
    ids = [role.id for role in roles]
    if not ids:
        return []
    every = declared(modules)
    permissions: dict[UUID, set[str]] = {}
    for row in await session.scalars(select(RolePermission).where(RolePermission.role_id.in_(ids))):
        permissions.setdefault(row.role_id, set()).add(row.permission)
    chosen: dict[UUID, list[UUID]] = {}
    for one in await session.scalars(select(RoleDepartment).where(RoleDepartment.role_id.in_(ids))):
        chosen.setdefault(one.role_id, []).append(one.department_id)
    counted = await session.execute(
        select(UserRole.role_id, func.count())
        .where(UserRole.role_id.in_(ids))
        .group_by(UserRole.role_id)
    )
    people: dict[UUID, int] = {row[0]: row[1] for row in counted}
    return [
        RoleDetail(
            role,
            [
                permission
                for permission in every
                if role.code == ADMINISTRATOR or permission in permissions.get(role.id, ())
            ],
            sorted(chosen.get(role.id, ())),
            people.get(role.id, 0),
        )
        for role in roles
    ]
