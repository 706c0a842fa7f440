"""The table of groups."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now


class Group(Base):
    """A tenant of the gateway. ``used`` and ``requests`` grow with each batch of logs."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Given by whoever makes it, or made: letters, digits, ``-``, ``_`` and ``.``."""
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled`` or ``disabled``."""
    unpriced: Mapped[str] = mapped_column(String(16), default="allow")
    """A model without a price: ``allow`` (flagged in the log) or ``block``."""
    rpm: Mapped[int | None]
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    concurrency: Mapped[int | None]
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nanos spent."""
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
