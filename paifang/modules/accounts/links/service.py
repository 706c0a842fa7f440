"""Making links and taking them, once. The only place that writes them."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import utc_now
from paifang.modules.accounts.links.errors import LinkOver
from paifang.modules.accounts.links.models import MailLink, Purpose

VALID = {
    Purpose.VERIFY: timedelta(hours=24),
    Purpose.RESEND: timedelta(hours=1),
    Purpose.RESET: timedelta(minutes=30),
    Purpose.EMAIL: timedelta(hours=1),
    Purpose.EMAIL_UNDO: timedelta(days=7),
    Purpose.SETUP: timedelta(minutes=30),
}
"""How long each kind holds, from when it is made."""
KEPT = timedelta(days=7)
"""How long a row stays after that: for who asks for the mail again."""
TOKEN_BYTES = 32


def new_token() -> str:
    """256 random bits, for a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def ask(
    session: AsyncSession,
    *,
    purpose: Purpose,
    email: str,
    user_id: UUID | None = None,
    data: dict[str, Any] | None = None,
) -> MailLink:
    """A link that is asked for; it has no token until :func:`seal`."""
    now = utc_now()
    link = MailLink(
        user_id=user_id,
        purpose=purpose.value,
        email=email,
        data=data or {},
        created_at=now,
        expires_at=now + VALID[purpose],
    )
    session.add(link)
    await session.flush()
    return link


async def waiting(session: AsyncSession, *, link_id: UUID) -> MailLink | None:
    """A link that was asked for and is not sealed yet, locked; None when that is done."""
    link = await session.get(MailLink, link_id, with_for_update=True)
    return link if link is not None and link.digest is None and link.used_at is None else None


async def seal(session: AsyncSession, *, link: MailLink) -> str:
    """Give a link its token, for the mail; its time begins now."""
    token = new_token()
    link.digest = digest(token)
    link.expires_at = utc_now() + VALID[Purpose(link.purpose)]
    await session.flush()
    return token


async def look(session: AsyncSession, *, purpose: Purpose, token: str) -> MailLink:
    """The link of a token, without taking it. Raises :class:`LinkOver`."""
    return await _found(session, purpose, token, lock=False)


async def take(session: AsyncSession, *, purpose: Purpose, token: str) -> MailLink:
    """Use a link: it is locked, and over when the transaction is committed.

    Raises:
        LinkOver: it is none, or not for this, or over.
    """
    link = await _found(session, purpose, token, lock=True)
    link.used_at = utc_now()
    await session.flush()
    return link


async def drop(session: AsyncSession, *, link: MailLink) -> None:
    """Forget a link that leads to nothing."""
    await session.delete(link)
    await session.flush()


async def drop_of(
    session: AsyncSession, *, user_id: UUID, purposes: Iterable[Purpose] | None = None
) -> None:
    """Forget somebody's links, of some purposes or of all: what they were bound to has changed."""
    statement = delete(MailLink).where(MailLink.user_id == user_id)
    if purposes is not None:
        statement = statement.where(MailLink.purpose.in_([p.value for p in purposes]))
    await session.execute(statement, execution_options={"synchronize_session": False})


async def drop_purpose(session: AsyncSession, *, purpose: Purpose) -> None:
    """Forget all links of a purpose: a newer one takes their place."""
    await session.execute(
        delete(MailLink).where(MailLink.purpose == purpose.value),
        execution_options={"synchronize_session": False},
    )


async def latest(session: AsyncSession, *, purpose: Purpose, email: str) -> MailLink | None:
    """The last link of an address that was not used, over or not."""
    found: MailLink | None = await session.scalar(
        select(MailLink)
        .where(
            MailLink.email == email,
            MailLink.purpose == purpose.value,
            MailLink.used_at.is_(None),
            MailLink.user_id.is_not(None),
        )
        .order_by(MailLink.created_at.desc(), MailLink.id.desc())
        .limit(1)
    )
    return found


async def forget_old(session: AsyncSession) -> int:
    """Delete rows that are of no use any more; how many."""
    gone = await session.execute(delete(MailLink).where(MailLink.expires_at < utc_now() - KEPT))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it


async def _found(session: AsyncSession, purpose: Purpose, token: str, *, lock: bool) -> MailLink:
    statement = select(MailLink).where(
        MailLink.digest == digest(token), MailLink.purpose == purpose.value
    )
    if lock:
        statement = statement.with_for_update()
    link = await session.scalar(statement.execution_options(populate_existing=True))
    if link is None or link.used_at is not None or link.expires_at <= utc_now():
        raise LinkOver
    return link
