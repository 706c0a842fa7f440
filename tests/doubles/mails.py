"""Mails for tests: made, asked for, looked at, made due."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from paifang.core import mail as mails
from paifang.core.db import Database, utc_now
from paifang.core.ids import uuid7
from paifang.core.mail import Mail, MailState

SENDER = "Paifang 牌坊 <post@paifang.example>"


def make_mail(**values) -> Mail:
    return Mail(
        **{
            "id": uuid7(),
            "to": "ada@example.org",
            "subject": "Hello",
            "text": "Good day\n",
            "html": None,
            "state": MailState.QUEUED,
            "dedupe_key": "k",
            "attempts": 0,
            "created_at": utc_now(),
        }
        | values
    )


async def put(db: Database, **values) -> UUID:
    values = {"to": "ada@example.org", "subject": "Hello", "text": "Good day\n"} | values
    values.setdefault("dedupe_key", f"test:{uuid7()}")
    async with db.transaction() as session:
        return (await mails.send(session, **values)).id


async def stored(db: Database, mail_id: UUID) -> Mail:
    async with db.reading() as session:
        return await session.get_one(Mail, mail_id)


async def make_due(db: Database, mail_id: UUID) -> None:
    async with db.transaction() as session:
        earlier = utc_now() - timedelta(days=2)
        await session.execute(update(Mail).where(Mail.id == mail_id).values(next_try_at=earlier))
