"""Looking at mails, and trying one again."""

from email.headerregistry import Address
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core import mail as mails
from paifang.core.auth import Principal
from paifang.core.jobs import enqueue
from paifang.core.mail import Mail, MailState
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.system.mail.errors import MailNotFound, MailNotRetried

SORTS = {"created_at": Mail.created_at}


async def list_inbox(
    session: AsyncSession, *, paging: PageQuery, search: str | None = None
) -> Page[Mail]:
    """A page of the dev inbox, the newest first; ``search`` is in the recipient or the subject."""
    statement = _ordered(paging, search).where(Mail.state == MailState.KEPT)
    return await paginate(session, statement, paging=paging, read=lambda mail: mail)


async def get_kept(session: AsyncSession, *, mail_id: UUID) -> Mail:
    """A mail of the dev inbox. Raises :class:`MailNotFound`."""
    mail = await session.get(Mail, mail_id)
    if mail is None or mail.state != MailState.KEPT:
        raise MailNotFound
    return mail


def headers(mail: Mail, *, sender: Address) -> list[tuple[str, str]]:
    """The headers a mail would have on its way out."""
    message = mails.build_message(mail, sender=sender)
    return [(name, str(value)) for name, value in message.items()]


async def list_outgoing(
    session: AsyncSession,
    *,
    paging: PageQuery,
    search: str | None = None,
    state: MailState | None = None,
) -> Page[Mail]:
    """A page of all mails, the newest first; ``search`` is in the recipient or the subject."""
    statement = _ordered(paging, search)
    if state is not None:
        statement = statement.where(Mail.state == state)
    return await paginate(session, statement, paging=paging, read=lambda mail: mail)


async def retry(
    session: AsyncSession, *, actor: Principal, mail_id: UUID, attempt_seconds: float
) -> Mail:
    """Try a mail now that has failed or waits for its next attempt.

    Args:
        session: The caller's transaction.
        actor: Who asks for it.
        mail_id: The mail.
        attempt_seconds: How long an attempt may take; one that began since then is left alone.

    Raises:
        MailNotFound: there is no such mail.
        MailNotRetried: it was sent, kept or dropped, or it is being tried.
    """
    mail = await session.get(Mail, mail_id)
    if mail is None:
        raise MailNotFound
    if not await mails.make_due(session, mail=mail, attempt_seconds=attempt_seconds):
        if mail.state == MailState.QUEUED:
            raise MailNotRetried("It is being tried at this moment; look again in a minute.")
        raise MailNotRetried(f"It is {mail.state}: only a mail that waits or has failed can be.")
    await session.refresh(mail)
    enqueue(session, mails.send_mail, mail_id=str(mail.id))
    audit.record(
        session,
        actor=actor,
        action="system.mail.retry",
        subject_type="mail",
        subject_id=str(mail.id),
    )
    return mail


def _ordered(paging: PageQuery, search: str | None) -> Select[Any]:
    # The id breaks ties, so that no page repeats or misses a row.
    order = order_by(paging.sort, SORTS, "-created_at")
    statement = select(Mail).order_by(order, Mail.id.desc())
    if search:
        statement = statement.where(
            or_(
                Mail.to.icontains(search, autoescape=True),
                Mail.subject.icontains(search, autoescape=True),
            )
        )
    return statement
