"""Tries at a second factor: counted before they are looked at, each in a transaction of its own.

Whoever comes so far has the password already, so nobody slows a stranger down by it; and a code of
six digits needs it: a hundred tries a day are what is left of any number.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.factors.errors import WrongProof
from paifang.modules.accounts.settings import AccountsSettings

T = TypeVar("T")


async def tried(
    runtime: Runtime,
    *,
    user_id: UUID,
    address: str,
    check: Callable[[AsyncSession], Awaitable[T]],
) -> T:
    """What ``check`` returns, when what was shown is right.

    Args:
        runtime: This process.
        user_id: Whose factor it is.
        address: Where the try comes from, for the audit trail.
        check: Looks at what was shown and does what follows from it, in one transaction.

    Raises:
        TooManyAttempts: tries fail too often.
        WrongProof: ``check`` said so; the try stays counted and is written down.
    """
    throttles = Throttles(runtime.secrets, runtime.settings.area(AccountsSettings))
    key = throttles.key("factor", str(user_id))
    async with runtime.db.transaction() as session:
        await throttles.count(session, key)
    try:
        async with runtime.db.transaction() as session:
            result = await check(session)
            await throttles.clear(session, key)
    except WrongProof as error:
        async with runtime.db.transaction() as session:
            audit.record(
                session,
                actor=Principal(id="nobody", name="Nobody"),
                action="accounts.factor.fail",
                subject_type="user",
                subject_id=str(user_id),
                changes={"address": address, "why": error.code},
            )
        raise
    return result
