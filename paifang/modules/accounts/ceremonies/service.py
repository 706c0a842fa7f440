"""Beginning and ending ceremonies. The only place that writes them.

A handle is for whoever began it and is not kept; its digest is. Taking one deletes it, so of two
who bring the same handle one gets nothing.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import utc_now
from paifang.modules.accounts.ceremonies.errors import CeremonyOver, TooManyCeremonies
from paifang.modules.accounts.ceremonies.models import Ceremony

MINUTES = 10
"""How long one waits for its end."""
PER_ADDRESS = 300
"""How many may be waiting that began at one address: a stranger can't fill the table."""


def digest_of(handle: str) -> str:
    """What is kept of a handle."""
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()


async def begin(
    session: AsyncSession,
    *,
    purpose: str,
    data: dict[str, Any],
    user_id: UUID | None = None,
    address: str = "",
    handle: str | None = None,
    minutes: float = MINUTES,
) -> str:
    """Begin one.

    Args:
        session: The caller's transaction.
        purpose: What it is for.
        data: What its end needs to know.
        user_id: Whose it is; None while nobody knows.
        address: Where it begins.
        handle: The handle, where it is known from elsewhere; one that waits is replaced.
        minutes: How long it waits.

    Returns:
        The handle that ends it: 256 random bits, unless it was given.

    Raises:
        TooManyCeremonies: more than :data:`PER_ADDRESS` wait that began at this address.
    """
    now = utc_now()
    waiting = await session.scalar(
        select(func.count()).where(Ceremony.address == address, Ceremony.expires_at > now)
    )
    if address and (waiting or 0) >= PER_ADDRESS:
        raise TooManyCeremonies(
            f"{waiting} attempts from this address wait for their end. Try again in some minutes.",
            headers={"Retry-After": "60"},
        )
    if handle is None:
        handle = secrets.token_urlsafe(32)
    else:
        await session.execute(delete(Ceremony).where(Ceremony.digest == digest_of(handle)))
    session.add(
        Ceremony(
            purpose=purpose,
            digest=digest_of(handle),
            user_id=user_id,
            address=address,
            data=data,
            expires_at=now + timedelta(minutes=minutes),
        )
    )
    await session.flush()
    return handle


async def take(
    session: AsyncSession, *, purpose: str, handle: str, user_id: UUID | None = None
) -> Ceremony:
    """End one: whoever asks for it again gets nothing.

    It is gone with this transaction alone. What ends in a refusal takes it in one of its own
    before, else the refusal would bring it back.

    Args:
        session: The caller's transaction.
        purpose: What it must be for.
        handle: What :func:`begin` gave.
        user_id: Whose it must be; None for one that nobody owns.

    Raises:
        CeremonyOver: there is none such, or not any more.
    """
    found = await session.scalar(
        select(Ceremony).where(
            Ceremony.digest == digest_of(handle),
            Ceremony.purpose == purpose,
            Ceremony.expires_at > utc_now(),
        )
    )
    if found is None or found.user_id != user_id:
        raise CeremonyOver
    session.expunge(found)
    gone = await session.execute(delete(Ceremony).where(Ceremony.id == found.id))
    if gone.rowcount != 1:  # type: ignore[attr-defined]  # a DELETE's result has it
        raise CeremonyOver
    return found


async def forget(session: AsyncSession, *, user_id: UUID) -> None:
    """Delete those of a person."""
    await session.execute(delete(Ceremony).where(Ceremony.user_id == user_id))


async def sweep(session: AsyncSession) -> None:
    """Delete those that have waited too long."""
    await session.execute(delete(Ceremony).where(Ceremony.expires_at <= utc_now()))
