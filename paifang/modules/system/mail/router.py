"""The API of mail."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.mail import MailState, parse_sender, shared_backend
from paifang.core.pagination import Page, Paging
from paifang.core.runtime import Runtime
from paifang.modules.system.mail import service
from paifang.modules.system.mail.schemas import (
    InboxEntry,
    InboxRead,
    MailHeader,
    OutgoingRead,
    Search,
)
from paifang.modules.system.permissions import SystemPermission

router = APIRouter(prefix="/system/mail", tags=["mail"])
INBOX = require(SystemPermission.INBOX_READ)
READ = require(SystemPermission.MAIL_READ)
WRITE = require(SystemPermission.MAIL_WRITE)

Searched = Annotated[Search | None, Query(description="Part of the recipient or of the subject.")]


@router.get("/inbox", dependencies=[INBOX])
async def list_inbox(session: Db, paging: Paging, search: Searched = None) -> Page[InboxEntry]:
    """The dev inbox: mails that no way out has taken because there is none. The newest first."""
    found = await service.list_inbox(session, paging=paging, search=search)
    return Page(
        items=[InboxEntry.model_validate(mail) for mail in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.get("/inbox/{mail_id}", dependencies=[INBOX])
async def get_inbox_mail(request: Request, session: Db, mail_id: UUID) -> InboxRead:
    """One mail of the dev inbox, with the links that are in it."""
    runtime: Runtime = request.app.state.runtime
    mail = await service.get_kept(session, mail_id=mail_id)
    headers = service.headers(mail, sender=parse_sender(runtime.settings.mail.sender))
    return InboxRead(
        **InboxEntry.model_validate(mail).model_dump(),
        headers=[MailHeader(name=name, value=value) for name, value in headers],
        text=mail.text,
        html=mail.html,
    )


@router.get("/outgoing", dependencies=[READ])
async def list_outgoing(
    session: Db, paging: Paging, state: MailState | None = None, search: Searched = None
) -> Page[OutgoingRead]:
    """What became of every mail, without their bodies. The newest first."""
    found = await service.list_outgoing(session, paging=paging, state=state, search=search)
    return Page(
        items=[OutgoingRead.of(mail) for mail in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("/outgoing/{mail_id}/retry", dependencies=[WRITE])
async def retry_mail(request: Request, session: Db, caller: Caller, mail_id: UUID) -> OutgoingRead:
    """Try a mail now that has failed or waits for its next attempt."""
    runtime: Runtime = request.app.state.runtime
    seconds = shared_backend(runtime.settings.mail).attempt_seconds
    mail = await service.retry(session, actor=caller, mail_id=mail_id, attempt_seconds=seconds)
    return OutgoingRead.of(mail)
