"""Who is in a group, and what they may do there. The only place that writes members."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User, UserStatus
from paifang.modules.gateway.members.errors import (
    LastOwner,
    MemberNotFound,
    PersonNotFound,
    RoleTooLow,
)
from paifang.modules.gateway.members.models import (
    RANK,
    GroupMember,
    GroupRole,
    groups_owned_in,
)


class Member(NamedTuple):
    """A member with what is shown of the person."""

    user_id: UUID
    name: str
    email: str
    status: str
    role: str
    since: datetime


async def role_of(session: AsyncSession, *, group_id: str, user_id: UUID | None) -> str | None:
    """A person's role in a group; None when they are not in it."""
    if user_id is None:
        return None
    statement = select(GroupMember.role).where(
        GroupMember.group_id == group_id, GroupMember.user_id == user_id
    )
    role: str | None = await session.scalar(statement)
    return role


async def standing(session: AsyncSession, *, caller: Principal, group_id: str) -> GroupRole | None:
    """As what the caller acts in a group under the route's permission; None for nobody there.

    It is their own role, or an owner's where the permission's scope holds the group: that is how
    the console's people act in groups they do not belong to.
    """
    if caller.scope.everything:
        return GroupRole.OWNER
    person = caller.user_id if caller.scope.own else None
    role = await role_of(session, group_id=group_id, user_id=person)
    departments = caller.scope.departments
    if role != GroupRole.OWNER and departments:
        held = groups_owned_in(departments).where(GroupMember.group_id == group_id).limit(1)
        if await session.scalar(held) is not None:
            return GroupRole.OWNER
    return None if role is None else GroupRole(role)


def check_rank(standing: GroupRole, needed: GroupRole) -> None:
    """Raise :class:`RoleTooLow` when a standing is below what is needed."""
    if RANK[standing] < RANK[needed]:
        raise RoleTooLow(f"Only {_who(needed)} of the group may do this.")


def _who(role: GroupRole) -> str:
    return "owners" if role is GroupRole.OWNER else "owners and managers"


async def list_all(session: AsyncSession, *, group_id: str) -> Sequence[Member]:
    """The members of a group: owners first, then by name. Whether they may be seen is asked
    before.
    """
    statement = unscoped(
        select(
            GroupMember.user_id,
            User.display_name,
            User.email,
            User.status,
            GroupMember.role,
            GroupMember.created_at,
        )
        .join(User, User.id == GroupMember.user_id)
        .where(GroupMember.group_id == group_id)
        .order_by(User.display_name, User.id),
        "members of one group see each other",
    )
    rows = await session.execute(statement)
    found = [Member(*row) for row in rows]
    return sorted(found, key=lambda member: -RANK[GroupRole(member.role)])


async def add(session: AsyncSession, *, group_id: str, user_id: UUID, role: GroupRole) -> bool:
    """Put a person into a group; False when they are in it already, and stay what they are.

    Raises:
        PersonNotFound: there is no active person of that id.
    """
    person = unscoped(
        select(User.id).where(User.id == user_id, User.status == UserStatus.ACTIVE),
        "whoever is put into a group is named by id, and nothing of them is told",
    )
    if await session.scalar(person) is None:
        raise PersonNotFound
    if await role_of(session, group_id=group_id, user_id=user_id) is not None:
        return False
    session.add(GroupMember(group_id=group_id, user_id=user_id, role=role))
    await session.flush()
    return True


async def set_role(
    session: AsyncSession, *, group_id: str, user_id: UUID, role: GroupRole
) -> tuple[str, str]:
    """Give a member a role; returns the old one and the new. The caller has locked the group.

    Raises:
        MemberNotFound: the person is not in the group.
        LastOwner: they are its only owner.
    """
    old = await role_of(session, group_id=group_id, user_id=user_id)
    if old is None:
        raise MemberNotFound
    if old == role:
        return old, role
    if old == GroupRole.OWNER:
        await _another_owner(session, group_id, user_id)
    await session.execute(
        update(GroupMember)
        .where(GroupMember.group_id == group_id, GroupMember.user_id == user_id)
        .values(role=role)
    )
    return old, role


async def remove(session: AsyncSession, *, group_id: str, user_id: UUID) -> str:
    """Take a member out of a group; returns what they were. The caller has locked the group.

    Raises:
        MemberNotFound: the person is not in the group.
        LastOwner: they are its only owner.
    """
    old = await role_of(session, group_id=group_id, user_id=user_id)
    if old is None:
        raise MemberNotFound
    if old == GroupRole.OWNER:
        await _another_owner(session, group_id, user_id)
    await session.execute(
        delete(GroupMember).where(GroupMember.group_id == group_id, GroupMember.user_id == user_id)
    )
    return old


async def _another_owner(session: AsyncSession, group_id: str, user_id: UUID) -> None:
    """Raise :class:`LastOwner` unless somebody else owns the group and can act."""
    others = unscoped(
        select(func.count())
        .select_from(GroupMember)
        .join(User, User.id == GroupMember.user_id)
        .where(
            GroupMember.group_id == group_id,
            GroupMember.role == GroupRole.OWNER,
            GroupMember.user_id != user_id,
            User.status == UserStatus.ACTIVE,
        ),
        "only whether there is another owner is asked",
    )
    if not await session.scalar(others):
        raise LastOwner("Hand the group over to another member first, or delete it.")


async def count_owned(session: AsyncSession, *, user_id: UUID, of: Sequence[str]) -> int:
    """How many of these groups a person owns."""
    statement = (
        select(func.count())
        .select_from(GroupMember)
        .where(
            GroupMember.user_id == user_id,
            GroupMember.role == GroupRole.OWNER,
            GroupMember.group_id.in_(of),
        )
    )
    return (await session.execute(statement)).scalar_one()
