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

GONE = Principal(id="nobody", name="Nobody")
"""Whoever invited, and is not here any more."""


async def join(
    session: AsyncSession, *, inviter: Principal | None, user_id: UUID, group_ids: Sequence[str]
) -> None:
    """Put a person into groups, as far as whoever invited them may do that today.

    Each group counts by itself: one that is full, gone or not the inviter's is left out, and the
    audit says so, because nobody is there to be told. All of them are when whoever invited is no
    longer here. Doing it twice is doing it once.
    """
    # In one order, whoever wrote them down: two people may join at the same moment.
    for group_id in sorted(set(group_ids)):
        if inviter is None:
            _refuse(session, GONE, user_id, group_id, "inviter_gone")
            continue
        try:
            await _join(session, inviter.under(GatewayPermission.TEAMS_WRITE), user_id, group_id)
        except AppError as error:
            _refuse(session, inviter, user_id, group_id, error.code)


def _refuse(
    session: AsyncSession, actor: Principal, user_id: UUID, group_id: str, code: str
) -> None:
    audit.record(
        session,
        actor=actor,
        action="gateway.group.join_refused",
        subject_type="group",
        subject_id=group_id,
        changes={"user": str(user_id), "code": code},
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
