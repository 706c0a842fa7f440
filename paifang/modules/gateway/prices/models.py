"""The table of prices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Price(Base):
    """What a model costs from a moment on, in nanos of the metering currency.

    Rows are never changed: a new price is a new row, so that past calls stay explicable.
    The buckets are per million model tokens.
    """

    __tablename__ = "prices"
    __table_args__ = (UniqueConstraint("model", "valid_from"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    model: Mapped[str] = mapped_column(String(128))
    valid_from: Mapped[datetime]
    input: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_input: Mapped[int] = mapped_column(BigInteger, default=0)
    cache_write: Mapped[int] = mapped_column(BigInteger, default=0)
    output: Mapped[int] = mapped_column(BigInteger, default=0)
    reasoning: Mapped[int] = mapped_column(BigInteger, default=0)
    request: Mapped[int] = mapped_column(BigInteger, default=0)
    """Per request."""
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
