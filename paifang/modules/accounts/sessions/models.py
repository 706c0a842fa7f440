"""The table of sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Session(Base):
    """A signed-in person on a device. Its row is read by every request that they make."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    counter: Mapped[int] = mapped_column(default=0)
    """Of the refresh token that is current; it counts up with each refresh."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    used_at: Mapped[datetime] = mapped_column(default=utc_now)
    """The last refresh."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """However much it is used, it ends then."""
    authenticated_at: Mapped[datetime] = mapped_column(default=utc_now)
    """When the person last proved who they are: sensitive changes want that to be recent."""
    methods: Mapped[list[str]]
    """How: ``password``, ``totp``, ``recovery_code``, ``passkey``, ``oidc``."""
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(255))
    """The browser, as it names itself."""
    place: Mapped[str | None] = mapped_column(String(64))
    """Where that is, if a proxy says so."""
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    ended_reason: Mapped[str | None] = mapped_column(String(32))
    """One of :class:`~paifang.modules.accounts.sessions.service.Ended`."""
