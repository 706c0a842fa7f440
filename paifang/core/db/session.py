"""Transactions: one request, or one step of a job, is one transaction, committed here alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Request
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


_READING = {"GET", "HEAD", "OPTIONS"}


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's transaction; use it as :data:`Db`.

    It commits after the endpoint has returned and before the first byte of the answer is sent,
    so a COMMIT that fails is an error the client sees. To refuse, raise: a returned error
    response would commit. GET and HEAD never commit.
    """
    database = request.app.state.runtime.db
    if request.method in _READING:
        async with database.reading() as reading:
            yield reading
        return
    async with database.transaction() as writing:
        yield writing


Db = Annotated[AsyncSession, Depends(session, scope="function")]
"""A session parameter of a route, in the request's one transaction."""
