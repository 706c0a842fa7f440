"""The table of mails: what is to go out, what went out, and the dev inbox."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db.base import Base, utc_now
from paifang.core.ids import uuid7


class MailState(StrEnum):
    """Where a mail is."""

    QUEUED = "queued"
    """It is to be sent, for the first time or again."""
    SENT = "sent"
    """The mail server has taken it."""
    FAILED = "failed"
    """It was refused for good, or given up; ``error`` says why."""
    KEPT = "kept"
    """It is in the dev inbox: there is no mail server."""
    DROPPED = "dropped"
    """It was one too many to its address in an hour; its body is gone."""


class Mail(Base):
    """One mail to one address."""

    __tablename__ = "mails"
    __table_args__ = (
        Index("ix_mails_state", "state", "next_try_at"),
        Index("ix_mails_mailbox", "mailbox", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    to: Mapped[str] = mapped_column("to_address", String(320))
    subject: Mapped[str] = mapped_column(String(255))
    text: Mapped[str] = mapped_column(Text)
    """Emptied once the mail is sent: it may hold a link that lets people in."""
    html: Mapped[str | None] = mapped_column(Text)
    """The same in HTML, if there is such a part; emptied likewise."""
    state: Mapped[str] = mapped_column(String(16), default=MailState.QUEUED)
    dedupe_key: Mapped[str] = mapped_column(String(128), unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(500))
    """What went wrong last."""
    next_try_at: Mapped[datetime] = mapped_column(default=utc_now)
    """While queued: not before this. An attempt pushes it ahead, so no second one joins in."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    sent_at: Mapped[datetime | None]
    template: Mapped[str | None] = mapped_column(String(32))
    """Which template it was made from, if from one."""
    mailbox: Mapped[str | None] = mapped_column(String(320))
    """Whose mails of an hour are counted: the address as its provider most likely reads it. None
    for a mail that no stranger can ask for."""
    way: Mapped[str | None] = mapped_column(String(64))
    """Which way out took it, or refused it for good."""
