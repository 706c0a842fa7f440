"""The groups that an invitation into Paifang names: whoever came with it becomes a member."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.errors import AppError
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.models import GroupRole
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.teams import service


async def join(
    session: AsyncSession, *, inviter: Principal, user_id: UUID, group_ids: Sequence[str]
) -> None:
    """Put a person into groups, as far as whoever invited them may do that today.

    Each group counts by itself: one that is full, gone or not the inviter's is left out, and the
    audit says so, because nobody is there to be told. Doing it twice is doing it once.
    """
    actor = inviter.under(GatewayPermission.TEAMS_WRITE)
    for group_id in dict.fromkeys(group_ids):
        try:
            await _join(session, actor, user_id, group_id)
        except AppError as error:
            audit.record(
                session,
                actor=inviter,
                action="gateway.group.join_refused",
                subject_type="group",
                subject_id=group_id,
                changes={"user": str(user_id), "code": error.code},
            )


async def _join(session: AsyncSession, actor: Principal, user_id: UUID, group_id: str) -> None:
    group = await service.of_shared_group(
        session, actor=actor, group_id=group_id, needed=GroupRole.MANAGER
    )
    if await members.role_of(session, group_id=group_id, user_id=user_id) is not None:
        return
    await service.check_room(session, group_id)
    await members.add(session, group_id=group_id, user_id=user_id, role=GroupRole.MEMBER)
    changes = {"user": str(user_id), "role": GroupRole.MEMBER}
    await groups.changed(session, actor, "member.add", group, changes)
