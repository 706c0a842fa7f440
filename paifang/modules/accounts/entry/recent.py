"""What a route with a sensitive change asks for: that its caller has just proved who they are."""

from typing import Any

from fastapi import Depends, Request

from paifang.core.auth import Caller
from paifang.core.runtime import Runtime
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.errors import NoPerson
from paifang.modules.accounts.settings import AccountsSettings


def recent() -> Any:
    """A dependency that stands behind the one that requires a permission.

    It refuses with ``reauthentication_required``, and a key, which has no session, with
    ``no_person``.
    """
    return Depends(check)


async def check(request: Request, caller: Caller) -> None:
    """See :func:`recent`."""
    if caller.session_id is None:
        raise NoPerson
    runtime: Runtime = request.app.state.runtime
    async with runtime.db.reading() as session:
        await sessions.need_recent(
            session,
            session_id=caller.session_id,
            settings=runtime.settings.area(AccountsSettings),
        )
