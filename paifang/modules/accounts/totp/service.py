"""Setting up and checking authenticator apps. The only place that writes their secrets."""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.secrets import Secrets
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.models import TotpSecret
from paifang.modules.accounts.totp import algorithm
from paifang.modules.accounts.totp.errors import TotpExists, TotpNotBegun, TotpNotFound, WrongCode

WRONG = "Type the code that the app shows now. Each works once, and the clock must be right."


async def begin(session: AsyncSession, *, user_id: UUID, secrets: Secrets) -> str:
    """Make a secret for an app; it counts for nothing until :func:`confirm`.

    Returns:
        The secret in base32, which is not shown again.

    Raises:
        TotpExists: a confirmed app must be removed first.
    """
    row = await session.get(TotpSecret, user_id, with_for_update=True)
    if row is not None and row.confirmed_at is not None:
        raise TotpExists("Remove the app that is set up, then add the new one.")
    secret = algorithm.new_secret()
    encrypted = secrets.encrypt(secret).decode()
    if row is None:
        session.add(TotpSecret(user_id=user_id, secret=encrypted))
    else:
        row.secret, row.created_at, row.last_step = encrypted, utc_now(), 0
    await session.flush()
    return secret


async def confirm(
    session: AsyncSession, *, actor: Principal, user_id: UUID, secrets: Secrets, code: str
) -> None:
    """Take a first code, which shows that the app has the secret: from now on it counts.

    Raises:
        TotpNotBegun: none is being set up.
        TotpExists: it was confirmed before.
        WrongCode: the code is not the app's.
    """
    row = await session.get(TotpSecret, user_id, with_for_update=True)
    if row is None:
        raise TotpNotBegun
    if row.confirmed_at is not None:
        raise TotpExists
    if not await _take(session, row, secrets, code):
        raise WrongCode(WRONG)
    row.confirmed_at = utc_now()
    _changed(session, actor, "add", user_id)


async def check(session: AsyncSession, *, user_id: UUID, secrets: Secrets, code: str) -> None:
    """Take a code. It and those before it are not taken again.

    Raises:
        WrongCode: it is wrong, old, used, or there is no confirmed app.
    """
    row = await session.scalar(
        select(TotpSecret).where(
            TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None)
        )
    )
    if row is None or not await _take(session, row, secrets, code):
        raise WrongCode(WRONG)


async def remove(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """Take the app away. Recovery codes go with the last second factor.

    Raises:
        TotpNotFound: there is none.
        SecondFactorRequired: it is the last second factor, and one is asked for.
    """
    row = await session.get(TotpSecret, user_id, with_for_update=True)
    if row is None or row.confirmed_at is None:
        raise TotpNotFound
    await session.execute(delete(TotpSecret).where(TotpSecret.user_id == user_id))
    session.expunge(row)
    await factors.factor_removed(session, user_id=user_id)
    _changed(session, actor, "remove", user_id)


async def rotate(session: AsyncSession, *, secrets: Secrets) -> int:
    """Encrypt every secret with the current key; returns how many there were."""
    rows = list(await session.scalars(select(TotpSecret).with_for_update()))
    for row in rows:
        row.secret = secrets.rotate(row.secret.encode()).decode()
    return len(rows)


async def _take(session: AsyncSession, row: TotpSecret, secrets: Secrets, code: str) -> bool:
    secret = secrets.decrypt(row.secret.encode())
    digits = "".join(code.split())
    step = algorithm.matching_step(secret, digits, at=utc_now().timestamp(), after=row.last_step)
    if step is None:
        return False
    # Of two calls that bring one code at the same moment, one comes first.
    taken = await session.execute(
        update(TotpSecret)
        .where(TotpSecret.user_id == row.user_id, TotpSecret.last_step < step)
        .values(last_step=step)
    )
    return bool(taken.rowcount == 1)  # type: ignore[attr-defined]  # an UPDATE's result has it


def _changed(session: AsyncSession, actor: Principal, verb: str, user_id: UUID) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.totp.{verb}",
        subject_type="user",
        subject_id=str(user_id),
    )
