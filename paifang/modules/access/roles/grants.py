"""What a person may do, and to which rows: read from their roles, remembered by version."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, literal, null, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from paifang.core.db.counters import Counter
from paifang.core.db.session import BUMPED
from paifang.core.scope import EVERYTHING, OWN, Scope, unscoped
from paifang.modules.access.changed import VERSION
from paifang.modules.access.departments.models import Department
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    MEMBER,
    DataScope,
    Role,
    RoleDepartment,
    RolePermission,
    UserRole,
)

REMEMBERED = 4096
"""Results that a process keeps; one is a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What a person's roles add up to."""

    permissions: Mapping[str, Scope] = field(default_factory=lambda: MappingProxyType({}))
    """Each permission with the union of the scopes of the roles that grant it."""
    administrator: bool = False
    """Every permission, for every row; :attr:`permissions` is then not all of it."""


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role as it counts for somebody."""

    id: UUID
    code: str
    data_scope: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The departments that scopes are made of, for one person and some roles."""

    department_id: UUID | None
    below: frozenset[UUID] = frozenset()
    """The person's department and all under it."""
    chosen: Mapping[UUID, frozenset[UUID]] = field(default_factory=dict)
    """Departments by the role that names them."""

    def scope(self, role_id: UUID, data_scope: str) -> Scope:
        """The rows for which a role grants to this person."""
        match data_scope:
            case DataScope.ALL:
                return EVERYTHING
            case DataScope.DEPARTMENT_AND_BELOW:
                return Scope(departments=self.below)
            case DataScope.DEPARTMENT if self.department_id is not None:
                return Scope(departments=frozenset({self.department_id}))
            case DataScope.CHOSEN:
                return Scope(departments=self.chosen.get(role_id, frozenset()))
            case _:
                return OWN


_remembered: OrderedDict[tuple[int, UUID, UUID | None], Grants] = OrderedDict()


def access_version() -> ScalarSelect[int]:
    """The version of access as a column of the caller's own statement; 0 before the first."""
    stored = select(func.max(Counter.value)).where(Counter.name == f"version:{VERSION}")
    return select(func.coalesce(stored.scalar_subquery(), 0)).scalar_subquery()


async def grants_at(
    session: AsyncSession, *, version: int, user_id: UUID, department_id: UUID | None
) -> Grants:
    """What a person may do at a version of access, from memory where it is known.

    Args:
        session: The caller's transaction; asked only when the answer is not known.
        version: What :func:`access_version` said, read in this transaction before.
        user_id: The person.
        department_id: Their department, read together with the version.
    """
    key = (version, user_id, department_id)
    known = _remembered.get(key)
    if known is not None:
        _remembered.move_to_end(key)
        return known
    found = await grants(session, user_id=user_id, department_id=department_id)
    # In a transaction that has itself counted up, the version may yet be rolled back, and the
    # same number come to mean something else.
    if VERSION not in session.info.get(BUMPED, ()):
        _remembered[key] = found
        while len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    return found


async def grants(session: AsyncSession, *, user_id: UUID, department_id: UUID | None) -> Grants:
    """What a person may do: one statement, two where a scope is made of departments.

    Whether the person may sign in at all is not asked here.
    """
    roles = await _roles_of(session, user_id)
    around = await surroundings(session, department_id=department_id, roles=roles)
    return combined(roles, around)


def combined(roles: Iterable[RoleGrant], around: Surroundings) -> Grants:
    """The union of what roles grant, each within its own scope."""
    held: dict[str, Scope] = {}
    administrator = False
    for role in roles:
        administrator = administrator or role.code == ADMINISTRATOR
        scope = around.scope(role.id, role.data_scope)
        for permission in role.permissions:
            held[permission] = held[permission] | scope if permission in held else scope
    return Grants(MappingProxyType(held), administrator)


async def _roles_of(session: AsyncSession, user_id: UUID) -> list[RoleGrant]:
    assigned = select(UserRole.role_id).where(UserRole.user_id == user_id)
    rows = await session.execute(
        select(Role.id, Role.code, Role.data_scope, RolePermission.permission)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(Role.status == "enabled", or_(Role.code == MEMBER, Role.id.in_(assigned)))
    )
    return gathered(rows)


def gathered(rows: Iterable[Any]) -> list[RoleGrant]:
    """Roles from rows of id, code, data scope and one permission or None."""
    found: dict[UUID, tuple[str, str, set[str]]] = {}
    for role_id, code, data_scope, permission in rows:
        permissions = found.setdefault(role_id, (code, data_scope, set()))[2]
        if permission is not None:
            permissions.add(permission)
    return [
        RoleGrant(role_id, code, data_scope, frozenset(permissions))
        for role_id, (code, data_scope, permissions) in found.items()
    ]


async def surroundings(
    session: AsyncSession, *, department_id: UUID | None, roles: Iterable[RoleGrant]
) -> Surroundings:
    """The departments that these roles' scopes are made of; no statement when they need none."""
    scopes = {role.data_scope for role in roles}
    chosen = [role.id for role in roles if role.data_scope == DataScope.CHOSEN]
    questions: list[Any] = []
    if chosen:
        questions.append(
            select(RoleDepartment.role_id, RoleDepartment.department_id).where(
                RoleDepartment.role_id.in_(chosen)
            )
        )
    if DataScope.DEPARTMENT_AND_BELOW in scopes and department_id is not None:
        top = aliased(Department)
        tree = unscoped(
            select(null().label("role_id"), Department.id)
            .join(top, Department.path.like(top.path.concat(literal("%"))))
            .where(top.id == department_id),
            "scopes are made of the tree",
        )
        questions.append(tree)
    if not questions:
        return Surroundings(department_id)
    statement: Any = union_all(*questions) if len(questions) > 1 else questions[0]
    by_role: dict[UUID | None, set[UUID]] = {}
    for role_id, department in await session.execute(statement):
        by_role.setdefault(role_id, set()).add(department)
    return Surroundings(
        department_id,
        below=frozenset(by_role.pop(None, ())),
        chosen={role: frozenset(found) for role, found in by_role.items() if role is not None},
    )
