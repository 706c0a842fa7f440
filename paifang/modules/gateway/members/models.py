"""The table of members, and the groups that somebody reaches through it."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Select, String, select
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.modules.accounts.users.models import User


class GroupRole(StrEnum):
    """What somebody is in a group. Each may do what those below it may."""

    OWNER = "owner"
    """Gives roles, hands the group over, deletes it, takes tokens over."""
    MANAGER = "manager"
    """Invites and removes members; sees and manages every token, log and cost of the group."""
    MEMBER = "member"
    """Makes tokens; sees their own tokens and what these did."""


RANK = {GroupRole.MEMBER: 1, GroupRole.MANAGER: 2, GroupRole.OWNER: 3}
"""A higher number may do more."""
MANAGING = (GroupRole.OWNER, GroupRole.MANAGER)
"""Those who see all that is in a group."""


class GroupMember(Base):
    """A person in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(16))
    """One of :class:`GroupRole`."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


def groups_of(user_id: UUID, *roles: GroupRole) -> Select[str]:
    """The ids of the groups that a person belongs to; with roles, only as one of these."""
    statement = select(GroupMember.group_id).where(GroupMember.user_id == user_id)
    return statement.where(GroupMember.role.in_(roles)) if roles else statement


def groups_owned_in(departments: Collection[UUID]) -> Select[str]:
    """The ids of the groups of which an owner is in one of the departments."""
    return (
        select(GroupMember.group_id)
        .join(User, User.id == GroupMember.user_id)
        .where(GroupMember.role == GroupRole.OWNER, User.department_id.in_(departments))
    )


def reached(
    column: Any, user_id: UUID | None, departments: Collection[UUID], *roles: GroupRole
) -> list[Any]:
    """The conditions under which a column names a group that is reached: as a member (with roles,
    as one of these), or through the department of an owner.
    """
    clauses: list[Any] = []
    if user_id is not None:
        clauses.append(column.in_(groups_of(user_id, *roles)))
    if departments:
        clauses.append(column.in_(groups_owned_in(departments)))
    return clauses
