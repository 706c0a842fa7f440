"""Finding people, and who they may become. With ``people`` the only place that writes them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User


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
