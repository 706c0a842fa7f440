"""The tree of departments. The only place that writes it."""

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.changes import Check, apply_changes
from paifang.core.db import bump_version, utc_now
from paifang.core.ids import uuid7
from paifang.core.scope import unscoped, visible
from paifang.modules.access.above import PEOPLE, ROLE_DEPARTMENTS
from paifang.modules.access.changed import VERSION, changed
from paifang.modules.access.departments.errors import (
    DepartmentDisabled,
    DepartmentInUse,
    DepartmentMisplaced,
    DepartmentNameTaken,
    DepartmentNotFound,
    DepartmentOutOfReach,
)
from paifang.modules.access.departments.models import MAX_DEPTH, Department

STATUSES = ("enabled", "disabled")


class DepartmentChanges(TypedDict, total=False):
    """What of a department may be changed; a field that is left out stays."""

    name: str
    status: str
    sort: int


async def tree(session: AsyncSession, *, caller: Principal) -> list[tuple[Department, int]]:
    """The departments that the caller may see, each with the number of its people.

    Parents stand before their children, siblings in their order. Two statements.
    """
    found = await session.scalars(
        visible(select(Department), caller).order_by(
            func.length(Department.path), Department.sort, Department.name
        )
    )
    counted = await session.execute(
        select(PEOPLE.c.department_id, func.count())
        .where(PEOPLE.c.department_id.is_not(None))
        .group_by(PEOPLE.c.department_id)
    )
    people: dict[UUID, int] = {row[0]: row[1] for row in counted}
    return [(department, people.get(department.id, 0)) for department in found]


async def get(session: AsyncSession, *, caller: Principal, department_id: UUID) -> Department:
    """A department. Raises :class:`DepartmentNotFound`."""
    statement = visible(select(Department).where(Department.id == department_id), caller)
    department = await session.scalar(statement)
    if department is None:
        raise DepartmentNotFound
    return department


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    name: str,
    parent_id: UUID | None = None,
    status: str = "enabled",
    sort: int = 0,
) -> Department:
    """Make a department below another, or at the top of the tree.

    Raises:
        Invalid: a value can't be right.
        DepartmentNotFound: there is no such parent in the caller's scope.
        DepartmentOutOfReach: the top of the tree is for who sees everything.
        DepartmentMisplaced: the tree would be too deep.
        DepartmentNameTaken: a sibling is called so.
    """
    values = _checked({"name": name, "status": status, "sort": sort})
    await _lock(session)
    path = await _path_of(session, actor, parent_id)
    made = uuid7()
    department = Department(id=made, parent_id=parent_id, path=f"{path}{made.hex}/", **values)
    _check_depth(department.depth)
    await _check_name(session, department)
    session.add(department)
    await session.flush()
    await _changed(session, actor, "create", department, values | {"parent_id": _text(parent_id)})
    return department


async def update_department(
    session: AsyncSession,
    *,
    actor: Principal,
    department_id: UUID,
    **changes: Unpack[DepartmentChanges],
) -> Department:
    """Change a department's name, status or place among its siblings.

    Raises:
        Invalid: a value can't be right.
        DepartmentNotFound: there is no such department in the caller's scope.
        DepartmentNameTaken: a sibling is called so.
    """
    values = _checked(dict(changes))
    await _lock(session)
    department = await get(session, caller=actor, department_id=department_id)
    made = apply_changes(department, values)
    if "name" in made:
        await _check_name(session, department)
    if made:
        await session.flush()
        await _changed(session, actor, "update", department, made)
    return department


async def move(
    session: AsyncSession, *, actor: Principal, department_id: UUID, parent_id: UUID | None
) -> Department:
    """Put a department, with all below it, under another or at the top.

    Raises:
        DepartmentNotFound: it, or the new parent, is not in the caller's scope.
        DepartmentOutOfReach: some of what is below it is not in the caller's scope, or the top
            of the tree.
        DepartmentMisplaced: it would be below itself, or the tree too deep.
        DepartmentNameTaken: a new sibling is called so.
    """
    await _lock(session)
    department = await get(session, caller=actor, department_id=department_id)
    if department.parent_id == parent_id:
        return department
    above = await _path_of(session, actor, parent_id)
    old, new = department.path, f"{above}{department.id.hex}/"
    if above.startswith(old):
        raise DepartmentMisplaced(f"{department.name} can't be below itself.")
    below = Department.path.startswith(old)
    moved = unscoped(
        select(func.count(), func.max(func.length(Department.path)))
        .select_from(Department)
        .where(below),
        "what the caller does not see is compared with what they see",
    )
    count, longest = (await session.execute(moved)).one()
    seen = visible(select(func.count(Department.id)).where(below), actor)
    if count != await session.scalar(seen):
        raise DepartmentOutOfReach(
            f"{department.name} has departments below it that you do not manage."
        )
    _check_depth((longest + len(new) - len(old)) // 33)
    before, department.parent_id = department.parent_id, parent_id
    await _check_name(session, department)
    await session.flush()
    path = literal(new).concat(func.substr(Department.path, len(old) + 1))
    await session.execute(
        visible(update(Department).where(below).values(path=path, updated_at=utc_now()), actor),
        execution_options={"synchronize_session": False},
    )
    await session.refresh(department)
    changes = {"parent_id": [_text(before), _text(parent_id)], "departments": count}
    await _changed(session, actor, "move", department, changes)
    return department


async def delete(session: AsyncSession, *, actor: Principal, department_id: UUID) -> None:
    """Delete a department that nothing hangs on.

    Raises:
        DepartmentNotFound: there is no such department in the caller's scope.
        DepartmentInUse: people, departments or roles refer to it; the error says how many.
    """
    await _lock(session)
    department = await get(session, caller=actor, department_id=department_id)
    people = select(func.count()).where(PEOPLE.c.department_id == department.id)
    roles = select(func.count()).where(ROLE_DEPARTMENTS.c.department_id == department.id)
    below = unscoped(
        select(func.count(Department.id)).where(Department.parent_id == department.id),
        "an invisible one below counts too",
    )
    counts = {
        "people": await session.scalar(people) or 0,
        "departments": await session.scalar(below) or 0,
        "roles": await session.scalar(roles) or 0,
    }
    if any(counts.values()):
        raise _in_use(department, counts)
    await session.delete(department)
    try:
        await session.flush()
    except IntegrityError as error:
        raise _in_use(department, {}) from error
    await _changed(session, actor, "delete", department, {"name": department.name})


async def check_usable(session: AsyncSession, *, department_id: UUID) -> None:
    """That somebody can be put into a department, which stays until this transaction ends.

    Raises:
        DepartmentNotFound: there is none of that id.
        DepartmentDisabled: nobody is put into it any more.
    """
    status = await session.scalar(
        unscoped(
            select(Department.status)
            .where(Department.id == department_id)
            .with_for_update(read=True),
            "what the caller may reach is asked by whoever has the person",
        )
    )
    if status is None:
        raise DepartmentNotFound
    if status != "enabled":
        raise DepartmentDisabled("Enable the department, or choose another.")


async def unknown(session: AsyncSession, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that are no department's."""
    wanted = set(ids)
    if not wanted:
        return wanted
    found = await session.scalars(
        unscoped(
            select(Department.id).where(Department.id.in_(wanted)), "whether they exist at all"
        )
    )
    return wanted - set(found)


async def below_all(session: AsyncSession, ids: Iterable[UUID]) -> frozenset[UUID]:
    """These departments and all below them."""
    wanted = set(ids)
    if not wanted:
        return frozenset()
    statement = unscoped(select(Department.id, Department.path), "scopes are made of the tree")
    keys = {department.hex for department in wanted}
    rows = await session.execute(statement)
    return frozenset(found for found, path in rows if not keys.isdisjoint(path.split("/")))


async def _lock(session: AsyncSession) -> None:
    # The tree is changed by one at a time: two moves could else make a circle together. The
    # counter's row is what all of them write anyway.
    await bump_version(session, VERSION)


async def _path_of(session: AsyncSession, actor: Principal, parent_id: UUID | None) -> str:
    if parent_id is not None:
        return (await get(session, caller=actor, department_id=parent_id)).path
    if not actor.scope.everything:
        raise DepartmentOutOfReach("Only who sees every department changes the top of the tree.")
    return "/"


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DepartmentMisplaced(f"The tree has {MAX_DEPTH} levels at most; this is {depth}.")


async def _check_name(session: AsyncSession, department: Department) -> None:
    parent = Department.parent_id
    with session.no_autoflush:
        taken = await session.scalar(
            unscoped(
                select(Department.id).where(
                    Department.name == department.name,
                    Department.id != department.id,
                    parent.is_(None)
                    if department.parent_id is None
                    else parent == department.parent_id,
                ),
                "invisible siblings have names too",
            )
        )
    if taken is not None:
        raise DepartmentNameTaken(f"There is a department {department.name} in the same place.")


def _in_use(department: Department, counts: dict[str, int]) -> DepartmentInUse:
    used = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return DepartmentInUse(
        f"{department.name} is used by {used or 'somebody, since a moment ago'}. Move them first.",
        errors=[{"field": what, "message": str(count)} for what, count in counts.items() if count],
    )


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    check = Check()
    if "name" in values:
        values["name"] = check.name(values["name"])
    if "status" in values:
        check.choice("status", values["status"], STATUSES)
    check.done()
    return values


def _text(department_id: UUID | None) -> str | None:
    return None if department_id is None else str(department_id)


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, department: Department, changes: Any
) -> None:
    # The version is up already, see _lock.
    await changed(
        session,
        actor=actor,
        action=f"department.{verb}",
        subject_id=department.id,
        changes=changes,
        rights=False,
    )
