"""Lets a process serve the gateway only where the limits are counted once.

Limits and quotas are decided in a process's memory. Two processes on one database that share
them through nothing would allow each limit twice, so the second is refused at its start.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import Database, next_number, utc_now
from paifang.core.errors import StartRefused
from paifang.modules.gateway.processes import locks
from paifang.modules.gateway.processes.errors import GatewayRefused, GatewayStopped
from paifang.modules.gateway.processes.models import GatewayProcess

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
"""Between two signs of life."""
DEAD_SECONDS = 10.0
"""Who gives no sign of life for so long is dead for the others."""
LOOK_SECONDS = 0.25
"""Between two looks of a start that waits for another process's sign of life."""
LEAVE_SECONDS = 5.0
"""What a stop gives the database to forget this process."""
SERIAL = "gateway_processes"
"""The counter whose row is locked while it is decided who may serve."""


@dataclass(frozen=True)
class _Seen:
    beats: int
    since: float
    moved: bool


class Watch:
    """What is known of processes from their beats, on this process's own clock."""

    def __init__(self, dead_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._dead_after = dead_after
        self._clock = clock
        self._looked = clock()
        self._seen: dict[str, _Seen] = {}

    def look(self, processes: Iterable[GatewayProcess]) -> None:
        """Take note of the beats as they are now.

        Who has not looked for a while (stopped, or kept from the database) starts anew: it has
        seen nobody's beats and knows nothing.
        """
        now = self._clock()
        before = {} if now - self._looked > self._dead_after / 2 else self._seen
        self._looked = now
        self._seen = {}
        for process in processes:
            seen = before.get(process.id)
            if seen is None or seen.beats != process.beats:
                seen = _Seen(process.beats, now, moved=seen is not None)
            self._seen[process.id] = seen

    def is_silent(self, process: GatewayProcess) -> bool:
        """Whether it has been watched for long enough and gave no sign of life."""
        return self._looked - self._seen[process.id].since >= self._dead_after

    def is_alive(self, process: GatewayProcess) -> bool:
        """Whether it was seen to give a sign of life, and is not silent since."""
        return self._seen[process.id].moved and not self.is_silent(process)


class Guard:
    """This process's place among those that serve the gateway.

    Args:
        database: What the processes serve.
        home: The home folder.
        shares: Through what this process shares its limits; empty when they are its own. Two
            processes may serve at once when this is the same for both and not empty.
        is_stopping: Whether this process is ending anyway.
        end: Ends this process in order, when it has lost its place for good.
        beat_seconds: Between two signs of life.
        dead_seconds: Who gives no sign of life for so long is dead.
    """

    def __init__(
        self,
        *,
        database: Database,
        home: Path,
        shares: str,
        is_stopping: Callable[[], bool] = lambda: False,
        end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
        beat_seconds: float = BEAT_SECONDS,
        dead_seconds: float = DEAD_SECONDS,
    ) -> None:
        self.id = uuid4().hex
        self._database = database
        self._home = home
        self._here = place_of(home)
        self._shares = shares
        self._is_stopping = is_stopping
        self._end = end
        self._beat_seconds = beat_seconds
        self._dead_seconds = dead_seconds
        self._started_at = utc_now()
        self._watch = Watch(dead_seconds)
        self._lock: locks.ProcessLock | None = None
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Take the place, after waiting until whoever might be in the way is dead for certain.

        Raises:
            GatewayRefused: a living process is in the way.
            GatewayStopped: this process is to stop, and waits still.
            OSError: the home folder can't be written.
            SQLAlchemyError: the database is away.
        """
        self._lock = locks.ProcessLock(self._home, self.id)
        try:
            await self._register()
        except StartRefused:
            self._lock.remove()
            raise
        except BaseException:
            # The row may be there or not. The file, let go, says that it is nobody's.
            self._lock.release()
            raise
        locks.remove_free(self._home)
        self._task = asyncio.create_task(self._live(), name="gateway process heartbeat")

    async def leave(self) -> None:
        """Give the place back; never raises."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._lock is None:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS), self._database.transaction() as session:
                await session.execute(delete(GatewayProcess).where(GatewayProcess.id == self.id))
        except Exception as error:  # noqa: BLE001  # the stop goes on whatever the driver raises
            log.warning("the database still has this gateway process: %s", _words(error))
            self._lock.release()
        else:
            self._lock.remove()
        self._lock = None

    async def _register(self) -> None:
        told: set[str] = set()
        while in_the_way := await self._try():
            for other in in_the_way:
                if self._is_alive(other):
                    raise GatewayRefused(
                        other.place, shares=self._shares, other_shares=other.shares
                    )
            if self._is_stopping():
                raise GatewayStopped(in_the_way[0].place)
            for other in in_the_way:
                if other.id not in told:
                    told.add(other.id)
                    log.warning(
                        "waiting up to %.0f s for a sign of life of another gateway process: %s",
                        self._dead_seconds,
                        other.place,
                    )
            await asyncio.sleep(min(LOOK_SECONDS, self._dead_seconds / 8))

    async def _try(self) -> list[GatewayProcess]:
        """Add this process's row, unless others are in the way, dead or alive: then those."""
        async with self._database.transaction() as session:
            # Locks the counter's row until the commit: of two that start at once, the second
            # sees the first's row.
            await next_number(session, SERIAL)
            others = await self._others(session)
            in_the_way = [other for other in others if not other.goes_with(self._shares)]
            if not in_the_way:
                await session.execute(
                    insert(GatewayProcess).values(
                        id=self.id,
                        host=self._here[0],
                        pid=os.getpid(),
                        home=self._here[1],
                        shares=self._shares,
                        started_at=self._started_at,
                        seen_at=utc_now(),
                    )
                )
            return in_the_way

    async def _others(self, session: AsyncSession) -> list[GatewayProcess]:
        """The other processes, after striking off those that are dead for certain."""
        found = await session.scalars(select(GatewayProcess).where(GatewayProcess.id != self.id))
        rows = found.all()
        self._watch.look(rows)
        return [row for row in rows if not (self._is_dead(row) and await _strike(session, row))]

    def _is_dead(self, other: GatewayProcess) -> bool:
        held = self._holds_lock(other)
        return self._watch.is_silent(other) if held is None else not held

    def _is_alive(self, other: GatewayProcess) -> bool:
        held = self._holds_lock(other)
        return self._watch.is_alive(other) if held is None else held

    def _holds_lock(self, other: GatewayProcess) -> bool | None:
        """None where only its beats can tell: on another host, or with another home folder."""
        here = (other.host, other.home) == self._here
        return locks.is_held(self._home, other.id) if here else None

    async def _live(self) -> None:
        away = False
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                async with asyncio.timeout(self._dead_seconds):
                    known = await self._beat()
                if not known:
                    log.warning("this gateway process was taken for dead; it registers anew")
                    await self._register()
            except StartRefused as refused:
                if not self._is_stopping():
                    log.error("this gateway process ends: %s", refused)  # noqa: TRY400  # a refusal, no fault with a stack
                    self._end()
                return
            except Exception as error:  # noqa: BLE001  # the relay goes on whatever the driver raises
                if not away:
                    log.warning("no sign of life can be given: %s", _words(error))
                away = True
            else:
                if away:
                    log.info("signs of life are given again")
                away = False

    async def _beat(self) -> bool:
        """Give a sign of life; False when the others have struck this process off."""
        async with self._database.transaction() as session:
            counted = await session.execute(
                update(GatewayProcess)
                .where(GatewayProcess.id == self.id)
                .values(beats=GatewayProcess.beats + 1, seen_at=utc_now())
            )
            if self._shares:
                # Nobody who starts waits for those it goes with, so they are struck off here.
                await self._others(session)
            return bool(counted.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


async def _strike(session: AsyncSession, process: GatewayProcess) -> bool:
    """Remove a dead process; False when it gave a sign of life this very moment."""
    gone = await session.execute(
        delete(GatewayProcess)
        .where(GatewayProcess.id == process.id, GatewayProcess.beats == process.beats)
        .execution_options(synchronize_session=False)
    )
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it


def place_of(home: Path) -> tuple[str, str]:
    """Where a process with this home folder runs: its host, and the folder."""
    return socket.gethostname()[:255], str(home.resolve())


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def list_alive(database: Database, home: Path) -> list[GatewayProcess]:
    """The processes that serve the gateway, as far as one look can tell: for people.

    Where no lock tells, the clocks of the two machines do.
    """
    here = place_of(home)
    silent = utc_now() - timedelta(seconds=DEAD_SECONDS)
    async with database.reading() as session:
        rows = await session.scalars(select(GatewayProcess).order_by(GatewayProcess.started_at))
        found = rows.all()
    alive = []
    for row in found:
        held = locks.is_held(home, row.id) if (row.host, row.home) == here else None
        if row.seen_at > silent if held is None else held:
            alive.append(row)
    return alive
