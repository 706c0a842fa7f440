"""Making and using recovery codes. The only place that writes them."""

from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import SecondFactorMissing
from paifang.modules.accounts.factors.models import RecoveryCode
from paifang.modules.accounts.recovery_codes.codes import digest_of, new_code
from paifang.modules.accounts.recovery_codes.errors import WrongRecoveryCode

COUNT = 10
"""How many somebody gets."""


async def renew(session: AsyncSession, *, actor: Principal, user_id: UUID) -> list[str]:
    """Make new codes; those before are over.

    Returns:
        The codes, which are not shown again.

    Raises:
        SecondFactorMissing: there is nothing that they could stand in for.
    """
    if not await factors.methods_of(session, user_id=user_id):
        raise SecondFactorMissing("Set up an authenticator app or a passkey first.")
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [new_code() for _ in range(COUNT)]
    session.add_all(RecoveryCode(user_id=user_id, digest=digest_of(code)) for code in codes)
    await session.flush()
    _record(session, actor, "make", user_id, {"count": COUNT})
    return codes


async def first(session: AsyncSession, *, actor: Principal, user_id: UUID) -> list[str] | None:
    """Codes for who has just got a second factor; None when some are left from before."""
    if await left(session, user_id=user_id):
        return None
    return await renew(session, actor=actor, user_id=user_id)


async def left(session: AsyncSession, *, user_id: UUID) -> int:
    """How many of a person's codes are not used."""
    unused = select(func.count()).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return await session.scalar(unused) or 0


async def use(session: AsyncSession, *, actor: Principal, user_id: UUID, code: str) -> int:
    """Use a code up; returns how many are left.

    Raises:
        WrongRecoveryCode: it is none of the person's, or was used.
    """
    used = await session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.digest == digest_of(code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=utc_now())
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise WrongRecoveryCode
    remaining = await left(session, user_id=user_id)
    _record(session, actor, "use", user_id, {"left": remaining})
    return remaining


def _record(
    session: AsyncSession, actor: Principal, verb: str, user_id: UUID, changes: dict[str, int]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.recovery_codes.{verb}",
        subject_type="user",
        subject_id=str(user_id),
        changes=changes,
    )
