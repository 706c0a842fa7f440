"""Mails to a person whose ways to prove who they are have changed."""

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.mail import FactorChange as Change
from paifang.core.mail import FactorChanged
from paifang.modules.accounts import mails
from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.users.models import User

__all__ = ["Change", "tell"]


async def tell(
    session: AsyncSession, *, base_url: str, user: User, change: Change, origin: Origin
) -> None:
    """Write to the person, if the caller's transaction is committed.

    Args:
        session: The caller's transaction.
        base_url: The address of this installation, for the link.
        user: Whose factor it is.
        change: What became of it.
        origin: Where it was done.
    """
    await mails.send(
        session,
        to=user.email,
        locale=user.locale,
        values=FactorChanged(
            link=f"{base_url}{mails.SECURITY}",
            change=change,
            device=device_name(origin.agent),
            address=origin.address,
            at=utc_now(),
        ),
        dedupe_key=f"factor_changed:{uuid7().hex}",
    )
