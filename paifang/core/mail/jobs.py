"""The jobs that send mails."""

from datetime import timedelta
from uuid import UUID

from paifang.core.db import utc_now
from paifang.core.jobs import Run, enqueue, job
from paifang.core.mail import delivery
from paifang.core.mail.models import MailState
from paifang.core.mail.ways import Outcome, shared_backend


async def claim(run: Run, mail_id: str) -> bool:
    """Take the mail, if it is due."""
    settings = run.runtime.settings.mail
    async with run.transaction() as session:
        return await delivery.claim(
            session,
            mail_id=UUID(mail_id),
            attempt_seconds=shared_backend(settings).attempt_seconds,
            hourly=settings.hourly_per_address,
        )


async def hand_over(run: Run, mail_id: str) -> list[str | None]:
    """Give it to a mail server or a provider."""
    backend = shared_backend(run.runtime.settings.mail)
    outcome = await delivery.hand_over(run.runtime.db, backend, mail_id=UUID(mail_id))
    return [outcome.state, outcome.error, outcome.way]


async def record(
    run: Run, mail_id: str, state: str, error: str | None, way: str | None = None
) -> None:
    """Write down what became of it."""
    async with run.transaction() as session:
        outcome = Outcome(MailState(state), error, way=way)
        await delivery.record(session, mail_id=UUID(mail_id), outcome=outcome)


# One try per step: waiting for a mail server inside a job would hold up the other jobs, so a
# later attempt is a later job.
@job("mail.send")
async def send_mail(run: Run, *, mail_id: str) -> None:
    """Make one attempt to deliver a mail."""
    if await run.step(claim, mail_id):
        # One that an older version handed over has no third part.
        state, error, *way = await run.step(hand_over, mail_id)
        await run.step(record, mail_id, str(state), error, *way)


async def enqueue_due(run: Run) -> int:
    """Ask for the attempts that are due."""
    async with run.transaction() as session:
        due = await delivery.due_mails(session)
        for mail_id in due:
            enqueue(session, send_mail, mail_id=str(mail_id))
    return len(due)


@job("mail.retry")
async def retry_mails(run: Run) -> None:
    """Try mails again that could not be delivered; runs every minute."""
    await run.step(enqueue_due)


async def prune_batch(run: Run) -> int:
    """Delete what is older than the setting; says how many."""
    days = run.runtime.settings.mail.keep_days
    if days == 0:
        return 0
    async with run.transaction() as session:
        return await delivery.prune(session, older_than=utc_now() - timedelta(days=days))


@job("mail.prune", tries=3)
async def prune_mails(run: Run) -> None:
    """Delete mails older than ``PAIFANG_MAIL_KEEP_DAYS``, batch by batch; runs every night."""
    while await run.step(prune_batch) == delivery.PRUNE_BATCH:
        pass


MAIL_JOBS = (send_mail, retry_mails.every("* * * * *"), prune_mails.every("29 3 * * *"))
"""What core brings to ``Jobs(..., extra=MAIL_JOBS)``."""
