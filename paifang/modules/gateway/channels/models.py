"""The table of channels."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class Channel(Base):
    """An upstream: a provider at a base URL with its credentials and models."""

    __tablename__ = "channels"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    """The integer id of the AI Proxy API."""
    name: Mapped[str] = mapped_column(String(64), unique=True)
    provider: Mapped[str] = mapped_column(String(32))
    """The id of one of :data:`~paifang.modules.gateway.channels.providers.PROVIDERS`."""
    base_url: Mapped[str] = mapped_column(String(512))
    credential: Mapped[str | None] = mapped_column(Text)
    """Encrypted; NULL when the upstream asks for none."""
    models: Mapped[list[str]] = mapped_column(JSON, default=list)
    model_mapping: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    """Our model name to the upstream's."""
    priority: Mapped[int] = mapped_column(default=0)
    weight: Mapped[int] = mapped_column(default=1)
    connect_timeout: Mapped[float] = mapped_column(default=5.0)
    first_byte_timeout: Mapped[float] = mapped_column(default=120.0)
    idle_timeout: Mapped[float] = mapped_column(default=60.0)
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled`` or ``disabled``."""
    tested_at: Mapped[datetime | None]
    test_ms: Mapped[int | None]
    """How long the last test took; NULL when it failed."""
    test_error: Mapped[str | None] = mapped_column(String(500))
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nanos spent through it."""
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
