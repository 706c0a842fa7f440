"""The table of ceremonies."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Ceremony(Base):
    """The first half of something that ends with a second call. It is taken once, or expires."""

    __tablename__ = "ceremonies"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    purpose: Mapped[str] = mapped_column(String(32))
    """What it is for: one that began for one thing never ends another."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the handle that whoever ends it has to bring."""
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    """Whose it is, where that is known when it begins."""
    address: Mapped[str] = mapped_column(String(45), index=True)
    """Where it began: so many at a time come from one address, and no more."""
    data: Mapped[dict[str, Any]]
    """What the second half needs to know, and nothing secret."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
