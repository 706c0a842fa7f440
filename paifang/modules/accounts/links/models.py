"""The table of links."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Purpose(StrEnum):
    """What a link is good for; it is good for nothing else."""

    VERIFY = "verify"
    RESEND = "resend"
    """Somebody asks for the mail of :attr:`VERIFY` again."""
    RESET = "reset"
    EMAIL = "email"
    """To confirm a new address."""
    EMAIL_UNDO = "email_undo"
    SETUP = "setup"


class MailLink(Base):
    """A link that was asked for. Its token is in the mail alone; here is a hash of it.

    A row is there before it is known whether there will be a mail: whoever asks is answered
    before anybody has looked whether there is such a person.
    """

    __tablename__ = "mail_links"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    """SHA-256 of the token, in hex; None until it is sent."""
    email: Mapped[str] = mapped_column(String(254), index=True)
    data: Mapped[dict[str, Any]]
    """What was asked for, until it is done."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
