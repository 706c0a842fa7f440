"""Mail: a row in the caller's transaction, a job that delivers it, SMTP or the dev inbox."""

from paifang.core.mail.backends import DevInbox, MailBackend, Outcome, SmtpBackend, open_backend
from paifang.core.mail.delivery import deliver
from paifang.core.mail.jobs import MAIL_JOBS
from paifang.core.mail.message import BadMail
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.service import send

__all__ = [
    "MAIL_JOBS",
    "BadMail",
    "DevInbox",
    "Mail",
    "MailBackend",
    "MailState",
    "Outcome",
    "SmtpBackend",
    "deliver",
    "open_backend",
    "send",
]
