"""What an invitation says about other modules' rows, for those modules."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.modules.access.roles.grants import grants
from paifang.modules.accounts.invitations.models import Invitation
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import UserStatus


async def groups_of(
    session: AsyncSession, *, invitation_id: UUID
) -> tuple[Principal | None, list[str]]:
    """Whoever invited, with what they may do today, and the groups they named.

    Returns:
        None for somebody who is no longer here; what they wished then counts no longer.
    """
    invitation = await session.get(Invitation, invitation_id)
    if invitation is None:
        return None, []
    return await _inviter(session, invitation.invited_by), list(invitation.group_ids)


async def _inviter(session: AsyncSession, inviter: str) -> Principal | None:
    try:
        user_id = UUID(inviter)
    except ValueError:  # a key or a command: whoever has it may do everything
        return Principal(id=inviter, name=inviter, kind="operator", all_permissions=True)
    user = await users.by_id(session, user_id=user_id)
    if user is None or user.status != UserStatus.ACTIVE:
        return None
    found = await grants(session, user_id=user_id, department_id=user.department_id)
    return Principal(
        id=inviter,
        name=user.display_name,
        user_id=user_id,
        department_id=user.department_id,
        grants=found.permissions,
        all_permissions=found.administrator,
    )
