"""The table of invitations into a group."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class GroupInvitation(Base):
    """An open invitation; the row goes when it is accepted, declined or taken back."""

    __tablename__ = "group_invitations"
    __table_args__ = (Index("ix_group_invitations_email", "email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    group_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("groups.id", ondelete="CASCADE"), index=True
    )
    email: Mapped[str] = mapped_column(String(254))
    """In lower case, as people's are."""
    role: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of what is in the mailed link, in hex."""
    invited_by: Mapped[str] = mapped_column(String(64))
    """Id of the caller who invited."""
    inviter: Mapped[str] = mapped_column(String(255))
    """Their name, for the mail and the page."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
