"""The outbox: what a transaction wants done afterwards, written in that transaction.

The row exists if and only if the change that wanted it was committed. A dispatcher hands it
to the job engine under the row's id, so handing it over twice is once, and deletes it then.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, on_commit, utc_now
from paifang.core.ids import uuid7

Waker = Callable[[], None]
_wakers: set[Waker] = set()


class Outbox(Base):
    """A job that was asked for and has not been handed to the engine yet."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    """UUIDv7, later the job's id. Sorts by the time it was made."""
    job: Mapped[str] = mapped_column(String(100))
    arguments: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


def add(session: AsyncSession, *, job: str, arguments: dict[str, Any]) -> str:
    """Add a row to the caller's transaction and wake this process's dispatcher at the commit.

    Other processes' dispatchers, and this one after a crash, find the row on their own.

    Returns:
        The id the job will have.
    """
    row = Outbox(id=str(uuid7()), job=job, arguments=arguments)
    session.add(row)
    on_commit(session, _wake)
    return row.id


def register_waker(waker: Waker) -> None:
    """Call ``waker`` after each commit that added a row; from any thread, it must not block."""
    _wakers.add(waker)


def unregister_waker(waker: Waker) -> None:
    """Undo :func:`register_waker`."""
    _wakers.discard(waker)


async def _wake() -> None:
    for waker in tuple(_wakers):
        waker()
