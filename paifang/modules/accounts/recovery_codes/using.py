"""Using and renewing recovery codes, with the mail that tells their person."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.accounts.factors.errors import SecondFactorMissing
from paifang.modules.accounts.factors.notices import Change, tell
from paifang.modules.accounts.recovery_codes import service
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User


async def use(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    user: User,
    code: str,
    origin: Origin,
) -> None:
    """Use a code up, and tell its person: if it was not them, they want to know."""
    await service.use(session, actor=actor, user_id=user.id, code=code)
    await tell(
        session,
        base_url=runtime.base_url,
        user=user,
        change=Change.RECOVERY_CODE_USED,
        origin=origin,
    )


async def renew(
    session: AsyncSession, *, runtime: Runtime, actor: Principal, user_id: UUID, origin: Origin
) -> list[str]:
    """New codes for a person who has a second factor, and a mail that says so."""
    user = await users.by_id(session, user_id=user_id, lock=True)
    if user is None:
        raise SecondFactorMissing
    codes = await service.renew(session, actor=actor, user_id=user_id)
    await tell(
        session,
        base_url=runtime.base_url,
        user=user,
        change=Change.RECOVERY_CODES_MADE,
        origin=origin,
    )
    return codes
