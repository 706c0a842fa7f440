"""Transactions: one request, or one step of a job, is one transaction, committed here alone."""

from collections.abc import Awaitable, Callable
from typing import cast

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

CommitCallback = Callable[[], Awaitable[None]]
_CALLBACKS = "paifang.on_commit"
BUMPED = "paifang.bumped"
"""Key in ``session.info``: names of the versions this transaction has counted up."""


def new_session(engine: AsyncEngine) -> AsyncSession:
    """A session whose objects stay readable after the commit, and that is dead once closed.

    ``close_resets_only=False``: a closed session that is used again would silently open a new
    connection that nobody commits or returns.
    """
    return AsyncSession(engine, expire_on_commit=False, close_resets_only=False)


def on_commit(session: AsyncSession, callback: CommitCallback) -> None:
    """Await ``callback`` after this transaction has been committed, before the caller goes on.

    The same callback given twice runs once. It must not raise for what is not its caller's
    business: the change is already made. What must survive a crash belongs in the outbox.
    """
    callbacks: dict[CommitCallback, None] = session.info.setdefault(_CALLBACKS, {})
    callbacks[callback] = None


async def run_commit_callbacks(session: AsyncSession) -> None:
    """Run what was given to :func:`on_commit`, in order."""
    for callback in cast("dict[CommitCallback, None]", session.info.pop(_CALLBACKS, {})):
        await callback()
