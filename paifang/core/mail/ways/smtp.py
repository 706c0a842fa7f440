"""A mail server, spoken to over SMTP."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote

import aiosmtplib

from paifang.core.mail.message import build_message
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.port import (
    Outcome,
    Trouble,
    WayOutTrouble,
    default_tls_context,
    one_line,
)
from paifang.core.settings import SettingsError

StartTls = Literal["auto", "always", "never"]
_START_TLS: Mapping[StartTls, bool | None] = {"auto": None, "always": True, "never": False}

_SIGN_IN = {530, 534, 535, 538}
"""Replies that mean: not with this password, or not without one."""


class SmtpBackend:
    """Hands mails to an SMTP server, each on a connection of its own.

    ``smtps://`` is TLS from the start (port 465). ``smtp://`` (port 587) begins in the clear and
    turns to TLS with STARTTLS: always when there is a password to protect, otherwise when the
    server offers it, and never on the loopback. ``?starttls=auto|always|never`` overrides that.
    Certificates are always verified.

    Args:
        url: The server.
        sender: The From address.
        timeout: Seconds for each of its answers.
        variable: The setting the URL is from.
        tls_context: Instead of the system's root certificates.

    Raises:
        SettingsError: the URL can't be right.
    """

    def __init__(
        self,
        url: SplitResult,
        *,
        sender: Address,
        timeout: float,
        variable: str,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        if not _is_server(url):
            # The URL itself is not shown: it holds the password.
            raise SettingsError(
                f"{variable} is not the URL of a mail server; write it like "
                "smtp://user:password@host:587 or smtps://user:password@host:465, with "
                "percent-escapes for special characters in the password"
            )
        self.host = url.hostname or ""
        self.tls = url.scheme == "smtps"
        self.port = url.port or (465 if self.tls else 587)
        self.user = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else None
        self.start_tls = _start_tls(url, variable, has_password=self._password is not None)
        self.sender = sender
        self.timeout = timeout
        self.name = f"smtp {self.host}:{self.port}"
        self.attempt_seconds = 3 * timeout
        self._tls_context = tls_context

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        message = build_message(mail, sender=self.sender)
        client = self._client()
        taken = False
        try:
            async with asyncio.timeout(self.attempt_seconds), client:
                await client.send_message(
                    message, sender=self.sender.addr_spec, recipients=[mail.to]
                )
                taken = True
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if not taken:  # else it said yes, and only the good-bye went wrong
                return self._outcome(error, mail)
        return Outcome(MailState.SENT)

    async def probe(self) -> str:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        client = self._client()
        try:
            async with asyncio.timeout(self.attempt_seconds), client:
                await client.noop()
                encrypted = client.get_transport_info("sslcontext") is not None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise WayOutTrouble(self._describe(error)) from error
        how = "encrypted" if encrypted else "not encrypted"
        who = f"signed in as {self.user}" if self.user else "without a password"
        return f"answers, {how}, {who}"

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self._password,
            local_hostname=self.sender.domain,
            timeout=self.timeout,
            use_tls=self.tls,
            start_tls=None if self.tls else _START_TLS[self.start_tls],
            tls_context=self._tls_context or default_tls_context(),
        )

    def _outcome(self, error: Exception, mail: Mail) -> Outcome:
        """Whether to try again. Only a refusal of this very mail is final; what may be mended on
        either side (no connection, a wrong password, no TLS) is not.
        """
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            error = error.recipients[0]
        said = self._describe(error, mail.to)
        if isinstance(error, aiosmtplib.SMTPResponseException) and not _broken(error):
            return _answered(error, said)
        return Outcome(MailState.QUEUED, said, Trouble.AWAY)

    def _describe(self, error: Exception, *hidden: str) -> str:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            text = f"{error.code} {error.message}"
        else:
            text = f"{type(error).__name__}: {error}"
        return one_line(text, self._password, *hidden)


def _broken(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether the reply says that the server itself is leaving, not what it thinks of the mail."""
    return isinstance(error, aiosmtplib.SMTPConnectResponseError) or error.code == 421


def _answered(error: aiosmtplib.SMTPResponseException, said: str) -> Outcome:
    if error.code in _SIGN_IN or isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Outcome(MailState.QUEUED, said, Trouble.CONFIGURATION)
    about_it = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if error.code < 500:
        return Outcome(MailState.QUEUED, said, None if about_it else Trouble.AWAY)
    # 5.7.x on RCPT is "no relaying for you", which is about us and not about the address.
    relaying = isinstance(error, aiosmtplib.SMTPRecipientRefused) and re.match(
        r"5\.7\.\d", error.message.strip()
    )
    if about_it and not relaying:
        return Outcome(MailState.FAILED, said)
    return Outcome(MailState.QUEUED, said, Trouble.CONFIGURATION)


def _is_server(url: SplitResult) -> bool:
    try:
        return url.scheme in {"smtp", "smtps"} and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return False


def _start_tls(url: SplitResult, variable: str, *, has_password: bool) -> StartTls:
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    chosen = options.pop("starttls", None)
    if options or chosen not in {None, "auto", "always", "never"}:
        raise SettingsError(
            f"{variable}: an SMTP server takes one option, starttls=auto, always or never"
        )
    for mode in _START_TLS:
        if chosen == mode:
            return mode
    if is_loopback(url.hostname or ""):
        return "never"
    return "always" if has_password else "auto"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
