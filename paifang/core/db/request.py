"""The transaction of a request, as a parameter of its route."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

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
