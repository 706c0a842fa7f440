"""Who holds which roles."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.errors import Invalid
from paifang.core.pagination import Page, PageQuery, bounded_total, order_by
from paifang.modules.access.above import ACTIVE, PEOPLE, people_clause
from paifang.modules.access.changed import changed
from paifang.modules.access.roles.authority import (
    check_holding,
    department_of,
    keep_an_administrator,
)
from paifang.modules.access.roles.errors import RoleNotFound
from paifang.modules.access.roles.models import ADMINISTRATOR, MEMBER, Role, UserRole

SORTS = {"display_name": PEOPLE.c.display_name, "email": PEOPLE.c.email}


@dataclass(frozen=True)
class Holder:
    """Somebody who holds a role."""

    id: UUID
    display_name: str
    email: str
    department_id: UUID | None
    status: str


async def roles_of(session: AsyncSession, *, user_ids: Iterable[UUID]) -> dict[UUID, list[Role]]:
    """The roles that are assigned to people, in their order; one statement for all of them."""
    wanted = list(user_ids)
    found: dict[UUID, list[Role]] = {user_id: [] for user_id in wanted}
    if not wanted:
        return found
    rows = await session.execute(
        select(UserRole.user_id, Role)
        .join(Role, Role.id == UserRole.role_id)
        .where(UserRole.user_id.in_(wanted))
        .order_by(Role.sort, Role.code)
    )
    for user_id, role in rows:
        found[user_id].append(role)
    return found


async def holders_page(
    session: AsyncSession, *, caller: Principal, role_id: UUID, paging: PageQuery
) -> Page[Holder]:
    """Who holds a role, of those the caller may see; ``member`` is held by everybody active.

    Raises:
        RoleNotFound: there is no such role.
    """
    role = await session.get(Role, role_id)
    if role is None:
        raise RoleNotFound
    order = order_by(paging.sort, SORTS, "display_name")
    statement = select(*(PEOPLE.c[f] for f in Holder.__annotations__)).where(people_clause(caller))
    if role.code == MEMBER:
        statement = statement.where(PEOPLE.c.status == ACTIVE)
    else:
        statement = statement.join(UserRole, UserRole.user_id == PEOPLE.c.id).where(
            UserRole.role_id == role.id
        )
    total = await bounded_total(session, statement)
    rows = await session.execute(
        statement.order_by(order, PEOPLE.c.id).limit(paging.page_size).offset(paging.offset)
    )
    return Page(
        items=[Holder(*row) for row in rows],
        total=total,
        page=paging.page,
        page_size=paging.page_size,
    )


async def assign(
    session: AsyncSession, *, actor: Principal, user_id: UUID, role_ids: Sequence[UUID]
) -> list[Role]:
    """Have a person hold exactly these roles, beside ``member``, which everybody holds.

    Whether the caller may see the person is for who calls this to ask.

    Raises:
        PersonNotFound: there is no such person.
        Invalid: one of the roles does not exist or can't be assigned.
        BeyondYourOwn: a role that is given or taken grants what the caller does not hold.
        LastAdministrator: nobody else is one.
    """
    department_id = await department_of(session, user_id, lock=True)
    wanted = {r.id: r for r in await session.scalars(select(Role).where(Role.id.in_(role_ids)))}
    errors = [
        {"field": f"role_ids.{place}", "message": message}
        for place, role_id in enumerate(role_ids)
        if (message := _refused(wanted.get(role_id)))
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    had = {role.id: role for role in (await roles_of(session, user_ids=[user_id]))[user_id]}
    added, removed = wanted.keys() - had.keys(), had.keys() - wanted.keys()
    await check_holding(session, actor, added | removed, department_id)
    if any(had[role_id].code == ADMINISTRATOR for role_id in removed):
        await keep_an_administrator(session, without=[user_id])
    if removed:
        await session.execute(
            delete_rows(UserRole).where(UserRole.user_id == user_id, UserRole.role_id.in_(removed))
        )
    session.add_all(UserRole(user_id=user_id, role_id=role_id) for role_id in added)
    if added or removed:
        await session.flush()
        await changed(
            session,
            actor=actor,
            action="role.assign",
            subject_id=user_id,
            changes={
                "added": sorted(wanted[role_id].code for role_id in added),
                "removed": sorted(had[role_id].code for role_id in removed),
            },
        )
    return sorted(wanted.values(), key=lambda role: (role.sort, role.code))


async def make_administrator(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """Have a person hold ``administrator`` beside what they hold.

    Raises:
        PersonNotFound: there is no such person.
        BeyondYourOwn: the caller is no administrator.
    """
    held = (await roles_of(session, user_ids=[user_id]))[user_id]
    role_id = await session.scalar(select(Role.id).where(Role.code == ADMINISTRATOR))
    if role_id is None:
        raise RoleNotFound("The built-in roles are missing: run `paifang migrate`.")
    role_ids = list(dict.fromkeys([*(role.id for role in held), role_id]))
    await assign(session, actor=actor, user_id=user_id, role_ids=role_ids)


async def forget(session: AsyncSession, *, user_ids: Collection[UUID]) -> None:
    """Take every role from people who are about to be deleted.

    Raises:
        LastAdministrator: nobody else would be one.
    """
    await keep_an_administrator(session, without=user_ids)
    await session.execute(delete_rows(UserRole).where(UserRole.user_id.in_(user_ids)))


def _refused(role: Role | None) -> str:
    if role is None:
        return "there is no such role"
    return "everybody holds member already" if role.code == MEMBER else ""
