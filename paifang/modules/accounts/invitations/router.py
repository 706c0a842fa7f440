"""The console's API of invitations."""

from uuid import UUID

from fastapi import APIRouter, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging
from paifang.modules.accounts.invitations import service
from paifang.modules.accounts.invitations.schemas import (
    InvitationCreate,
    InvitationCreated,
    InvitationRead,
)
from paifang.modules.accounts.permissions import AccountsPermission

router = APIRouter(prefix="/accounts/invitations", tags=["people"])


@router.get("", dependencies=[require(AccountsPermission.INVITATIONS_READ)])
async def list_invitations(
    session: Db, paging: Paging, used: bool | None = None
) -> Page[InvitationRead]:
    """Invitations, the newest first."""
    found = await service.list_page(session, paging=paging, used=used)
    return Page(
        items=[InvitationRead.model_validate(each) for each in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[require(AccountsPermission.INVITATIONS_WRITE)])
async def create_invitation(
    request: Request, session: Db, caller: Caller, body: InvitationCreate
) -> InvitationCreated:
    """Invite somebody, with roles and groups already chosen."""
    made, link = await service.create(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        email=body.email,
        role_ids=body.role_ids,
        group_ids=body.group_ids,
        department_id=body.department_id,
        note=body.note,
        locale=body.locale,
        days=body.days,
    )
    return InvitationCreated(invitation=InvitationRead.model_validate(made), link=link)


@router.delete(
    "/{invitation_id}",
    status_code=204,
    dependencies=[require(AccountsPermission.INVITATIONS_WRITE)],
)
async def delete_invitation(session: Db, caller: Caller, invitation_id: UUID) -> None:
    """Take an invitation back, or strike a used one from the list."""
    await service.withdraw(session, actor=caller, invitation_id=invitation_id)
