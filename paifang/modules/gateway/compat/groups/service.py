"""Whether a group is there for whoever asks."""

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.modules.gateway.groups import service as groups


async def check_group(session: AsyncSession, caller: Principal, group_id: str) -> None:
    """Refuse a group outside of the caller's scope. To whoever sees all, one that is not there is
    an empty one, as that service has it.

    Raises:
        GroupNotFound: the caller does not see it.
    """
    if not caller.scope.everything:
        await groups.get(session, caller=caller, group_id=group_id)
