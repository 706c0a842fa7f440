"""The jobs that send mails."""

from uuid import UUID

from paifang.core.jobs import Run, enqueue, job
from paifang.core.mail import delivery
from paifang.core.mail.backends import Outcome, open_backend
from paifang.core.mail.models import MailState


async def claim(run: Run, mail_id: str) -> bool:
    """Take the mail, if it is due."""
    seconds = open_backend(run.runtime.settings.mail).attempt_seconds
    async with run.transaction() as session:
        return await delivery.claim(session, mail_id=UUID(mail_id), attempt_seconds=seconds)


async def hand_over(run: Run, mail_id: str) -> list[str | None]:
    """Give it to the mail server."""
    backend = open_backend(run.runtime.settings.mail)
    outcome = await delivery.hand_over(run.runtime.db, backend, mail_id=UUID(mail_id))
    return [outcome.state, outcome.error]


async def record(run: Run, mail_id: str, state: str, error: str | None) -> None:
    """Write down what became of it."""
    async with run.transaction() as session:
        outcome = Outcome(MailState(state), error)
        await delivery.record(session, mail_id=UUID(mail_id), outcome=outcome)


# One try per step: waiting for a mail server inside a job would hold up the other jobs, so a
# later attempt is a later job.
@job("mail.send")
async def send_mail(run: Run, *, mail_id: str) -> None:
    """Make one attempt to deliver a mail."""
    if await run.step(claim, mail_id):
        state, error = await run.step(hand_over, mail_id)
        await run.step(record, mail_id, str(state), error)


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


MAIL_JOBS = (send_mail, retry_mails.every("* * * * *"))
"""What core brings to ``Jobs(..., extra=MAIL_JOBS)``."""
