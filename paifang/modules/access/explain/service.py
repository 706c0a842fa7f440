"""Finds out why a person may or may not do something, by the functions that decide it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.errors import Invalid
from paifang.core.module import Module
from paifang.core.scope import EVERYTHING, NOTHING, Scope
from paifang.modules.access.above import ACTIVE, PEOPLE, people_clause, person
from paifang.modules.access.explain.subjects import SubjectVerdict, find_subject
from paifang.modules.access.roles import service as roles
from paifang.modules.access.roles.errors import PersonNotFound
from paifang.modules.access.roles.grants import RoleGrant, surroundings
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    MEMBER,
    Role,
    RolePermission,
    UserRole,
)

OTHERS = 20
"""Roles named that would grant what the person does not have."""


@dataclass(frozen=True)
class RoleVerdict:
    """A role of the person, and the rows for which it grants the permission; None: it does not."""

    role: Role
    verdict: str
    scope: Scope | None


@dataclass(frozen=True)
class Explained:
    """Everything about one person and one permission."""

    person: Any
    why: str
    scope: Scope
    roles: list[RoleVerdict]
    others: list[Role]
    subject: SubjectVerdict | None

    @property
    def allowed(self) -> bool:
        """Whether they may, for whichever rows."""
        return self.why == "granted"


async def explain(
    session: AsyncSession,
    *,
    caller: Principal,
    modules: Iterable[Module],
    user_id: UUID,
    permission: str,
    subject: str | None = None,
) -> Explained:
    """Why a person may or may not do something.

    Args:
        session: The caller's transaction.
        caller: Whoever asks; they learn nothing about whom they do not see.
        modules: Those of the process.
        user_id: The person.
        permission: A declared permission.
        subject: ``<word>:<id>`` of a scoped row, for example ``user:<id>``.

    Raises:
        PersonNotFound: there is no such person in the caller's scope.
        Invalid: no module declares the permission, or there is no such word.
        SubjectNotFound: there is no such row in the caller's scope.
    """
    modules = tuple(modules)
    if permission not in roles.declared(modules):
        raise Invalid(
            f"No module declares {permission}.",
            errors=[{"field": "permission", "message": "no module declares it"}],
        )
    row = (
        await session.execute(select(*PEOPLE.c).where(person(user_id), people_clause(caller)))
    ).one_or_none()
    if row is None:
        raise PersonNotFound
    verdicts = await _verdicts(session, user_id, row.department_id, permission)
    scopes = [found.scope for found in verdicts if found.scope is not None]
    union = NOTHING
    for scope in scopes:
        union |= scope
    if row.status != ACTIVE:
        why = "not_active"
    elif scopes:
        why = "granted"
    elif any(found.verdict == "disabled" for found in verdicts):
        why = "only_disabled_roles"
    else:
        why = "no_role_grants_it"
    granting = {f.role.code: f.scope for f in verdicts if f.scope is not None}
    return Explained(
        person=row,
        why=why,
        scope=union,
        roles=verdicts,
        others=await _others(session, user_id, permission),
        subject=None
        if subject is None
        else await find_subject(modules, subject).ask(
            session,
            caller=caller,
            who=Principal(str(user_id), row.display_name, user_id=user_id),
            scopes=granting if why == "granted" else {},
        ),
    )


async def _verdicts(
    session: AsyncSession, user_id: UUID, department_id: UUID | None, permission: str
) -> list[RoleVerdict]:
    assigned = select(UserRole.role_id).where(UserRole.user_id == user_id)
    rows = await session.execute(
        select(Role, RolePermission.permission)
        .outerjoin(
            RolePermission,
            and_(RolePermission.role_id == Role.id, RolePermission.permission == permission),
        )
        .where(or_(Role.code == MEMBER, Role.id.in_(assigned)))
        .order_by(Role.sort, Role.code)
    )
    held = [(role, granted is not None) for role, granted in rows]
    around = await surroundings(
        session,
        department_id=department_id,
        roles=[RoleGrant(role.id, role.code, role.data_scope, frozenset()) for role, _ in held],
    )
    found = []
    for role, granted in held:
        everything = role.code == ADMINISTRATOR
        if not granted and not everything:
            found.append(RoleVerdict(role, "does_not_grant", None))
        elif role.status != "enabled":
            found.append(RoleVerdict(role, "disabled", None))
        elif everything:
            found.append(RoleVerdict(role, "grants_everything", EVERYTHING))
        else:
            scope = around.scope(role.id, role.data_scope)
            found.append(RoleVerdict(role, "grants", scope))
    return found


async def _others(session: AsyncSession, user_id: UUID, permission: str) -> list[Role]:
    grants_it = exists().where(
        RolePermission.role_id == Role.id, RolePermission.permission == permission
    )
    assigned = select(UserRole.role_id).where(UserRole.user_id == user_id)
    found = await session.scalars(
        select(Role)
        .where(
            Role.status == "enabled",
            Role.code != MEMBER,
            or_(Role.code == ADMINISTRATOR, grants_it),
            Role.id.not_in(assigned),
        )
        .order_by(Role.built_in, Role.sort, Role.code)
        .limit(OTHERS)
    )
    return list(found)
