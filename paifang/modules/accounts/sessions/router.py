"""The API of one's own sessions."""

from uuid import UUID

from fastapi import APIRouter, Request

from paifang.core import audit
from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.sessions import service
from paifang.modules.accounts.sessions.errors import NoPerson
from paifang.modules.accounts.sessions.schemas import SessionRead
from paifang.modules.accounts.sessions.shown import shown
from paifang.modules.accounts.settings import AccountsSettings

router = APIRouter(prefix="/account/sessions", tags=["account"])
SELF = require(AccountsPermission.SELF)


@router.get("", dependencies=[SELF])
async def list_sessions(request: Request, session: Db, caller: Caller) -> list[SessionRead]:
    """Where you are signed in, the last used first."""
    if caller.user_id is None:
        return []
    settings = request.app.state.runtime.settings.area(AccountsSettings)
    found = await service.open_sessions(session, user_id=caller.user_id, settings=settings)
    return [SessionRead(**shown(each, current=caller.session_id)) for each in found]


@router.delete("/{session_id}", status_code=204, dependencies=[SELF])
async def end_session(session: Db, caller: Caller, session_id: UUID) -> None:
    """End one of your sessions, on whichever device; at once."""
    if caller.user_id is None:
        raise NoPerson
    await service.end(
        session, session_id=session_id, user_id=caller.user_id, reason=service.Ended.ENDED
    )
    audit.record(
        session,
        actor=caller,
        action="accounts.session.end",
        subject_type="session",
        subject_id=str(session_id),
    )


@router.delete("", status_code=204, dependencies=[SELF])
async def end_other_sessions(session: Db, caller: Caller) -> None:
    """End all of your sessions but this one."""
    if caller.user_id is None:
        return
    ended = await service.end_all(
        session,
        user_id=caller.user_id,
        reason=service.Ended.ENDED,
        keep=caller.session_id,
    )
    audit.record(
        session,
        actor=caller,
        action="accounts.session.end_others",
        subject_type="user",
        subject_id=str(caller.user_id),
        changes={"sessions": ended},
    )
