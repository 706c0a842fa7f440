"""Carries the relay's journal into the database, beside the relay and never in its way."""

import asyncio
import base64
import contextlib
import functools
import logging
import math
import os
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast

import orjson
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from paifang.core.db import Database
from paifang.modules.gateway.logs.pace import REST
from paifang.modules.gateway.logs.reading import Rejected, raw, read
from paifang.modules.gateway.logs.store import (
    Batch,
    Moved,
    Rows,
    forget,
    is_race,
    is_refusal,
    store,
)
from paifang.modules.gateway.relay import journal as segments
from paifang.modules.gateway.relay.journal import Journal, Segment

log = logging.getLogger("paifang.gateway.flusher")

BATCH = 2048
"""Records of one transaction. Beginning and ending one costs as much as storing hundreds."""
HURRY = 8
"""Batches after which a run rests half as long, after as many more a third, and so on: else it may
not keep up with the calls."""
MAX_PAUSE = 5.0
"""Longest pause, in seconds, before the next try while the database is away."""
WARN_EVERY = 60.0
"""Seconds between two warnings about one trouble."""
RACES = 5
"""Tries at once of a batch that meets another transaction's: the same request ids, a deadlock."""
REJECTED = "rejected.jsonl"


class Watcher(Protocol):
    """Who wants to know what the database has."""

    def unshipped(self) -> Mapping[str, int]:
        """What it thinks the database does not have yet; asked before each run."""

    async def shipped(self, before: Mapping[str, int]) -> None:
        """The database has all that was recorded when :meth:`unshipped` said this."""


class Flusher:
    """Ships this process's journal, and the segments that dead processes left beside it.

    Every record is logged and counted exactly once, whatever is killed at whatever moment. While
    the database is away the records wait in the journal.

    Attributes:
        error: Why the last try failed; empty while all is well.
        shipped: Records stored since the start.
        rejected: Records put aside since the start, in ``rejected.jsonl`` beside the journal.
    """

    def __init__(
        self,
        database: Database,
        directory: Path,
        journal: Journal | None,
        interval: float = 0.5,
        watcher: Watcher | None = None,
    ) -> None:
        """Prepare; :meth:`start` begins.

        Args:
            database: Where the logs go.
            directory: The journal's folder.
            journal: This process's own; None where nothing is relayed.
            interval: Seconds between two looks.
            watcher: Is told what has been stored.
        """
        self._database = database
        self._directory = directory
        self._journal = journal
        self._interval = interval
        self._watcher = watcher
        self._offsets: dict[str, int] = {}
        self._gone: set[str] = set()
        self._lock = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._deadline = math.inf
        self._task: asyncio.Task[None] | None = None
        self._warned = -WARN_EVERY
        self.error = ""
        self.shipped = 0
        self.rejected = 0

    def start(self) -> None:
        """Begin to ship, in a task of its own, until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="journal flusher")

    async def stop(self, patience: float = 5.0) -> None:
        """End the task and ship what is left.

        Args:
            patience: Seconds to go on, whether the database is away or there is much to ship.
                What is not shipped then stays in the journal for the next start.
        """
        deadline = self._deadline = time.monotonic() + patience
        self._stopping.set()
        if self._task is not None:
            await self._task
            self._task = None
        pause = 0.05
        while not await self._try():
            if time.monotonic() + pause > deadline:
                log.warning("calls remain in the journal; the next start stores them")
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        self._deadline = math.inf

    async def flush(self, *, gently: bool = False) -> int:
        """Ship everything that is there now; returns how many logs are new.

        Args:
            gently: Leave the interpreter to others most of the time; it takes longer.

        Raises:
            SQLAlchemyError: the database is away; nothing is lost, call again.
            OSError: the same, or the journal can't be read.
        """
        async with self._lock:
            before = self.shipped
            await self._ship_all(gently=gently)
            return self.shipped - before

    # Inside.

    async def _ship_all(self, *, gently: bool) -> bool:
        """Ship everything; False when there was no time for all of it."""
        whole = True
        watcher = self._watcher
        before = {} if watcher is None else watcher.unshipped()
        if self._journal is not None:
            path = self._journal.path
            whole = await self._ship(path, path.name, gently=gently)
        whole = whole and await self._ship_orphans(gently=gently)
        await self._forget()
        if whole and watcher is not None:
            await watcher.shipped(before)
        return whole

    def _hurried(self, *, gently: bool) -> bool:
        """Whether to leave the rest: to the last, swift run, or after that to the next start."""
        return (gently and self._stopping.is_set()) or time.monotonic() > self._deadline

    async def _run(self) -> None:
        pause = self._interval
        while not self._stopping.is_set():
            well = await self._try(gently=True)
            pause = self._interval if well else min(max(pause * 2, 0.1), MAX_PAUSE)
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                continue

    async def _try(self, *, gently: bool = False) -> bool:
        """Ship; False when something is left, with a warning once a minute when that failed."""
        try:
            async with self._lock:
                whole = await self._ship_all(gently=gently)
        except Exception as error:  # whatever it is: the next try comes
            self.error = _short(error)
            if time.monotonic() - self._warned >= WARN_EVERY:
                self._warned = time.monotonic()
                # A database that is away needs no stack; anything else is worth one.
                known = isinstance(error, SQLAlchemyError | OSError)
                log.warning(
                    "finished calls wait in the journal, they can't be stored: %s",
                    self.error,
                    exc_info=None if known else error,
                )
            return False
        if self.error:
            log.info("finished calls are stored again")
            self.error = ""
        return whole

    async def _ship_orphans(self, *, gently: bool) -> bool:
        """Ship and remove finished segments, ours and those of dead processes; False when there
        was no time for all of them.
        """
        claimed = cast("Generator[Segment]", segments.claim(self._directory))
        try:
            # In a thread: a claimed segment is read whole, to find damage.
            while (segment := await asyncio.to_thread(next, claimed, None)) is not None:
                _tell(segment)
                if not await self._ship(segment.path, segment.name, gently=gently):
                    return False
                # First the file, then its position: the other way round, a crash in between
                # would have it read again from the start.
                segments.remove(segment)
                self._gone.add(segment.name)
        finally:
            with contextlib.suppress(ValueError):  # cancelled while the thread is inside it
                claimed.close()
        return True

    async def _forget(self) -> None:
        if self._gone:
            gone = set(self._gone)
            await forget(self._database, gone)
            self._gone -= gone
            for name in gone:
                self._offsets.pop(name, None)

    async def _ship(self, path: Path, name: str, *, gently: bool) -> bool:
        """Ship a segment to its present end; False when there was no time for all of it."""
        size, races, batches = BATCH, 0, 0
        while True:
            rest = REST / (1 + batches // HURRY) if gently else 0.0
            offset = self._offsets.get(name, 0)
            rows = Rows(self._database.kind, careful=races > 0)
            reading = functools.partial(read, path, name, offset, size, rows=rows, rest=rest)
            try:
                batch, rejected = await asyncio.to_thread(reading)
            except FileNotFoundError:
                return True  # the journal is closed and was empty, or another process shipped it
            if batch.end == offset:
                return True
            try:
                await self._store(batch, rejected, rest)
            except Moved as moved:
                self._offsets[name] = moved.position
                continue
            except (SQLAlchemyError, ValueError, OverflowError) as error:
                races += 1
                if is_race(error) and races < RACES:
                    continue
                if not is_refusal(error):
                    raise
                if size > 1:
                    size = max(1, size // 8)  # find the one it is about
                    continue
                only = await asyncio.to_thread(raw, path, offset)
                nothing = replace(batch, rows=Rows(self._database.kind, careful=False))
                await self._store(nothing, [Rejected(only, _reason(error))], rest)
            self._offsets[name] = batch.end
            if batch.last or self._hurried(gently=gently):
                return batch.last
            size, races, batches = min(size * 2, BATCH), 0, batches + 1

    async def _store(self, batch: Batch, rejected: Sequence[Rejected], rest: float) -> None:
        def put_aside() -> None:
            for record in rejected:
                _put_aside(self._directory, batch.segment, record)

        new = await store(self._database, batch, before_commit=put_aside, rest=rest)
        self.shipped += new
        self.rejected += len(rejected)


def _short(error: Exception) -> str:
    """What an error says, without the statement and its parameters, which are the calls."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(error).__name__}: {said}"[:300]


def _reason(error: Exception) -> str:
    return f"the database refuses it: {type(error).__name__}"


def _put_aside(directory: Path, segment: str, rejected: Rejected) -> None:
    """Keep a record that no log can hold; it must not stop those behind it."""
    log.error(
        "a finished call can't be logged (%s); it is kept in %s",
        rejected.reason,
        directory / REJECTED,
    )
    entry = {
        "at": datetime.now(UTC),
        "segment": segment,
        "reason": rejected.reason,
        "record": base64.b64encode(rejected.data).decode(),
    }
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(directory / REJECTED, flags, 0o600), "ab") as file:
            file.write(orjson.dumps(entry) + b"\n")
    except OSError:
        log.exception("the record can't be kept either: %s", entry["record"])


def _tell(segment: Segment) -> None:
    repair = segment.repair
    if repair.damaged is not None:
        log.error(
            "journal segment %s was damaged: %d bytes cut, %d calls rescued, a copy is in %s",
            segment.name,
            repair.cut,
            repair.rescued,
            repair.damaged,
        )
    elif repair.cut:
        log.warning("journal segment %s: a torn end of %d bytes cut", segment.name, repair.cut)
