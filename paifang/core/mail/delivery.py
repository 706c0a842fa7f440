"""Delivering a mail: claim it, hand it over, write down what became of it.

At least once: a process that dies between the server's yes and our note of it leaves a mail that
is sent again, with the same Message-ID. Never by two at the same time: claiming pushes
``next_try_at`` ahead of what an attempt can take, and nobody claims before it.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import Database, utc_now
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways import Outcome, Way

logger = logging.getLogger(__name__)

TRY_AGAIN_AFTER = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""Seconds from each attempt to the next; after the last one the mail is given up."""
MAX_ATTEMPTS = len(TRY_AGAIN_AFTER) + 1
FORGOTTEN_AFTER = 600
"""Seconds after which a mail that nobody tried is due again, should its job have got lost."""


async def claim(
    session: AsyncSession, *, mail_id: UUID, attempt_seconds: float, hourly: int = 0
) -> bool:
    """Take the mail for one attempt; False when it is not due, done, gone, or given up now.

    Args:
        session: A transaction.
        mail_id: The mail.
        attempt_seconds: How long the attempt may take.
        hourly: Mails an hour that one address gets of those a stranger can ask for; 0: no limit.
    """
    now = utc_now()
    due = (Mail.id == mail_id, Mail.state == MailState.QUEUED, Mail.next_try_at <= now)
    mail = await session.scalar(select(Mail).where(*due))
    if mail is None:
        return False
    if mail.attempts >= MAX_ATTEMPTS:  # its last attempt ended with the process that made it
        await _finish(session, mail_id, MailState.FAILED)
        return False
    if mail.attempts == 0 and hourly and await _is_too_many(session, mail, hourly):
        await _finish(session, mail_id, MailState.DROPPED, error=_TOO_MANY.format(hourly))
        logger.warning("Mail %s is dropped: %s", mail_id, _TOO_MANY.format(hourly))
        return False
    taken = await session.execute(
        update(Mail)
        .where(*due, Mail.attempts == mail.attempts)
        .values(
            attempts=mail.attempts + 1,
            next_try_at=now + _until_next(mail.attempts, attempt_seconds),
        )
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


_TOO_MANY = "its address has had {} mails within the hour before it"


def _until_next(attempts: int, attempt_seconds: float) -> timedelta:
    """From the attempt after so many to the next one."""
    wait = TRY_AGAIN_AFTER[min(attempts, MAX_ATTEMPTS - 2)]
    return timedelta(seconds=max(wait, 2 * attempt_seconds))


async def _is_too_many(session: AsyncSession, mail: Mail, hourly: int) -> bool:
    """Whether the mail's address has had enough within the hour before it.

    Counted here and not where a stranger asks, so that asking takes the same time and has the same
    answer always. Those that were dropped don't count: else a flood would close an address for as
    long as it lasts.
    """
    if mail.mailbox is None:
        return False
    earlier = (
        select(func.count())
        .select_from(Mail)
        .where(
            Mail.mailbox == mail.mailbox,
            Mail.created_at > mail.created_at - timedelta(hours=1),
            or_(
                Mail.created_at < mail.created_at,
                and_(Mail.created_at == mail.created_at, Mail.id < mail.id),
            ),
            Mail.state != MailState.DROPPED,
        )
    )
    return (await session.scalar(earlier) or 0) >= hourly


async def record(session: AsyncSession, *, mail_id: UUID, outcome: Outcome) -> MailState:
    """Write down what became of an attempt; the state the mail is in then."""
    state = outcome.state
    if state is MailState.QUEUED:
        attempts = await session.scalar(select(Mail.attempts).where(Mail.id == mail_id)) or 0
        if attempts >= MAX_ATTEMPTS:
            state = MailState.FAILED
    await _finish(session, mail_id, state, error=outcome.error, way=outcome.way)
    if state is MailState.FAILED:
        logger.error("Mail %s can't be delivered: %s", mail_id, outcome.error)
    elif state is MailState.QUEUED:
        logger.warning("Mail %s is tried again later: %s", mail_id, outcome.error)
    else:
        logger.info("Mail %s is %s", mail_id, state)
    return state


async def _finish(
    session: AsyncSession,
    mail_id: UUID,
    state: MailState,
    *,
    error: str | None = None,
    way: str | None = None,
) -> None:
    values: dict[str, object] = {"state": state}
    if way is not None:
        values["way"] = way[:64]
    if error is not None or state is not MailState.FAILED:  # else the last error stays
        values["error"] = error
    if state is MailState.SENT:
        values["sent_at"] = utc_now()
    if state in {MailState.SENT, MailState.DROPPED}:
        values |= {"text": "", "html": None}
    await session.execute(
        update(Mail).where(Mail.id == mail_id, Mail.state == MailState.QUEUED).values(**values)
    )


async def hand_over(database: Database, backend: Way, *, mail_id: UUID) -> Outcome:
    """One attempt, outside of any transaction."""
    async with database.reading() as session:
        mail = await session.get(Mail, mail_id)
    if mail is None:
        return Outcome(MailState.FAILED, "the mail is gone")
    if mail.state != MailState.QUEUED:  # this step is repeated after it had been written down
        return Outcome(MailState(mail.state), mail.error)
    return await backend.send(mail)


async def deliver(
    database: Database, backend: Way, *, mail_id: UUID, hourly: int = 0
) -> MailState | None:
    """Make one attempt if the mail is due; repeating it is harmless.

    Returns:
        The state afterwards; None when there was nothing to do.
    """
    seconds = backend.attempt_seconds
    async with database.transaction() as session:
        if not await claim(session, mail_id=mail_id, attempt_seconds=seconds, hourly=hourly):
            return None
    outcome = await hand_over(database, backend, mail_id=mail_id)
    async with database.transaction() as session:
        return await record(session, mail_id=mail_id, outcome=outcome)


async def make_due(session: AsyncSession, *, mail: Mail, attempt_seconds: float) -> bool:
    """Put a mail that waits or has failed up for another attempt now; its job is the caller's.

    Returns:
        False when it can't be: it is done, or it is being tried at this moment.
    """
    now = utc_now()
    attempts = mail.attempts
    if mail.state == MailState.FAILED:
        attempts = 0
    elif mail.state != MailState.QUEUED:
        return False
    elif attempts:
        claimed = mail.next_try_at - _until_next(attempts - 1, attempt_seconds)
        if now < claimed + timedelta(seconds=attempt_seconds):
            return False
        attempts = min(attempts, MAX_ATTEMPTS - 1)
    # Not when somebody has claimed it since it was read.
    changed = await session.execute(
        update(Mail)
        .where(Mail.id == mail.id, Mail.state == mail.state, Mail.attempts == mail.attempts)
        .values(state=MailState.QUEUED, attempts=attempts, next_try_at=now)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


async def due_mails(session: AsyncSession, *, limit: int = 200) -> list[UUID]:
    """Mails whose next attempt is due, the longest waiting first."""
    now = utc_now()
    forgotten = now - timedelta(seconds=FORGOTTEN_AFTER)
    rows = await session.scalars(
        select(Mail.id)
        .where(
            Mail.state == MailState.QUEUED,
            Mail.next_try_at <= now,
            or_(Mail.attempts > 0, and_(Mail.attempts == 0, Mail.next_try_at <= forgotten)),
        )
        .order_by(Mail.next_try_at)
        .limit(limit)
    )
    return list(rows)


PRUNE_BATCH = 1000


async def prune(session: AsyncSession, *, older_than: datetime) -> int:
    """Delete the oldest mails that nothing is to be done with any more.

    Says how many; call it again, in a new transaction, until that is less than
    :data:`PRUNE_BATCH`.
    """
    ids = list(
        await session.scalars(
            select(Mail.id)
            .where(Mail.created_at < older_than, Mail.state != MailState.QUEUED)
            .order_by(Mail.created_at)
            .limit(PRUNE_BATCH)
        )
    )
    # Not one that somebody tries again at this moment.
    await session.execute(delete(Mail).where(Mail.id.in_(ids), Mail.state != MailState.QUEUED))
    return len(ids)
