"""Logs as they come in: read from the database by cursor, never from the relay's own path."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from paifang.core.auth import Principal
from paifang.core.hot import reading, shown
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.gateway.logs import finding
from paifang.modules.gateway.logs.errors import TooManyWatchers
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.schemas import LogRead

MOST = 20
"""Watchers at the same time in one process."""
PAUSE = 1.0
"""Seconds between two looks, give or take a fifth: watchers don't ask in step."""
HEARTBEAT = 15.0
"""Seconds after which a quiet stream says that it lives, and asks whether the caller may go on."""
LIFETIME = 300.0
"""Seconds after which a stream ends, to be opened again."""
BATCH = 200
"""Rows of one look at most. More than that a second nobody reads: the oldest are left out, and
told as ``skipped``, which names the id before which to look in the list."""
SETTLED = 5.0
"""Seconds for which new ids are looked at again: a call of another process may be committed after
a later one."""


class Watchers:
    """How many there are in this process; one per runtime."""

    def __init__(self) -> None:
        self.count = 0

    def check(self) -> None:
        """Raise :class:`TooManyWatchers` when there is no place for another."""
        if self.count >= MOST:
            raise TooManyWatchers(f"{MOST} live views are open in this process; close one.")


def watchers(runtime: Runtime) -> Watchers:
    """Those of this process."""
    found: Watchers = runtime.parts.setdefault(Watchers, Watchers())
    return found


async def events(
    runtime: Runtime,
    *,
    renew: Callable[[], Awaitable[Principal | None]],
    caller: Principal,
    currency: str,
    after: int | None,
    filters: Mapping[str, Any],
) -> AsyncIterator[bytes]:
    """Server-sent events: ``log`` for each call, ``skipped`` with a number, ``end`` with a reason
    (``shutdown``, ``lifetime``, ``signed_out``), and comments in between.

    Args:
        runtime: The process.
        renew: Finds the caller anew; None when they may no longer.
        caller: Whoever watches.
        currency: The metering currency.
        after: Id of the last log that was seen; None: from now on.
        filters: :class:`~.finding.Filters`.
    """
    present = watchers(runtime)
    present.count += 1  # here: a stream that nobody begins to read takes no place
    try:
        async for event in _events(runtime, renew, caller, currency, after, filters):
            yield event
    finally:
        present.count -= 1


async def _events(  # noqa: PLR0917 - of one caller, above
    runtime: Runtime,
    renew: Callable[[], Awaitable[Principal | None]],
    caller: Principal,
    currency: str,
    after: int | None,
    filters: Mapping[str, Any],
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    started = renewed = clock()
    cursor = _Cursor(await _newest(runtime) if after is None else after)
    yield b": open\n\n"
    while True:
        try:
            rows = await _look(runtime, caller, cursor.floor, filters)
        except SQLAlchemyError:
            rows = []  # the database is away for a moment; the next look catches up
        if cursor.overrun(rows):
            yield _event("skipped", None, {"before": cursor.floor + 1})
        for row in cursor.fresh(rows, clock()):
            yield _event("log", row["id"], shown([row | {"currency": currency}], LogRead)[0])
        if not await _pause(runtime):
            yield _event("end", None, {"reason": "shutdown"})
            return
        if clock() - started > LIFETIME:
            yield _event("end", None, {"reason": "lifetime"})
            return
        if clock() - renewed > HEARTBEAT:
            renewed = clock()
            found = await renew()
            if found is None:
                yield _event("end", None, {"reason": "signed_out"})
                return
            caller = found
            yield b": alive\n\n"


class _Cursor:
    """Which logs have been told: all up to a floor, and those above it that were seen."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self._top = floor
        self._seen: set[int] = set()
        self._tops: deque[tuple[float, int]] = deque()

    def overrun(self, rows: Sequence[finding.LogRow]) -> bool:
        """Whether there may be more above the floor than were read; it is then raised."""
        if len(rows) < BATCH or rows[-1]["id"] in self._seen:
            return False
        self.floor = rows[-1]["id"] - 1
        return True

    def fresh(self, rows: Sequence[finding.LogRow], now: float) -> list[finding.LogRow]:
        """Those that were not told yet, the oldest first."""
        new = [row for row in reversed(rows) if row["id"] not in self._seen]
        self._seen.update(row["id"] for row in new)
        self._top = max(self._top, rows[0]["id"] if rows else 0)
        self._tops.append((now, self._top))
        while self._tops[0][0] < now - SETTLED:
            self.floor = max(self.floor, self._tops.popleft()[1])
        self._seen = {known for known in self._seen if known > self.floor}
        return new


async def _pause(runtime: Runtime) -> bool:
    """Wait for the next look; False when this process is to stop, which waits for nobody."""
    for _ in range(5):
        if runtime.draining:
            return False
        await asyncio.sleep(PAUSE / 5 * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
    return True


async def _newest(runtime: Runtime) -> int:
    statement = unscoped(select(func.max(Log.id)), "where to begin, and nothing of it is shown")
    async with runtime.db.reading() as session:
        return await session.scalar(statement) or 0


async def _look(
    runtime: Runtime, caller: Principal, floor: int, filters: Mapping[str, Any]
) -> list[finding.LogRow]:
    """The newest logs above the floor, the newest first."""
    async with reading(runtime.db) as connection:
        return await finding.rows(connection, caller=caller, limit=BATCH, after=floor, **filters)


def _event(name: str, key: int | None, data: Mapping[str, Any]) -> bytes:
    head = b"" if key is None else b"id: %d\n" % key
    body = orjson.dumps(data, option=orjson.OPT_UTC_Z)
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), head, body)
