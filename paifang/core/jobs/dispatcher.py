"""Hands rows of the outbox to the engine."""

import asyncio
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from paifang.core.db import Database
from paifang.core.jobs.handover import Handover
from paifang.core.outbox import Outbox

if TYPE_CHECKING:
    from paifang.core.jobs.engine import Engine

log = logging.getLogger("paifang.jobs")

SWEEP = 2.0
"""Seconds after which rows are found that nobody announced: another process's, or a crash's."""
_PAGE = 100


class Dispatcher:
    """Engine first, delete second: a crash in between repeats the first, which is harmless."""

    def __init__(self, database: Database, engine: "Engine", known: Collection[str]) -> None:
        self._database = database
        self._engine = engine
        self._known = sorted(known)
        self._strange: set[str] = set()

    async def dispatch(self) -> None:
        """Hand over all that waits."""
        await self._report_strangers()
        while rows := await self._read():
            await asyncio.to_thread(self._engine.hand_over, rows)
            await self._delete([row.id for row in rows])
            if len(rows) < _PAGE:
                return

    async def _read(self) -> list[Handover]:
        async with self._database.reading() as session:
            waiting = (
                select(Outbox.id, Outbox.job, Outbox.arguments)
                .where(Outbox.job.in_(self._known))
                .order_by(Outbox.id)
                .limit(_PAGE)
            )
            return [Handover(*row) for row in await session.execute(waiting)]

    async def _delete(self, ids: list[str]) -> None:
        async with self._database.transaction() as session:
            await session.execute(delete(Outbox).where(Outbox.id.in_(ids)))

    async def _report_strangers(self) -> None:
        """Rows of jobs this version doesn't know stay where they are, but not silently."""
        async with self._database.reading() as session:
            strange = select(Outbox.job).where(Outbox.job.not_in(self._known)).distinct()
            names = set(await session.scalars(strange)) - self._strange
        for name in sorted(names):
            log.error("the outbox holds jobs named %s, which this version does not know", name)
        self._strange |= names
