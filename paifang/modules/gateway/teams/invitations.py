"""Invitations into a group: by mail, accepted by the person of that address or by the link."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import mail
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.errors import Invalid
from paifang.core.mail import BadMail
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.groups.errors import PersonalGroup
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.models import GroupMember, GroupRole
from paifang.modules.gateway.teams import service
from paifang.modules.gateway.teams.errors import AlreadyMember, InvitationNotFound, OtherAddress
from paifang.modules.gateway.teams.models import GroupInvitation

VALID = timedelta(days=7)
PAGE = "/join"
"""The page of the portal that a link leads to. What is secret is behind the ``#``: browsers send
that to nobody."""


class Offered(NamedTuple):
    """An invitation as the invited person sees it."""

    id: UUID
    group_id: str
    group: str
    inviter: str
    role: str
    expires_at: datetime


async def invite(
    session: AsyncSession,
    *,
    actor: Principal,
    group_id: str,
    email: str,
    role: GroupRole,
    base_url: str,
) -> GroupInvitation:
    """Invite an address into a group, by mail. A second invitation takes the place of the first.

    Managers invite members; owners anybody. Whether the address has an account is not told.

    Raises:
        Invalid: it is no mail address.
        GroupNotFound: the caller does not see the group.
        RoleTooLow: the caller may not invite to this role.
        PersonalGroup: it is a personal group.
        AlreadyMember: a member has this address.
        TooManyMembers: there is no room.
    """
    needed = GroupRole.MANAGER if role is GroupRole.MEMBER else GroupRole.OWNER
    group = await service.of_shared_group(session, actor=actor, group_id=group_id, needed=needed)
    email = email.strip().lower()
    inside = unscoped(
        select(User.id)
        .join(GroupMember, GroupMember.user_id == User.id)
        .where(GroupMember.group_id == group_id, User.email == email),
        "whoever manages a group sees its members' addresses",
    )
    if await session.scalar(inside) is not None:
        raise AlreadyMember(f"{email} is in the group.")
    await session.execute(
        delete(GroupInvitation).where(
            GroupInvitation.group_id == group_id,
            (GroupInvitation.email == email) | (GroupInvitation.expires_at <= utc_now()),
        )
    )
    await service.check_room(session, group_id)
    secret = secrets.token_urlsafe(32)
    invitation = GroupInvitation(
        group_id=group_id,
        email=email,
        role=role,
        digest=_digest(secret),
        invited_by=actor.id,
        inviter=actor.name,
        expires_at=utc_now() + VALID,
    )
    session.add(invitation)
    await session.flush()
    await _send(session, actor, invitation, group, f"{base_url}{PAGE}#token={secret}")
    changes = {"email": email, "role": role}
    await groups.changed(session, actor, "invite", group, changes)
    return invitation


async def _send(
    session: AsyncSession, actor: Principal, invitation: GroupInvitation, group: Group, link: str
) -> None:
    """In the language of whoever invites: of the invited person nothing is known."""
    statement = unscoped(select(User.locale).where(User.id == actor.user_id), "it is the caller")
    values = mail.GroupInvitation(
        link=link,
        inviter=invitation.inviter,
        group=group.name or group.id,
        role=mail.GroupRole(invitation.role),
        valid=VALID,
    )
    try:
        await mail.send_template(
            session,
            to=invitation.email,
            template=values.template,
            locale=await session.scalar(statement) or "en",
            values=values,
            dedupe_key=f"group_invitation:{invitation.id}",
        )
    except BadMail as error:
        raise Invalid(
            f"email: {error}", errors=[{"field": "email", "message": str(error)}]
        ) from None


async def list_of_group(
    session: AsyncSession, *, caller: Principal, group_id: str
) -> Sequence[GroupInvitation]:
    """The open invitations of a group, the newest first, for its owners and managers."""
    await service.check(session, caller, group_id, GroupRole.MANAGER)
    statement = (
        select(GroupInvitation)
        .where(GroupInvitation.group_id == group_id, GroupInvitation.expires_at > utc_now())
        .order_by(GroupInvitation.created_at.desc(), GroupInvitation.id)
    )
    return (await session.scalars(statement)).all()


async def take_back(
    session: AsyncSession, *, actor: Principal, group_id: str, invitation_id: UUID
) -> None:
    """Take an invitation back; its link stops working."""
    group = await service.of_shared_group(
        session, actor=actor, group_id=group_id, needed=GroupRole.MANAGER
    )
    invitation = await session.get(GroupInvitation, invitation_id)
    if invitation is None or invitation.group_id != group_id:
        raise InvitationNotFound
    await session.delete(invitation)
    await groups.changed(session, actor, "invite.take_back", group, {"email": invitation.email})


async def list_mine(session: AsyncSession, *, caller: Principal) -> list[Offered]:
    """The open invitations to the caller's verified address."""
    statement = unscoped(
        select(
            GroupInvitation.id,
            Group.id,
            Group.name,
            GroupInvitation.inviter,
            GroupInvitation.role,
            GroupInvitation.expires_at,
        )
        .join(Group, Group.id == GroupInvitation.group_id)
        .join(User, User.email == GroupInvitation.email)
        .where(
            User.id == caller.user_id,
            User.email_verified_at.is_not(None),
            GroupInvitation.expires_at > utc_now(),
        )
        .order_by(GroupInvitation.created_at.desc()),
        "they are to the caller, who sees the name of the group before they are in it",
    )
    rows = await session.execute(statement)
    found = [Offered(*row) for row in rows]
    return [one._replace(group=one.group or one.group_id) for one in found]


async def accept(session: AsyncSession, *, actor: Principal, invitation_id: UUID) -> str:
    """Join a group by an invitation to the caller's verified address; returns the group's id.

    Raises:
        InvitationNotFound: there is none, it has expired, or it is for another address.
    """
    invitation = await _to_caller(session, actor, invitation_id)
    return await _join(session, actor, invitation)


async def accept_link(session: AsyncSession, *, actor: Principal, secret: str) -> str:
    """Join a group by what is in the link, whatever the caller's own address is.

    Raises:
        InvitationNotFound: there is none, or it has expired.
    """
    return await _join(session, actor, await _by_link(session, secret))


async def look(session: AsyncSession, *, secret: str) -> Offered:
    """What a link invites to. Raises :class:`InvitationNotFound`."""
    invitation = await _by_link(session, secret)
    statement = unscoped(
        select(Group.name).where(Group.id == invitation.group_id),
        "whoever has the link may know what it is for",
    )
    name = await session.scalar(statement)
    return Offered(
        invitation.id,
        invitation.group_id,
        name or invitation.group_id,
        invitation.inviter,
        invitation.role,
        invitation.expires_at,
    )


async def decline(session: AsyncSession, *, actor: Principal, invitation_id: UUID) -> None:
    """Decline an invitation to the caller's verified address; it is gone then."""
    await session.delete(await _to_caller(session, actor, invitation_id))


async def _to_caller(
    session: AsyncSession, actor: Principal, invitation_id: UUID
) -> GroupInvitation:
    statement = unscoped(
        select(GroupInvitation)
        .join(User, User.email == GroupInvitation.email)
        .where(
            GroupInvitation.id == invitation_id,
            GroupInvitation.expires_at > utc_now(),
            User.id == actor.user_id,
            User.email_verified_at.is_not(None),
        ),
        "the caller's own address is asked for",
    )
    invitation = await session.scalar(statement)
    if invitation is not None:
        return invitation
    if actor.scope.everything and await session.get(GroupInvitation, invitation_id) is not None:
        raise OtherAddress
    raise InvitationNotFound


async def _by_link(session: AsyncSession, secret: str) -> GroupInvitation:
    statement = select(GroupInvitation).where(
        GroupInvitation.digest == _digest(secret), GroupInvitation.expires_at > utc_now()
    )
    invitation: GroupInvitation | None = await session.scalar(statement)
    if invitation is None:
        raise InvitationNotFound
    return invitation


async def _join(session: AsyncSession, actor: Principal, invitation: GroupInvitation) -> str:
    if actor.user_id is None:
        raise PersonalGroup("Only people join groups; this is a key.")
    lock = unscoped(
        select(Group).where(Group.id == invitation.group_id).with_for_update(),
        "the invitation is what lets the caller in",
    )
    group = (await session.scalars(lock)).one()
    added = await members.add(
        session, group_id=group.id, user_id=actor.user_id, role=GroupRole(invitation.role)
    )
    await session.delete(invitation)
    if added:
        changes = {"user": str(actor.user_id), "role": invitation.role, "by": invitation.invited_by}
        await groups.changed(session, actor, "member.join", group, changes)
    return group.id


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
