"""The table of the processes that serve the gateway."""

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now


class GatewayProcess(Base):
    """A process that serves the gateway. The row goes when it has stopped or is taken for dead."""

    __tablename__ = "gateway_processes"
    __table_args__ = ({"info": {"transient": True}},)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A fresh one per start."""
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    home: Mapped[str] = mapped_column(Text)
    """Its home folder, where it holds the lock on the file that bears its id."""
    shares: Mapped[str] = mapped_column(String(255))
    """Through what it shares its limits with others; empty when they are its own."""
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    """Counts up with each sign of life. Others compare it with what they saw before, on their
    own monotonic clock, so that no two clocks ever have to agree."""
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    """By the process's own clock: for people, never for decisions."""

    @property
    def place(self) -> str:
        """Where it runs, for people."""
        since = self.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} on {self.host}, home {self.home}, since {since}"

    def goes_with(self, shares: str) -> bool:
        """Whether a process that shares its limits through ``shares`` may run beside this one."""
        return bool(shares) and shares == self.shares
