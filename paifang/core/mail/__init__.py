"""Mail: a row in the caller's transaction, a job that delivers it, ways out or the dev inbox."""

from paifang.core.mail.delivery import deliver, make_due
from paifang.core.mail.jobs import MAIL_JOBS, send_mail
from paifang.core.mail.message import BadMail, build_message
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.service import send, send_template
from paifang.core.mail.templates import (
    AccountExists,
    ApprovalNeeded,
    Approved,
    EmailChangeConfirm,
    EmailChangeNotice,
    FactorChange,
    FactorChanged,
    GroupInvitation,
    GroupRole,
    Invitation,
    NewSignIn,
    PasswordChanged,
    ResetPassword,
    Template,
    Values,
    VerifyEmail,
)
from paifang.core.mail.ways import (
    DevInbox,
    FailOver,
    Outcome,
    Way,
    open_backend,
    parse_sender,
    shared_backend,
)

__all__ = [
    "MAIL_JOBS",
    "AccountExists",
    "ApprovalNeeded",
    "Approved",
    "BadMail",
    "DevInbox",
    "EmailChangeConfirm",
    "EmailChangeNotice",
    "FactorChange",
    "FactorChanged",
    "FailOver",
    "GroupInvitation",
    "GroupRole",
    "Invitation",
    "Mail",
    "MailState",
    "NewSignIn",
    "Outcome",
    "PasswordChanged",
    "ResetPassword",
    "Template",
    "Values",
    "VerifyEmail",
    "Way",
    "build_message",
    "deliver",
    "make_due",
    "open_backend",
    "parse_sender",
    "send",
    "send_mail",
    "send_template",
    "shared_backend",
]
