"""Ways out for mails: SMTP servers, providers' HTTP APIs, the dev inbox, and fail-over."""

from paifang.core.mail.ways.choice import (
    DevInbox,
    open_backend,
    open_ways,
    parse_sender,
    shared_backend,
)
from paifang.core.mail.ways.failover import FailOver
from paifang.core.mail.ways.port import Outcome, Trouble, Way, WayOutTrouble
from paifang.core.mail.ways.postmark import PostmarkBackend
from paifang.core.mail.ways.resend import ResendBackend
from paifang.core.mail.ways.smtp import SmtpBackend

__all__ = [
    "DevInbox",
    "FailOver",
    "Outcome",
    "PostmarkBackend",
    "ResendBackend",
    "SmtpBackend",
    "Trouble",
    "Way",
    "WayOutTrouble",
    "open_backend",
    "open_ways",
    "parse_sender",
    "shared_backend",
]
