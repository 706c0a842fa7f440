"""Versions that tell other processes of a change, and numbers for those who need integers."""

from sqlalchemy import BigInteger, String, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db.base import Base
from paifang.core.db.session import BUMPED


class Counter(Base):
    """A named integer that only grows."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


async def _increment(session: AsyncSession, name: str) -> int:
    # The update locks the row until the commit, so two transactions never read one value.
    # Migrations insert the row; the insert is for a counter made later.
    counted = await session.execute(
        update(Counter).where(Counter.name == name).values(value=Counter.value + 1)
    )
    if counted.rowcount == 0:  # type: ignore[attr-defined]  # an UPDATE's result has it
        await session.execute(insert(Counter).values(name=name, value=1))
        return 1
    return (await session.execute(select(Counter.value).where(Counter.name == name))).scalar_one()


async def next_number(session: AsyncSession, name: str) -> int:
    """The next number of a sequence, from 1, without gaps: a rolled-back one is given again."""
    return await _increment(session, f"number:{name}")


async def bump_version(session: AsyncSession, name: str) -> int:
    """Count a version up in this transaction.

    This process's listeners (:meth:`~paifang.core.db.Database.on_version`) run after the commit,
    before the caller goes on; other processes poll the row.
    """
    session.info.setdefault(BUMPED, set()).add(name)
    return await _increment(session, f"version:{name}")


async def read_version(session: AsyncSession, name: str) -> int:
    """The current version; 0 before the first bump."""
    value = await session.scalar(select(Counter.value).where(Counter.name == f"version:{name}"))
    return value or 0
