"""Tables around the job engine: who runs jobs, who sweeps, what was taken over, what is due."""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now

RESUMED: Final = "resumed"
GIVEN_UP: Final = "given_up"

LOST: Final = "lost"
STOPPED: Final = "stopped"


class Worker(Base):
    """A process that runs jobs. The row goes when it is gone and no job is its any more."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A fresh one per start, so that a restart and a take-over are the same path."""
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    queues: Mapped[str] = mapped_column(String(100))
    """Comma-separated names of the queues it works on."""
    store: Mapped[str] = mapped_column(String(255))
    """Where its engine keeps state: all workers of one database must share it."""
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    """Counts up with each sign of life. Others compare it with what they saw before, on their
    own monotonic clock, so that no two clocks ever have to agree."""
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    """By the worker's own clock: for people, never for decisions."""
    left_at: Mapped[datetime | None]
    """When it stopped cleanly; what it left unfinished may be taken over at once."""


class Lease(Base):
    """A task of which one process at a time takes care. Free once its owner is dead."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))


class JobAttempt(Base):
    """One take-over of a job from one run that did not end.

    The primary key is the claim: two sweepers can't both take over the same run.
    """

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run: Mapped[str] = mapped_column(String(96), primary_key=True)
    """The worker that had it and when it got it."""
    sweeper: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(16))
    """``lost``: the worker died, which counts; ``stopped``: it ended cleanly, which does not."""
    outcome: Mapped[str] = mapped_column(String(16), default=RESUMED)
    """``resumed`` or ``given_up``."""
    at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class JobSchedule(Base):
    """When a job that runs at set times is due next."""

    __tablename__ = "job_schedules"

    job: Mapped[str] = mapped_column(String(100), primary_key=True)
    cron: Mapped[str] = mapped_column(String(100))
    next_at: Mapped[datetime]
