"""The API of teams: people make them, invite others, and say who may do what."""

from uuid import UUID

from fastapi import APIRouter, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.modules.gateway.members.models import MANAGING, GroupRole
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.teams import invitations, service
from paifang.modules.gateway.teams.schemas import (
    HandOver,
    InvitationCreate,
    InvitationRead,
    Joined,
    LinkIn,
    MemberPut,
    MemberRead,
    OfferRead,
    Removed,
    TeamCreate,
    TeamMade,
    TeamUpdate,
)

router = APIRouter(prefix="/gateway/teams", tags=["teams"])
members_router = APIRouter(prefix="/gateway/groups/{group_id}", tags=["teams"])
invitations_router = APIRouter(prefix="/gateway/invitations", tags=["teams"])
READ = require(GatewayPermission.GROUPS_READ)
WRITE = require(GatewayPermission.TEAMS_WRITE)


@router.post("", status_code=201, dependencies=[WRITE])
async def create_team(request: Request, session: Db, caller: Caller, body: TeamCreate) -> TeamMade:
    """Make a team. What it may call and spend is set by those who run Paifang."""
    settings = request.app.state.runtime.settings.area(GatewaySettings)
    team = await service.create(session, actor=caller, name=body.name, unpriced=settings.unpriced)
    return TeamMade(id=team.id, name=team.name)


@router.patch("/{group_id}", status_code=204, dependencies=[WRITE])
async def rename_team(session: Db, caller: Caller, group_id: str, body: TeamUpdate) -> None:
    """Give a group another name, as its owner or manager."""
    await service.rename(session, actor=caller, group_id=group_id, name=body.name)


@router.delete("/{group_id}", status_code=204, dependencies=[WRITE])
async def delete_team(session: Db, caller: Caller, group_id: str) -> None:
    """Delete a team with its tokens, as its owner; its logs stay."""
    await service.delete(session, actor=caller, group_id=group_id)


@members_router.get("/members", dependencies=[READ])
async def list_members(session: Db, caller: Caller, group_id: str) -> list[MemberRead]:
    """The members of a group, owners first."""
    found, standing = await service.list_members(session, caller=caller, group_id=group_id)
    return [
        MemberRead(
            user_id=member.user_id,
            name=member.name,
            email=member.email if standing in MANAGING else None,
            active=member.status == "active",
            role=member.role,
            since=member.since,
        )
        for member in found
    ]


@members_router.put("/members/{user_id}", status_code=204, dependencies=[WRITE])
async def put_member(
    session: Db, caller: Caller, group_id: str, user_id: UUID, body: MemberPut
) -> None:
    """Give a member another role, as an owner of the group. Who acts from outside of it, with a
    wider scope, also puts people into it.
    """
    await service.put_member(
        session, actor=caller, group_id=group_id, user_id=user_id, role=GroupRole(body.role)
    )


@members_router.delete("/members/{user_id}", dependencies=[WRITE])
async def remove_member(session: Db, caller: Caller, group_id: str, user_id: UUID) -> Removed:
    """Take a member out of a group, or leave it. The tokens they made in it stop at once."""
    stopped = await service.remove_member(session, actor=caller, group_id=group_id, user_id=user_id)
    return Removed(tokens_stopped=stopped)


@members_router.post("/hand-over", status_code=204, dependencies=[WRITE])
async def hand_over(session: Db, caller: Caller, group_id: str, body: HandOver) -> None:
    """Make another member the owner. Who hands over stays as a manager."""
    await service.hand_over(session, actor=caller, group_id=group_id, user_id=body.user_id)


@members_router.get("/invitations", dependencies=[WRITE])
async def list_group_invitations(
    session: Db, caller: Caller, group_id: str
) -> list[InvitationRead]:
    """The open invitations of a group, for its owners and managers."""
    found = await invitations.list_of_group(session, caller=caller, group_id=group_id)
    return [InvitationRead.model_validate(invitation) for invitation in found]


@members_router.post("/invitations", status_code=201, dependencies=[WRITE])
async def create_invitation(
    request: Request, session: Db, caller: Caller, group_id: str, body: InvitationCreate
) -> InvitationRead:
    """Invite somebody by mail. The link is good for seven days."""
    invitation = await invitations.invite(
        session,
        actor=caller,
        group_id=group_id,
        email=body.email,
        role=GroupRole(body.role),
        base_url=request.app.state.runtime.base_url,
    )
    return InvitationRead.model_validate(invitation)


@members_router.delete("/invitations/{invitation_id}", status_code=204, dependencies=[WRITE])
async def delete_invitation(
    session: Db, caller: Caller, group_id: str, invitation_id: UUID
) -> None:
    """Take an invitation back."""
    await invitations.take_back(
        session, actor=caller, group_id=group_id, invitation_id=invitation_id
    )


@invitations_router.get("", dependencies=[READ])
async def list_my_invitations(session: Db, caller: Caller) -> list[OfferRead]:
    """The open invitations to one's own verified address."""
    found = await invitations.list_mine(session, caller=caller)
    return [OfferRead.model_validate(offer) for offer in found]


@invitations_router.post("/look", dependencies=[READ])
async def look_at_link(session: Db, body: LinkIn) -> OfferRead:
    """What an invitation's link is for, before it is accepted."""
    return OfferRead.model_validate(await invitations.look(session, secret=body.secret))


@invitations_router.post("/accept", dependencies=[READ])
async def accept_link(session: Db, caller: Caller, body: LinkIn) -> Joined:
    """Join a group by the link of an invitation."""
    group_id = await invitations.accept_link(session, actor=caller, secret=body.secret)
    return Joined(group_id=group_id)


@invitations_router.post("/{invitation_id}/accept", dependencies=[READ])
async def accept_invitation(session: Db, caller: Caller, invitation_id: UUID) -> Joined:
    """Join a group by an invitation to one's own verified address."""
    group_id = await invitations.accept(session, actor=caller, invitation_id=invitation_id)
    return Joined(group_id=group_id)


@invitations_router.post("/{invitation_id}/decline", status_code=204, dependencies=[READ])
async def decline_invitation(session: Db, caller: Caller, invitation_id: UUID) -> None:
    """Decline an invitation to one's own verified address."""
    await invitations.decline(session, actor=caller, invitation_id=invitation_id)
