"""Roles: what they grant. The only place that writes them; who holds them is in ``holders``."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.changes import Check, apply_changes
from paifang.core.errors import Invalid
from paifang.core.module import Module
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.access.changed import VERSION, changed
from paifang.modules.access.departments import service as departments
from paifang.modules.access.roles.authority import (
    check_not_above,
    check_place,
    check_role,
    count_administrators,
    keep_an_administrator,
)
from paifang.modules.access.roles.built_in import ensure_built_in, seed
from paifang.modules.access.roles.details import RoleDetail, declared, detail_of, details_of
from paifang.modules.access.roles.errors import RoleBuiltIn, RoleCodeTaken, RoleInUse, RoleNotFound
from paifang.modules.access.roles.grants import Grants, access_version, grants, grants_at
from paifang.modules.access.roles.holders import (
    Holder,
    assign,
    forget,
    holders_page,
    make_administrator,
    roles_of,
)
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    DataScope,
    Role,
    RoleDepartment,
    RolePermission,
)

__all__ = [
    "VERSION",
    "Grants",
    "Holder",
    "RoleDetail",
    "access_version",
    "assign",
    "check_not_above",
    "check_place",
    "count_administrators",
    "create",
    "declared",
    "delete",
    "ensure_built_in",
    "forget",
    "get",
    "grants",
    "grants_at",
    "holders_page",
    "keep_an_administrator",
    "list_page",
    "make_administrator",
    "roles_of",
    "seed",
    "set_permissions",
    "update",
]

SORTS = {
    "code": Role.code,
    "created_at": Role.created_at,
    "name": Role.name,
    "sort": Role.sort,
}
STATUSES = ("enabled", "disabled")
MAX_DEPARTMENTS = 1000


class RoleChanges(TypedDict, total=False):
    """What of a role may be changed; a field that is left out stays."""

    name: str
    description: str
    status: str
    data_scope: str
    department_ids: Sequence[UUID]
    sort: int


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    code: str,
    name: str,
    description: str = "",
    status: str = "enabled",
    data_scope: str = DataScope.SELF,
    department_ids: Sequence[UUID] = (),
    permissions: Sequence[str] = (),
    sort: int = 0,
) -> RoleDetail:
    """Make a role.

    Raises:
        Invalid: a value can't be right; an unknown permission is named.
        RoleCodeTaken: there is a role of that code.
        BeyondYourOwn: it grants what the caller does not hold.
    """
    modules = tuple(modules)
    values = {
        "name": name,
        "description": description,
        "status": status,
        "data_scope": data_scope,
        "sort": sort,
    }
    values = await _checked(session, values, data_scope, department_ids)
    _check_known(permissions, modules)
    role = Role(code=code, **values)
    await check_role(session, actor, role, permissions=permissions, department_ids=department_ids)
    taken = RoleCodeTaken(f"There is a role {code}. Choose another code.")
    if await session.scalar(select(Role.id).where(Role.code == code)) is not None:
        raise taken
    session.add(role)
    try:
        await session.flush()
    except IntegrityError as error:
        raise taken from error
    session.add_all(RolePermission(role_id=role.id, permission=p) for p in set(permissions))
    session.add_all(RoleDepartment(role_id=role.id, department_id=d) for d in set(department_ids))
    await session.flush()
    changes = {
        "code": code,
        **values,
        "permissions": sorted(set(permissions)),
        "department_ids": [str(d) for d in department_ids],
    }
    await _changed(session, actor, "create", role, changes)
    return await detail_of(session, role, modules)


async def get(session: AsyncSession, *, modules: Iterable[Module], role_id: UUID) -> RoleDetail:
    """A role. Raises :class:`RoleNotFound`."""
    return await detail_of(session, await _found(session, role_id), modules)


async def list_page(
    session: AsyncSession,
    *,
    modules: Iterable[Module],
    paging: PageQuery,
    status: str | None = None,
    search: str | None = None,
) -> Page[RoleDetail]:
    """A page of roles in their order; ``search`` is a part of the code or name."""
    order = order_by(paging.sort, SORTS, "sort")
    first = () if paging.sort else (Role.built_in.desc(),)
    statement = select(Role).order_by(*first, order, Role.code)
    if status is not None:
        statement = statement.where(Role.status == status)
    if search:
        statement = statement.where(
            or_(*(c.icontains(search, autoescape=True) for c in (Role.code, Role.name)))
        )
    found = await paginate(session, statement, paging=paging, read=lambda role: role)
    details = await details_of(session, found.items, modules)
    return Page(items=details, total=found.total, page=found.page, page_size=found.page_size)


async def update(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    role_id: UUID,
    **changes: Unpack[RoleChanges],
) -> RoleDetail:
    """Change a role; its permissions have their own function, its code stays.

    Raises:
        Invalid: a value can't be right.
        RoleNotFound: there is no such role.
        RoleBuiltIn: it is ``administrator``, or a change that ``member`` can't bear.
        BeyondYourOwn: the role grants, before or after, what the caller does not hold.
    """
    role = await _found(session, role_id, lock=True)
    if role.code == ADMINISTRATOR or (role.built_in and changes.keys() - {"name", "description"}):
        raise RoleBuiltIn(
            f"{role.code} is built in: "
            + ("it stays as it is." if role.code == ADMINISTRATOR else "its scope and status stay.")
        )
    before = await detail_of(session, role, modules)
    scope = changes.get("data_scope", role.data_scope)
    wanted = changes.get("department_ids")
    if wanted is None:
        wanted = before.department_ids if scope == DataScope.CHOSEN else ()
    values = {k: v for k, v in changes.items() if k != "department_ids"}
    values = await _checked(session, values, scope, wanted)
    held = before.permissions
    await check_role(session, actor, role, permissions=held, department_ids=before.department_ids)
    made = apply_changes(role, values)
    await check_role(session, actor, role, permissions=held, department_ids=wanted)
    old, new = set(before.department_ids), set(wanted)
    if old != new:
        await session.execute(
            delete_rows(RoleDepartment).where(
                RoleDepartment.role_id == role.id, RoleDepartment.department_id.in_(old - new)
            )
        )
        session.add_all(RoleDepartment(role_id=role.id, department_id=d) for d in new - old)
        made["department_ids"] = [sorted(map(str, old)), sorted(map(str, new))]
    if made:
        await session.flush()
        await _changed(session, actor, "update", role, made)
    return await detail_of(session, role, modules)


async def set_permissions(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    role_id: UUID,
    permissions: Sequence[str],
) -> RoleDetail:
    """Have a role grant exactly these permissions.

    Raises:
        Invalid: naming each permission that no module declares.
        RoleNotFound: there is no such role.
        RoleBuiltIn: it is ``administrator``, which grants all of them.
        BeyondYourOwn: the role grants, before or after, what the caller does not hold.
    """
    modules = tuple(modules)
    role = await _found(session, role_id, lock=True)
    if role.code == ADMINISTRATOR:
        raise RoleBuiltIn("administrator grants every permission, and stays as it is.")
    _check_known(permissions, modules)
    chosen = (await detail_of(session, role, modules)).department_ids
    stored = set(
        await session.scalars(
            select(RolePermission.permission).where(RolePermission.role_id == role.id)
        )
    )
    known, new = set(declared(modules)), set(permissions)
    for held in (stored & known, new):
        await check_role(session, actor, role, permissions=held, department_ids=chosen)
    if stored != new:
        await session.execute(
            delete_rows(RolePermission).where(
                RolePermission.role_id == role.id, RolePermission.permission.in_(stored - new)
            )
        )
        session.add_all(RolePermission(role_id=role.id, permission=p) for p in new - stored)
        await session.flush()
        changes = {"added": sorted(new - stored), "removed": sorted(stored - new)}
        await _changed(session, actor, "permissions", role, changes)
    return await detail_of(session, role, modules)


async def delete(
    session: AsyncSession, *, actor: Principal, modules: Iterable[Module], role_id: UUID
) -> None:
    """Delete a role that nobody holds.

    Raises:
        RoleNotFound: there is no such role.
        RoleBuiltIn: it is built in.
        RoleInUse: somebody holds it; the error says how many.
        BeyondYourOwn: it grants what the caller does not hold.
    """
    role = await _found(session, role_id, lock=True)
    if role.built_in:
        raise RoleBuiltIn(f"{role.code} is built in and stays.")
    before = await detail_of(session, role, modules)
    await check_role(
        session,
        actor,
        role,
        permissions=before.permissions,
        department_ids=before.department_ids,
    )
    if before.people:
        raise RoleInUse(
            f"{role.code} is held by {before.people} people. Take it from them, or disable it.",
            errors=[{"field": "people", "message": str(before.people)}],
        )
    for table in (RolePermission, RoleDepartment):
        await session.execute(delete_rows(table).where(table.role_id == role.id))
    await session.delete(role)
    try:
        await session.flush()
    except IntegrityError as error:
        raise RoleInUse("Somebody was given this role a moment ago.") from error
    await _changed(session, actor, "delete", role, {"code": role.code})


async def _found(session: AsyncSession, role_id: UUID, *, lock: bool = False) -> Role:
    role = await session.get(Role, role_id, with_for_update=lock)
    if role is None:
        raise RoleNotFound
    return role


def _check_known(permissions: Collection[str], modules: Iterable[Module]) -> None:
    known = set(declared(modules))
    errors = [
        {"field": f"permissions.{place}", "message": f"no module declares {permission[:64]}"}
        for place, permission in enumerate(permissions)
        if permission not in known
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)


async def _checked(
    session: AsyncSession,
    values: dict[str, Any],
    data_scope: str,
    department_ids: Collection[UUID],
) -> dict[str, Any]:
    check = Check()
    if "name" in values:
        values["name"] = check.name(values["name"])
    if "status" in values:
        check.choice("status", values["status"], STATUSES)
    check.choice("data_scope", data_scope, list(DataScope))
    if department_ids and data_scope != DataScope.CHOSEN:
        check.wrong("department_ids", "name departments only for the scope chosen")
    elif data_scope == DataScope.CHOSEN and not 1 <= len(department_ids) <= MAX_DEPARTMENTS:
        check.wrong("department_ids", f"name 1 to {MAX_DEPARTMENTS} departments")
    for unknown in sorted(await departments.unknown(session, department_ids)):
        check.wrong("department_ids", f"there is no department {unknown}")
    check.done()
    return values


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, role: Role, changes: dict[str, Any]
) -> None:
    await changed(session, actor=actor, action=f"role.{verb}", subject_id=role.id, changes=changes)
