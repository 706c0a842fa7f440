"""The ways out that the settings name."""

import re
from email.headerregistry import Address
from email.utils import getaddresses
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from paifang.core.mail.message import BadMail, check_address
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.failover import FailOver
from paifang.core.mail.ways.port import Outcome, Way
from paifang.core.mail.ways.postmark import PostmarkBackend
from paifang.core.mail.ways.resend import ResendBackend
from paifang.core.mail.ways.smtp import SmtpBackend
from paifang.core.settings import MailSettings, SettingsError

PROVIDERS = "PAIFANG_MAIL_PROVIDERS"
SMTP_URL = "PAIFANG_MAIL_SMTP_URL"

_KINDS: dict[str, type[SmtpBackend | ResendBackend | PostmarkBackend]] = {
    "smtp": SmtpBackend,
    "smtps": SmtpBackend,
    "resend": ResendBackend,
    "postmark": PostmarkBackend,
}


class DevInbox:
    """Keeps the mail where it is, in the table, to be read there."""

    name = "dev inbox"
    attempt_seconds = 1.0

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        del mail
        return Outcome(MailState.KEPT)

    async def probe(self) -> str:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        return "keeps every mail"


def open_ways(settings: MailSettings) -> tuple[Way, ...]:
    """The ways out the settings name, the first choice first; none means the dev inbox.

    Raises:
        SettingsError: a URL or the sender can't be right. No secret is in the message.
    """
    sender = parse_sender(settings.sender)
    listed = [(PROVIDERS, text) for text in _words(settings.providers.get_secret_value())]
    last = settings.smtp_url.get_secret_value()
    if last:
        listed.append((SMTP_URL, last))
    ways: list[Way] = []
    for variable, text in listed:
        url = _split(text)
        kind = SmtpBackend if variable == SMTP_URL else _KINDS.get(url.scheme)
        if kind is None:
            raise SettingsError(
                f"{variable}: each way out is resend://KEY, postmark://SERVER-TOKEN, smtp://… or "
                f"smtps://…, with spaces between them; number {len(ways) + 1} is none of these"
            )
        ways.append(kind(url, sender=sender, timeout=settings.timeout, variable=variable))
    return tuple(ways)


def open_backend(settings: MailSettings) -> Way:
    """The way out the settings name: several with fail-over, or the dev inbox when there is none.

    Raises:
        SettingsError: a URL or the sender can't be right.
    """
    ways = open_ways(settings)
    return FailOver(ways) if ways else DevInbox()


shared_backend = lru_cache(maxsize=4)(open_backend)
"""The same as :func:`open_backend`, once per process: it remembers which ways are in trouble."""


def parse_sender(sender: str) -> Address:
    """The From address, ``Name <address>`` or the bare address.

    Raises:
        SettingsError: it is neither.
    """
    found = getaddresses([sender]) if sender.isprintable() else []
    name, address = found[0] if len(found) == 1 else ("", "")
    try:
        return Address(display_name=name, addr_spec=check_address(address))
    except (BadMail, ValueError) as error:
        raise SettingsError(
            "PAIFANG_MAIL_SENDER is not an address; write it like Paifang <paifang@example.org>"
        ) from error


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", "", "", "")
