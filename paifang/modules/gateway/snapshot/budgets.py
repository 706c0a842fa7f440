"""Splits what is left of a group's quota among its tokens, again and again.

The relay's books are by token. So each token gets a part of what its group has left, and together
they can never spend more, however many calls there are at once. When one may be half through its
part, all is split anew. Each time less is left to split, and at the end nothing.
"""

import asyncio
import contextlib
import logging
import time
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from paifang.core.db import Database, utc_now
from paifang.core.scope import unscoped
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.snapshot.loader import Loader

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two looks."""
SHARE_OF_TIME = 20
"""A look that loads rests this many times as long as the load took: a twentieth of one core."""
RECENT = timedelta(minutes=15)
"""Groups that were used in this time are looked at."""


class Budgets:
    """Watches the groups that have a quota and several tokens, beside the relay."""

    def __init__(self, database: Database, loader: Loader, pause: float = PAUSE) -> None:
        self._database = database
        self._loader = loader
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch, until :meth:`close`."""
        self._task = asyncio.create_task(self._run(), name="group budgets")

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def look(self) -> bool:
        """Split anew where it is time; says whether it was."""
        shared = {key: budget for key, budget in self._loader.budgets.items() if budget.tokens > 1}
        if not shared:
            return False
        statement = unscoped(
            select(Group.id, Group.used).where(
                Group.last_used_at > utc_now() - RECENT, Group.quota.is_not(None)
            ),
            "the relay serves every group",
        )
        async with self._database.reading() as session:
            rows = (await session.execute(statement)).all()
        if not any(key in shared and shared[key].wants_split(used) for key, used in rows):
            return False
        await self._loader.reload()
        return True

    async def _run(self) -> None:
        pause = self._pause
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            pause = self._pause
            try:
                if await self.look():
                    pause = max(pause, (time.monotonic() - began) * SHARE_OF_TIME)
            except SQLAlchemyError as error:
                # The loader warns that the database is away; what was split holds until then.
                log.debug("budgets can't be looked at: %s", error)
