"""Ways out for a mail: an SMTP server, or the dev inbox when there is none."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import getaddresses
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import aiosmtplib

from paifang.core.mail.message import BadMail, build_message, check_address
from paifang.core.mail.models import Mail, MailState
from paifang.core.settings import MailSettings, SettingsError

StartTls = Literal["auto", "always", "never"]
_START_TLS: Mapping[StartTls, bool | None] = {"auto": None, "always": True, "never": False}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt."""

    state: MailState
    """``queued`` means: not now, try again later."""
    error: str | None = None


class MailBackend(Protocol):
    """A way out."""

    attempt_seconds: float
    """How long one attempt may take, all in all."""

    async def send(self, mail: Mail) -> Outcome:
        """Make one attempt. What goes wrong is in the outcome, not raised."""


class DevInbox:
    """Keeps the mail where it is, in the table, to be read there."""

    attempt_seconds = 1.0

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`MailBackend`."""
        del mail
        return Outcome(MailState.KEPT)


class SmtpBackend:
    """Hands mails to an SMTP server, each on a connection of its own.

    ``smtps://`` is TLS from the start (port 465). ``smtp://`` (port 587) begins in the clear and
    turns to TLS with STARTTLS: always when there is a password to protect, otherwise when the
    server offers it, and never on the loopback. ``?starttls=auto|always|never`` overrides that.
    Certificates are always verified.

    Raises:
        SettingsError: the URL or the sender can't be right.
    """

    def __init__(
        self, settings: MailSettings, *, tls_context: ssl.SSLContext | None = None
    ) -> None:
        url = _split(settings.smtp_url.get_secret_value())
        self.host = url.hostname or ""
        self.tls = url.scheme == "smtps"
        self.port = url.port or (465 if self.tls else 587)
        self.user = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else None
        self.start_tls = _start_tls(url, has_password=self._password is not None)
        self.sender = parse_sender(settings.sender)
        self.timeout = settings.timeout
        self.attempt_seconds = 3 * settings.timeout
        self._tls_context = tls_context

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`MailBackend`."""
        message = build_message(mail, sender=self.sender)
        try:
            async with asyncio.timeout(self.attempt_seconds):
                await aiosmtplib.send(
                    message,
                    sender=self.sender.addr_spec,
                    recipients=[mail.to],
                    hostname=self.host,
                    port=self.port,
                    username=self.user,
                    password=self._password,
                    local_hostname=self.sender.domain,
                    timeout=self.timeout,
                    use_tls=self.tls,
                    start_tls=None if self.tls else _START_TLS[self.start_tls],
                    tls_context=self._tls_context or _default_tls_context(),
                )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _outcome(error)
        return Outcome(MailState.SENT)


def open_backend(settings: MailSettings) -> MailBackend:
    """The way out the settings name: the dev inbox when no SMTP server is set.

    Raises:
        SettingsError: the URL or the sender can't be right.
    """
    if settings.smtp_url.get_secret_value():
        return SmtpBackend(settings)
    parse_sender(settings.sender)
    return DevInbox()


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


@lru_cache(maxsize=1)
def _default_tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads every root certificate: 20 ms


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        if url.scheme in {"smtp", "smtps"} and url.hostname and (url.port or 1) > 0:
            return url
    except ValueError:
        pass
    # The URL itself is not shown: it holds the password.
    raise SettingsError(
        "PAIFANG_MAIL_SMTP_URL is not the URL of a mail server; write it like "
        "smtp://user:password@host:587 or smtps://user:password@host:465, with "
        "percent-escapes for special characters in the password"
    )


def _start_tls(url: SplitResult, *, has_password: bool) -> StartTls:
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    chosen = options.pop("starttls", None)
    if options or chosen not in {None, "auto", "always", "never"}:
        raise SettingsError(
            "PAIFANG_MAIL_SMTP_URL takes one option, starttls=auto, always or never"
        )
    for mode in _START_TLS:
        if chosen == mode:
            return mode
    if _is_loopback(url.hostname or ""):
        return "never"
    return "always" if has_password else "auto"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _outcome(error: Exception) -> Outcome:
    """Whether to try again. Only a refusal of this very mail is final; what may be mended on
    either side (no connection, a wrong password, no TLS) is not.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    final = (
        isinstance(
            error,
            aiosmtplib.SMTPSenderRefused
            | aiosmtplib.SMTPRecipientRefused
            | aiosmtplib.SMTPDataError,
        )
        and error.code >= 500
    )
    return Outcome(MailState.FAILED if final else MailState.QUEUED, describe(error))


def describe(error: Exception) -> str:
    """The error in a line, at most 500 characters."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]
