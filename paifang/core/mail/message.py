"""From a stored mail to the bytes a mail server takes; and what can't be a mail."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from paifang.core.errors import Invalid
from paifang.core.mail.models import Mail

MAX_SUBJECT = 255
MAX_BODY = 60_000
"""Bytes of each part: what the database's text column holds, and enough for a mail."""

# 7bit: it passes through every server unchanged, so signatures added on the way stay valid.
_POLICY = SMTP.clone(cte_type="7bit")

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class BadMail(Invalid):
    """The address or the content can't be put into a mail."""

    code = "bad_mail"
    title = "This can't be sent as a mail"


def check_address(address: str) -> str:
    """The address as it goes into the envelope: international domains in their ASCII form.

    Raises:
        BadMail: it is not one plain address like ``name@example.org``.
    """
    local, at, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    whole = f"{local}@{domain}"
    if (
        not at
        or not _LOCAL.fullmatch(local)
        or len(local) > 64
        or len(whole) > 254
        or not all(_LABEL.fullmatch(label) for label in domain.split("."))
    ):
        raise _bad("to", f"{address[:320]!r} is not an e-mail address.")
    return whole


def check_content(*, subject: str, text: str, html: str | None) -> None:
    """Refuse what would not arrive as it was meant.

    Raises:
        BadMail: a line break in the subject (it could add headers), or something is too long.
    """
    if not subject.strip() or len(subject) > MAX_SUBJECT or _CONTROL.search(subject):
        raise _bad("subject", f"One line of 1 to {MAX_SUBJECT} characters.")
    for name, part in (("text", text), ("html", html or "")):
        try:
            size = len(part.encode())
        except UnicodeEncodeError:
            raise _bad(name, "It holds half a character.") from None
        if size > MAX_BODY or "\x00" in part:
            raise _bad(name, f"At most {MAX_BODY} bytes of text.")


def _bad(field: str, message: str) -> BadMail:
    return BadMail(f"{field}: {message}", errors=[{"field": field, "message": message}])


def build_message(mail: Mail, *, sender: Address) -> EmailMessage:
    """The message; the same each time, with one Message-ID, so that a repeat shows as one."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = message_id(mail, sender=sender)
    message["Auto-Submitted"] = "auto-generated"  # no out-of-office replies, please (RFC 3834)
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message


def message_id(mail: Mail, *, sender: Address) -> str:
    """The Message-ID of a mail, the same on each way out and at each attempt."""
    return f"<{mail.id.hex}@{sender.domain}>"
