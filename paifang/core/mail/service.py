"""Asking for a mail."""

import re

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.jobs import enqueue
from paifang.core.mail.jobs import send_mail
from paifang.core.mail.message import check_address, check_content
from paifang.core.mail.models import Mail

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
    if not _DEDUPE_KEY.fullmatch(dedupe_key):
        raise ValueError(f"a dedupe key is 1 to 128 of a-z, 0-9 and ._:-, not {dedupe_key!r}")
    address = check_address(to)
    check_content(subject=subject, text=text, html=html)
    earlier = select(Mail).where(Mail.dedupe_key == dedupe_key)
    if known := await session.scalar(earlier):
        return known
    mail = Mail(to=address, subject=subject, text=text, html=html, dedupe_key=dedupe_key)
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
