"""The table of throttles."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now


class Throttle(Base):
    """How often something was tried, by whom or to whom. In the database: processes share it.

    The key is a digest: it tells nobody an address or a person.
    """

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    """The next try is refused before."""
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
