"""When somebody is gone for good: their personal group goes, and their teams get another owner."""

from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User, UserStatus
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.groups.models import Group, GroupKind
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.models import GroupMember, GroupRole
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token


async def forget(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """Take a person out of every group. Where nobody else owns a team, the manager, else the
    member, who has been in it longest owns it; with nobody left it stays, for an administrator.
    Doing it twice is doing it once.
    """
    theirs = unscoped(
        select(Group)
        .join(GroupMember, GroupMember.group_id == Group.id)
        .where(GroupMember.user_id == user_id)
        .order_by(Group.id)
        .with_for_update(of=Group),
        "they are the person's, who is gone",
    )
    for group in (await session.scalars(theirs)).all():
        if group.kind == GroupKind.PERSONAL:
            await groups.delete(session, actor=actor, group_id=group.id)
        else:
            await _leave(session, actor, group, user_id)


async def _leave(session: AsyncSession, actor: Principal, group: Group, user_id: UUID) -> None:
    changes: dict[str, Any] = {"user": str(user_id)}
    heir = await _heir(session, group.id, user_id)
    if heir is not None:
        await members.set_role(session, group_id=group.id, user_id=heir, role=GroupRole.OWNER)
        changes["owner"] = str(heir)
    await session.execute(
        delete(GroupMember).where(GroupMember.group_id == group.id, GroupMember.user_id == user_id)
    )
    changes["tokens_stopped"] = await tokens.stop_of_member(
        session, group_id=group.id, user_id=user_id
    )
    await groups.changed(session, actor, "member.gone", group, changes)


async def _heir(session: AsyncSession, group_id: str, user_id: UUID) -> UUID | None:
    """Who is to own a group that has no other owner; None when it has, or there is nobody."""
    rank = case(
        (GroupMember.role == GroupRole.OWNER, 0),
        (GroupMember.role == GroupRole.MANAGER, 1),
        else_=2,
    )
    statement = unscoped(
        select(GroupMember.user_id, GroupMember.role)
        .join(User, User.id == GroupMember.user_id)
        .where(
            GroupMember.group_id == group_id,
            GroupMember.user_id != user_id,
            User.status == UserStatus.ACTIVE,
        )
        .order_by(rank, GroupMember.created_at, GroupMember.user_id)
        .limit(1),
        "somebody has to answer for the group",
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None or row.role == GroupRole.OWNER else row.user_id


async def personal_data(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """A person's groups and tokens, for what they may take along."""
    belongs = unscoped(
        select(Group.id, Group.name, Group.kind, GroupMember.role, GroupMember.created_at)
        .join(GroupMember, GroupMember.group_id == Group.id)
        .where(GroupMember.user_id == user_id)
        .order_by(Group.id),
        "they are the person's own",
    )
    made = unscoped(
        select(
            Token.id,
            Token.group_id,
            Token.name,
            Token.prefix,
            Token.last_four,
            Token.used,
            Token.requests,
            Token.created_at,
            Token.last_used_at,
        )
        .where(Token.user_id == user_id)
        .order_by(Token.number),
        "they are the person's own",
    )
    return {
        "groups": [dict(row) for row in (await session.execute(belongs)).mappings()],
        "tokens": [dict(row) for row in (await session.execute(made)).mappings()],
    }
