"""Which workers live, and which of them takes care of a task.

A worker counts up; the others watch it count, each on its own monotonic clock. So no clock of
one machine is ever compared with another's or with the database's.
"""

import os
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import Database, utc_now
from paifang.core.jobs.models import Lease, Worker


class Watch:
    """Remembers when each worker was last seen to count."""

    def __init__(self, dead_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._dead_after = dead_after
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = clock()

    def alive(self, beats: Mapping[str, int]) -> set[str]:
        """Those of the given workers that are new or have counted within ``dead_after`` seconds.

        Who has not looked for a while (stopped, or kept from the database) has seen nobody
        count and knows nothing: it starts watching anew.
        """
        now = self._clock()
        if now - self._looked > self._dead_after / 2:
            self._seen.clear()
        self._looked = now
        for worker, count in beats.items():
            before = self._seen.get(worker)
            if before is None or before[0] != count:
                self._seen[worker] = (count, now)
        return {w for w in beats if now - self._seen[w][1] < self._dead_after}


@dataclass(frozen=True)
class Roll:
    """The workers' rows: those that should be counting, and those that stopped cleanly."""

    beats: dict[str, int]
    left: set[str]


class Membership:
    """This process's row among the workers."""

    def __init__(self, database: Database, *, worker: str, queues: str, store: str) -> None:
        self.worker = worker
        self._database = database
        self._values = {
            "id": worker,
            "host": socket.gethostname()[:255],
            "pid": os.getpid(),
            "queues": queues,
            "store": store,
        }

    async def join(self) -> None:
        """Add the row; done before the first job is taken, so that no job's worker lacks one."""
        async with self._database.transaction() as session:
            await session.execute(insert(Worker).values(**self._values))

    async def beat(self) -> None:
        """Count up, a sign of life; joins again when the others have struck this worker off."""
        async with self._database.transaction() as session:
            counted = await session.execute(
                update(Worker)
                .where(Worker.id == self.worker)
                .values(beats=Worker.beats + 1, seen_at=utc_now())
            )
            if counted.rowcount == 0:  # type: ignore[attr-defined]  # an UPDATE's result has it
                await session.execute(insert(Worker).values(**self._values))

    async def leave(self) -> None:
        """Say that this worker has stopped; whatever is still its may be taken over at once."""
        async with self._database.transaction() as session:
            await session.execute(
                update(Worker).where(Worker.id == self.worker).values(left_at=utc_now())
            )


async def read_roll(database: Database) -> Roll:
    """All workers."""
    async with database.reading() as session:
        rows = (await session.execute(select(Worker.id, Worker.beats, Worker.left_at))).all()
    return Roll(
        beats={worker: beats for worker, beats, left in rows if left is None},
        left={worker for worker, _beats, left in rows if left is not None},
    )


async def hold_lease(database: Database, *, name: str, worker: str, alive: Collection[str]) -> bool:
    """Whether ``worker`` has the lease, after taking it from nobody or from the dead."""
    async with database.reading() as session:
        owner = await _owner(session, name)
    if owner == worker or (owner is not None and owner in alive):
        return owner == worker
    try:
        async with database.transaction() as session:
            if owner is None:
                await session.execute(insert(Lease).values(name=name, owner=worker))
                return True
            taken = await session.execute(
                update(Lease).where(Lease.name == name, Lease.owner == owner).values(owner=worker)
            )
            return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it
    except IntegrityError:
        return False


async def _owner(session: AsyncSession, name: str) -> str | None:
    return await session.scalar(select(Lease.owner).where(Lease.name == name))
