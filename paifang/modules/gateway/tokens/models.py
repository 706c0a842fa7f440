"""The table of tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Token(Base):
    """An API key of a group. The key itself is never stored, only its SHA-256."""

    __tablename__ = "tokens"
    __table_args__ = (UniqueConstraint("group_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    """The integer id of the AI Proxy API."""
    # No cascade: the group's service deletes its tokens itself, in the same transaction.
    group_id: Mapped[str] = mapped_column(String(64), ForeignKey("groups.id"))
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the key, in hex (MariaDB indexes no binary large object)."""
    prefix: Mapped[str] = mapped_column(String(16))
    """The first characters, to recognise it by."""
    last_four: Mapped[str] = mapped_column(String(4))
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled``, ``disabled`` or ``revoked``; revoked is for ever."""
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Models it may call; NULL means all."""
    networks: Mapped[list[str]] = mapped_column(JSON, default=list)
    """CIDR blocks it may be used from; empty means any address."""
    expires_at: Mapped[datetime | None]
    quota: Mapped[int | None] = mapped_column(BigInteger)
    """Nanos it may spend in its life."""
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nanos spent."""
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    rpm: Mapped[int | None]
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    concurrency: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """What it is at this moment: its status, or why an enabled token is refused
        (``expired`` or ``exhausted``).
        """
        if self.status != "enabled":
            return self.status
        if self.expires_at is not None and self.expires_at <= utc_now():
            return "expired"
        if self.quota is not None and self.used >= self.quota:
            return "exhausted"
        return "enabled"
