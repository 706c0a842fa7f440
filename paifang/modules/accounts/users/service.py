"""Finding people, and who they may become. With ``people`` the only place that writes them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import events
from paifang.core.db import bump_version
from paifang.core.scope import unscoped
from paifang.modules.access.positions import service as positions
from paifang.modules.access.roles import service as roles
from paifang.modules.access.roles.service import VERSION as ACCESS
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.users.events import UserDeleted, UserDisabled
from paifang.modules.accounts.users.models import User, UserStatus


def folded(email: str) -> str:
    """An address as it is kept and compared: in lower case, without spaces around it."""
    return email.strip().lower()


async def by_email(session: AsyncSession, *, email: str, lock: bool = False) -> User | None:
    """The person of an address, whoever asks: for signing in and the like."""
    statement = unscoped(
        select(User).where(User.email == folded(email)), "who signs in is nobody yet"
    )
    if lock:
        statement = statement.with_for_update()
    found: User | None = await session.scalar(statement.execution_options(populate_existing=True))
    return found


async def by_id(session: AsyncSession, *, user_id: UUID, lock: bool = False) -> User | None:
    """The person of an id, whoever asks: for what concerns themselves."""
    statement = unscoped(select(User).where(User.id == user_id), "about the person themselves")
    if lock:
        statement = statement.with_for_update()
    found: User | None = await session.scalar(statement.execution_options(populate_existing=True))
    return found


VERSIONS = (ACCESS, "gateway")
"""Who remembers people in memory: what they may do, and whose tokens are whose."""


async def end_account(
    session: AsyncSession, *, user: User, status: UserStatus, reason: sessions.Ended
) -> None:
    """Have an account let nobody in from the next request on, whichever process it meets.

    Raises:
        LastAdministrator: nobody else would be one.
    """
    await roles.keep_an_administrator(session, without=[user.id])
    user.status = status
    await session.flush()
    await sessions.end_all(session, user_id=user.id, reason=reason)
    await links.drop_of(session, user_id=user.id)
    await tell_status(session)
    events.publish(
        session,
        UserDeleted(user_id=str(user.id))
        if status == UserStatus.DELETED
        else UserDisabled(user_id=str(user.id)),
    )


async def tell_status(session: AsyncSession) -> None:
    """Have every process look anew at who may do what."""
    for version in VERSIONS:
        await bump_version(session, version)


async def erase(session: AsyncSession, *, user: User) -> None:
    """Take from an account what is personal. The row stays, for what refers to it.

    The picture in the storage is for who calls this to delete.
    """
    user.email = f"deleted-{user.id.hex}@invalid"
    user.email_verified_at = None
    user.password_hash = None
    user.display_name = "Deleted"
    user.phone = None
    user.avatar = None
    user.department_id = None
    user.status_reason = None
    user.last_seen_at = None
    await roles.forget(session, user_ids=[user.id])
    await positions.forget(session, user_ids=[user.id])
    await sessions.erase_of(session, user_id=user.id)
    await session.flush()
