"""Asking for a mail."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.jobs import enqueue
from paifang.core.mail.jobs import send_mail
from paifang.core.mail.message import check_address, check_content
from paifang.core.mail.models import Mail
from paifang.core.mail.templates import Template, Values, as_record, render

# Lower case, so that one thing never has two keys.
_DEDUPE_KEY = re.compile(r"[a-z0-9._:-]{1,128}")


async def send(
    session: AsyncSession,
    *,
    to: str,
    subject: str,
    text: str,
    dedupe_key: str,
    html: str | None = None,
) -> Mail:
    """Send a mail if the caller's transaction is committed, and once per ``dedupe_key``.

    It goes out a moment later, and again and again for a day while the mail server is away.

    Args:
        session: The caller's transaction.
        to: One address, without a name.
        subject: One line.
        text: The body for everybody; also when there is an HTML part.
        dedupe_key: What the mail is about, e.g. ``reset:<id>``: lower-case letters, digits and
            ``._:-``. A second mail with the same key is not sent.
        html: The body in HTML.

    Returns:
        The mail; the earlier one when there was one with this key.

    Raises:
        BadMail: the address, the subject or a body can't be sent.
        ValueError: the key is not of that form.
    """
    check_content(subject=subject, text=text, html=html)
    return await _put(
        session,
        Mail(to=check_address(to), subject=subject, text=text, html=html, dedupe_key=dedupe_key),
    )


async def send_template(
    session: AsyncSession,
    *,
    to: str,
    template: Template,
    locale: str,
    values: Values | Mapping[str, Any],
    dedupe_key: str,
) -> Mail:
    """Send one of the mails Paifang writes, as :func:`send` does.

    A mail that a stranger can ask for is sent to one address so many times an hour
    (``PAIFANG_MAIL_HOURLY_PER_ADDRESS``); more are dropped later, so that asking has the same
    answer and takes the same time.

    Args:
        session: The caller's transaction.
        to: One address, without a name.
        template: Which one.
        locale: The recipient's language tag. ``zh-HK`` reads ``zh-TW``, ``zh`` reads ``zh-CN``,
            what is not known reads English.
        values: The template's record, or its fields by name.
        dedupe_key: As for :func:`send`; name the link it is about, not only the person.

    Raises:
        BadMail: the address can't be sent to.
        ValueError: the key is not of that form, the values are not the template's, or a link is
            not an absolute HTTP URL.
    """
    address = check_address(to)
    record = as_record(Template(template), values)
    made = render(record, to=address, locale=locale)
    check_content(subject=made.subject, text=made.text, html=made.html)
    mail = Mail(
        to=address,
        subject=made.subject,
        text=made.text,
        html=made.html,
        dedupe_key=dedupe_key,
        template=record.template,
        mailbox=mailbox(address) if record.stranger else None,
    )
    return await _put(session, mail)


def mailbox(address: str) -> str:
    """Who most likely reads an address: case, what follows a ``+``, and Gmail's dots put aside.

    For counting alone; nothing is ever sent to it.
    """
    local, _at, domain = address.lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"}:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


async def _put(session: AsyncSession, mail: Mail) -> Mail:
    """Add the mail and its job; the earlier mail when there is one with its key."""
    if not _DEDUPE_KEY.fullmatch(mail.dedupe_key):
        raise ValueError(f"a dedupe key is 1 to 128 of a-z, 0-9 and ._:-, not {mail.dedupe_key!r}")
    earlier = select(Mail).where(Mail.dedupe_key == mail.dedupe_key)
    if known := await session.scalar(earlier):
        return known
    try:
        # Another transaction may be adding the same one: only our insert is undone then.
        async with session.begin_nested():
            session.add(mail)
    except IntegrityError:
        known = await session.scalar(earlier)
        if known is None:
            raise
        return known
    enqueue(session, send_mail, mail_id=str(mail.id))
    return mail
