"""The table of members, and the groups that somebody reaches through it."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ForeignKey, Select, String, or_, select
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.db import Base, utc_now
from paifang.core.scope import Scope, unscoped
from paifang.modules.accounts.users.models import User

if TYPE_CHECKING:
    from paifang.core.auth import Principal


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
    return (
        statement.where(or_(*(GroupMember.role == role for role in roles))) if roles else statement
    )


def groups_owned_in(departments: Collection[UUID]) -> Select[str]:
    """The ids of the groups of which an owner is in one of the departments."""
    return unscoped(
        select(GroupMember.group_id)
        .join(User, User.id == GroupMember.user_id)
        .where(GroupMember.role == GroupRole.OWNER, User.department_id.in_(departments)),
        "it says what a scope is",
    )


def reached(
    column: Any, scope: Scope, caller: "Principal", *roles: GroupRole
) -> list[ColumnElement[bool]]:
    """The conditions under which a column names a group that is reached: as a member (with roles,
    as one of these), or through the department of an owner.
    """
    clauses: list[ColumnElement[bool]] = []
    if caller.user_id is not None and scope.own:
        clauses.append(column.in_(groups_of(caller.user_id, *roles)))
    if scope.departments:
        clauses.append(column.in_(groups_owned_in(scope.departments)))
    return clauses
