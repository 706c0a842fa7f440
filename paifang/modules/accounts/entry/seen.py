"""When people were last here: kept in memory, written together a moment later.

A read stays a read. It is written at most once a minute for each person and process.
"""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, update

from paifang.core.db import Database
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User

log = logging.getLogger("paifang.accounts")

MINUTE = timedelta(minutes=1)
EVERY = 10.0
"""Seconds between two writes."""


class Seen:
    """Collects who was here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[UUID, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, user_id: UUID, known: datetime | None, now: datetime) -> None:
        """Somebody is here; ``known`` is what the database says of the last time."""
        if known is None or now - known >= MINUTE:
            self._noted[user_id] = now

    async def flush(self) -> int:
        """Write what was collected; how many people."""
        noted, self._noted = self._noted, {}
        if not noted:
            return 0
        async with self._database.transaction() as session:
            for user_id, at in sorted(noted.items()):  # one order, so that processes don't deadlock
                statement = unscoped(
                    update(User).where(
                        User.id == user_id,
                        or_(User.last_seen_at.is_(None), User.last_seen_at < at),
                    ),
                    "about the person who was here",
                )
                # updated_at is about what somebody changed.
                await session.execute(
                    statement.values(last_seen_at=at, updated_at=User.updated_at),
                    execution_options={"synchronize_session": False},
                )
        return len(noted)

    def start(self) -> None:
        """Write every few seconds from now on."""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001  # the next one may succeed; nothing depends on it
            log.warning("who was last here was not written: %s", type(error).__name__)

    async def stop(self) -> None:
        """Write once more and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._try()
