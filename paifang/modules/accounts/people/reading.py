"""Which people an administrator sees, and with what access says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.core.scope import visible
from paifang.modules.access.departments import service as departments
from paifang.modules.access.positions import service as positions
from paifang.modules.access.positions.models import Position
from paifang.modules.access.roles import service as roles
from paifang.modules.access.roles.models import Role, UserRole
from paifang.modules.accounts.users.errors import UserNotFound
from paifang.modules.accounts.users.models import User, UserStatus

SORTS = {
    "created_at": User.created_at,
    "display_name": User.display_name,
    "email": User.email,
    "last_seen_at": User.last_seen_at,
}
EXPORTED = 10_000
"""Rows of an export."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with what access says of them."""

    user: User
    roles: list[Role]
    positions: list[Position]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is filtered by."""

    status: str | None = None
    """A status, or one half of ``pending``: ``awaiting`` approval, or ``unconfirmed`` address."""
    search: str | None = None
    """A part of the address or the name."""
    department_id: UUID | None = None
    """They belong to it or to what is below."""
    role_id: UUID | None = None


async def list_page(
    session: AsyncSession, *, caller: Principal, paging: PageQuery, wanted: Wanted
) -> Page[Person]:
    """A page of the people that the caller may see, the newest first."""
    statement = await _selected(session, caller, wanted)
    order = order_by(paging.sort, SORTS, "-created_at")
    found = await paginate(
        session, statement.order_by(order, User.id), paging=paging, read=lambda user: user
    )
    return Page(
        items=await with_access(session, found.items),
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


async def export(session: AsyncSession, *, caller: Principal, wanted: Wanted) -> list[Person]:
    """All people of a list, at most :data:`EXPORTED`, in the order in which they came."""
    statement = await _selected(session, caller, wanted)
    found = await session.scalars(statement.order_by(User.created_at, User.id).limit(EXPORTED))
    return await with_access(session, list(found))


async def get(session: AsyncSession, *, caller: Principal, user_id: UUID) -> Person:
    """A person. Raises :class:`UserNotFound`, also for who is not in the caller's scope."""
    user = await seen(session, caller, user_id, lock=False)
    return (await with_access(session, [user]))[0]


async def _selected(session: AsyncSession, caller: Principal, wanted: Wanted) -> Select[Any]:
    statement: Select[Any] = visible(select(User).where(User.status != UserStatus.DELETED), caller)
    if wanted.status in ("awaiting", "unconfirmed"):
        confirmed = User.email_verified_at.is_not(None)
        statement = statement.where(
            User.status == UserStatus.PENDING,
            confirmed if wanted.status == "awaiting" else ~confirmed,
        )
    elif wanted.status is not None:
        statement = statement.where(User.status == wanted.status)
    if wanted.search:
        statement = statement.where(
            or_(
                User.email.icontains(wanted.search, autoescape=True),
                User.display_name.icontains(wanted.search, autoescape=True),
            )
        )
    if wanted.department_id is not None:
        below = await departments.below_all(session, [wanted.department_id])
        statement = statement.where(User.department_id.in_(below))
    if wanted.role_id is not None:
        holders = select(UserRole.user_id).where(UserRole.role_id == wanted.role_id)
        statement = statement.where(User.id.in_(holders))
    return statement


async def with_access(session: AsyncSession, found: Sequence[User]) -> list[Person]:
    """People with their roles and positions: two statements for all of them."""
    ids = [user.id for user in found]
    held = await roles.roles_of(session, user_ids=ids)
    placed = await positions.positions_of(session, user_ids=ids)
    return [Person(user, held[user.id], placed[user.id]) for user in found]


async def seen(
    session: AsyncSession, caller: Principal, user_id: UUID, *, lock: bool = True
) -> User:
    """A person whom the caller may see, locked to be changed. Raises :class:`UserNotFound`."""
    statement = visible(
        select(User).where(User.id == user_id, User.status != UserStatus.DELETED), caller
    )
    if lock:
        statement = statement.with_for_update()
    user = await session.scalar(statement.execution_options(populate_existing=True))
    if user is None:
        raise UserNotFound
    return user
