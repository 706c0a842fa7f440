"""Making teams, and who belongs to them."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import params
from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.groups.errors import GroupNotFound, GroupNotYours, PersonalGroup
from paifang.modules.gateway.groups.models import Group, GroupKind
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.errors import MemberNotFound
from paifang.modules.gateway.members.models import GroupMember, GroupRole
from paifang.modules.gateway.newcomers import for_newcomers
from paifang.modules.gateway.params import MEMBERS_PER_TEAM, TEAMS_PER_PERSON
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.teams.errors import AlreadyMember, TooManyMembers, TooManyTeams
from paifang.modules.gateway.teams.models import GroupInvitation
from paifang.modules.gateway.tokens import service as tokens


async def create(
    session: AsyncSession, *, actor: Principal, name: str, unpriced: str = "allow"
) -> Group:
    """Make a team that the caller owns. It may call what newcomers may; where these have a quota,
    it has nothing to spend until an administrator gives it something.

    Raises:
        Invalid: the name can't be right.
        TooManyTeams: the caller owns as many as a person may.
        PersonalGroup: the caller is no person.
    """
    if actor.user_id is None:
        raise PersonalGroup("A key owns no team; make a group instead, and name its owner.")
    most = await params.get(session, param=TEAMS_PER_PERSON)
    owned = unscoped(
        select(func.count())
        .select_from(Group)
        .join(GroupMember, GroupMember.group_id == Group.id)
        .where(
            Group.kind == GroupKind.TEAM,
            GroupMember.user_id == actor.user_id,
            GroupMember.role == GroupRole.OWNER,
        ),
        "they are the caller's own",
    )
    held = (await session.execute(owned)).scalar_one()
    if held >= most and not actor.scope.everything:
        raise TooManyTeams(f"You own {held} teams, and may own {most}.")
    return await groups.create(
        session,
        actor=actor,
        name=name,
        kind=GroupKind.TEAM,
        owner_id=actor.user_id,
        unpriced=unpriced,
        **groups.of_team(await for_newcomers(session))._asdict(),
    )


async def rename(session: AsyncSession, *, actor: Principal, group_id: str, name: str) -> None:
    """Give a group another name, as one of its owners or managers."""
    await _acting(session, actor, group_id, GroupRole.MANAGER)
    await groups.update(session, actor=actor, group_id=group_id, name=name)


async def delete(session: AsyncSession, *, actor: Principal, group_id: str) -> None:
    """Delete a team with its tokens, as one of its owners.

    Raises:
        PersonalGroup: it is somebody's personal group.
    """
    group = await _acting(session, actor, group_id, GroupRole.OWNER)
    if group.kind != GroupKind.TEAM:
        raise PersonalGroup("Only teams are deleted by their owners.")
    await groups.delete(session, actor=actor, group_id=group_id)


async def list_members(
    session: AsyncSession, *, caller: Principal, group_id: str
) -> tuple[list[members.Member], GroupRole | None]:
    """The members of a group that the caller sees, and as what the caller sees them."""
    await groups.get(session, caller=caller, group_id=group_id)
    standing = await members.standing(session, caller=caller, group_id=group_id)
    return list(await members.list_all(session, group_id=group_id)), standing


async def put_member(
    session: AsyncSession, *, actor: Principal, group_id: str, user_id: UUID, role: GroupRole
) -> None:
    """Give a member another role, as an owner. From outside of the group (the console) it puts
    a person into it who was not there; owners and managers invite instead.

    Raises:
        GroupNotFound: the caller does not see the group.
        RoleTooLow: the caller is no owner.
        MemberNotFound: the person is not in the group, and the caller only a member of it.
        PersonNotFound: there is no active person of that id.
        LastOwner: they are the only owner, and would be it no longer.
    """
    group = await _acting(session, actor, group_id, GroupRole.OWNER)
    known = await members.role_of(session, group_id=group_id, user_id=user_id)
    if known is None:
        if not _reaches_beyond(actor):
            raise MemberNotFound("Invite people who are not in the group.")
        _check_shared(group)
        await check_room(session, group_id)
        await members.add(session, group_id=group_id, user_id=user_id, role=role)
        await _record(session, actor, "member.add", group, {"user": str(user_id), "role": role})
        return
    if group.kind == GroupKind.PERSONAL:
        raise PersonalGroup
    old, new = await members.set_role(session, group_id=group_id, user_id=user_id, role=role)
    if old != new:
        changes: dict[str, Any] = {"user": str(user_id), "role": [old, new]}
        await _record(session, actor, "member.role", group, changes)


async def remove_member(
    session: AsyncSession, *, actor: Principal, group_id: str, user_id: UUID
) -> int:
    """Take a person out of a group, or leave it; says how many of their tokens stop with that.

    Managers remove plain members, owners everybody; everybody may leave.

    Raises:
        GroupNotFound: the caller does not see the group.
        RoleTooLow: the caller may not remove this member.
        MemberNotFound: the person is not in the group.
        LastOwner: they are its only owner.
        PersonalGroup: it is their personal group.
    """
    leaving = actor.user_id == user_id
    group = await _acting(session, actor, group_id, GroupRole.MEMBER if leaving else None)
    if group.kind == GroupKind.PERSONAL:
        raise PersonalGroup
    if not leaving:
        role = await members.role_of(session, group_id=group_id, user_id=user_id)
        needed = GroupRole.MANAGER if role in {None, GroupRole.MEMBER} else GroupRole.OWNER
        await check(session, actor, group_id, needed)
    old = await members.remove(session, group_id=group_id, user_id=user_id)
    stopped = await tokens.stop_of_member(session, group_id=group_id, user_id=user_id)
    changes = {"user": str(user_id), "role": old, "tokens_stopped": stopped}
    await _record(session, actor, "member.leave" if leaving else "member.remove", group, changes)
    return stopped


async def hand_over(
    session: AsyncSession, *, actor: Principal, group_id: str, user_id: UUID
) -> None:
    """Make another member the owner, as an owner, who stays as a manager.

    Raises:
        GroupNotFound: the caller does not see the group.
        RoleTooLow: the caller is no owner.
        MemberNotFound: the person is not in the group.
        PersonalGroup: it is a personal group.
    """
    group = await _acting(session, actor, group_id, GroupRole.OWNER)
    if group.kind == GroupKind.PERSONAL:
        raise PersonalGroup
    if actor.user_id == user_id:
        return
    await members.set_role(session, group_id=group_id, user_id=user_id, role=GroupRole.OWNER)
    own = await members.role_of(session, group_id=group_id, user_id=actor.user_id)
    if own == GroupRole.OWNER and actor.user_id is not None:
        await members.set_role(
            session, group_id=group_id, user_id=actor.user_id, role=GroupRole.MANAGER
        )
    await _record(session, actor, "hand_over", group, {"owner": str(user_id)})


async def check_room(session: AsyncSession, group_id: str) -> None:
    """Raise :class:`TooManyMembers` when a team has no room for another."""
    most = await params.get(session, param=MEMBERS_PER_TEAM)
    people = select(func.count()).select_from(GroupMember).where(GroupMember.group_id == group_id)
    invited = (
        select(func.count())
        .select_from(GroupInvitation)
        .where(GroupInvitation.group_id == group_id)
    )
    count = (await session.execute(people)).scalar_one() + (
        await session.execute(invited)
    ).scalar_one()
    if count >= most:
        raise TooManyMembers(f"It has {count} members and invitations, and may have {most}.")


async def check(
    session: AsyncSession, actor: Principal, group_id: str, needed: GroupRole
) -> GroupRole:
    """As what the caller acts in a group; they must have at least this role.

    Raises:
        GroupNotFound: they do not see the group.
        RoleTooLow: their role is lower, or they only see it.
    """
    standing = await members.standing(session, caller=actor, group_id=group_id)
    if standing is None:
        reader = actor.under(GatewayPermission.GROUPS_READ)
        if await members.standing(session, caller=reader, group_id=group_id) is None:
            raise GroupNotFound
        raise GroupNotYours
    members.check_rank(standing, needed)
    return standing


async def of_shared_group(
    session: AsyncSession, *, actor: Principal, group_id: str, needed: GroupRole
) -> Group:
    """A group, locked, in which the caller has at least this role, and that others may join."""
    group = await _acting(session, actor, group_id, needed)
    _check_shared(group)
    return group


async def _acting(
    session: AsyncSession, actor: Principal, group_id: str, needed: GroupRole | None
) -> Group:
    """The group, locked: whoever changes its members at the same time waits."""
    group = await groups.found(session, actor, group_id, lock=True)
    if needed is not None:
        await check(session, actor, group_id, needed)
    return group


def _reaches_beyond(actor: Principal) -> bool:
    """Whether the caller acts in groups they are not in."""
    return actor.scope.everything or bool(actor.scope.departments)


def _check_shared(group: Group) -> None:
    if group.kind == GroupKind.PERSONAL:
        raise PersonalGroup


async def _record(
    session: AsyncSession, actor: Principal, verb: str, group: Group, changes: dict[str, Any]
) -> None:
    await groups.changed(session, actor, verb, group, changes)


__all__ = [
    "AlreadyMember",
    "check",
    "check_room",
    "create",
    "delete",
    "hand_over",
    "list_members",
    "of_shared_group",
    "put_member",
    "remove_member",
    "rename",
]
