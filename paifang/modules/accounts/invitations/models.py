"""The table of invitations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Invitation(Base):
    """One person may come in with it, once. Its token is in the mail or the link alone."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token, in hex."""
    email: Mapped[str | None] = mapped_column(String(254), index=True)
    """Whom it is for; None for whoever holds the link."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    """The account that waits for this person, or that was made with it."""
    role_ids: Mapped[list[str]]
    """Roles that the person gets."""
    group_ids: Mapped[list[str]]
    """Groups of the gateway that the person becomes a member of."""
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"), index=True)
    note: Mapped[str] = mapped_column(String(255), default="")
    """For administrators."""
    invited_by: Mapped[str] = mapped_column(String(64))
    """Id of whoever made it."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
