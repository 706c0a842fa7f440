"""Loads the snapshot, and loads it again when something changed, here or in another process."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, Select, exists
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from paifang.core.cache import Cache, Subscription
from paifang.core.db import Database, read_version, utc_now
from paifang.core.secrets import Secrets
from paifang.modules.gateway.channels.providers import LOCAL
from paifang.modules.gateway.prices.models import Price as PriceRow
from paifang.modules.gateway.relay.snapshot import Channel, Price, Snapshot
from paifang.modules.gateway.snapshot.records import (
    BATCH,
    CHANNELS,
    GROUPS,
    PRICES,
    SHARES,
    TOKENS,
    Budget,
    Records,
    price,
)

log = logging.getLogger(__name__)

VERSION = "gateway"
"""The version that every change the relay must know counts up."""
MESSAGES = "gateway:changed"
"""The cache's channel on which processes tell each other to look."""
PRICE_HISTORY = timedelta(days=1)
"""A price that ended longer ago is not loaded: no running call began under it."""
WARN_EVERY = 60.0
"""Seconds between two warnings that the database does not answer."""


async def load(database: Database, secrets: Secrets, records: Records | None = None) -> Snapshot:
    """Read the tables, with a fixed number of statements.

    Args:
        database: Where the tables are.
        secrets: Decrypts the channels' credentials.
        records: What earlier loads built.
    """
    records = records or Records(secrets)
    records.begin()
    async with database.reading() as session:
        # First: a change that comes while the tables are read then has a newer version than this
        # snapshot, and is loaded next time. Last, it would be taken for known.
        version = await read_version(session, VERSION)
        connection = await session.connection()
        async for rows in _batches(connection, GROUPS):
            for row in rows:
                records.group(row)
        channels, prices = await _served(connection, records)
        for _ in records.free(_free(channels, prices)):
            await asyncio.sleep(0)
        async for rows in _batches(connection, SHARES):
            for row in rows:
                records.share(row)
        async for rows in _batches(connection, TOKENS):
            for row in rows:
                records.token(row)
    records.end()
    return Snapshot(
        version=version,
        tokens=records.tokens,
        groups=records.groups,
        channels={model: tuple(serving) for model, serving in channels.items()},
        prices={model: tuple(history) for model, history in prices.items()},
    )


async def _served(
    connection: AsyncConnection, records: Records
) -> tuple[dict[str, list[Channel]], dict[str, list[Price]]]:
    """Who serves each model, and what it costs."""
    channels: dict[str, list[Channel]] = {}
    async for rows in _batches(connection, CHANNELS):
        for row in rows:
            models, channel = records.channel(row)
            for model in models:
                channels.setdefault(model, []).append(channel)
    prices: dict[str, list[Price]] = {}
    async for rows in _batches(connection, _recent_prices()):
        for model, *rest in rows:
            prices.setdefault(model, []).append(price(rest))
    return channels, prices


def _free(
    channels: Mapping[str, Sequence[Channel]], prices: Mapping[str, Sequence[Price]]
) -> Iterator[str]:
    """Models that cost nothing: by their price, now and as far as it is known, or because our own
    machine computes them and nobody has set one.
    """
    for model, serving in channels.items():
        known = prices.get(model)
        if known is None:
            if all(channel.provider == LOCAL for channel in serving):
                yield model
        elif not any(_costs(one) for one in known):
            yield model


def _costs(price: Price) -> bool:
    buckets = (price.input, price.cached_input, price.cache_write, price.output, price.reasoning)
    return any(buckets) or price.request > 0


def _recent_prices() -> Select[*tuple[Any, ...]]:
    later = aliased(PriceRow)
    superseded = exists().where(
        later.model == PriceRow.model,
        later.valid_from > PriceRow.valid_from,
        later.valid_from <= utc_now() - PRICE_HISTORY,
    )
    return PRICES.where(~superseded)


async def _batches(
    connection: AsyncConnection, statement: Select[*tuple[Any, ...]]
) -> AsyncIterator[Sequence[Row[*tuple[Any, ...]]]]:
    """Rows, a batch at a time.

    On the connection instead of the session, whose rows cost twice as much.
    """
    result = await connection.stream(statement, execution_options={"yield_per": BATCH})
    async for rows in result.partitions(BATCH):
        yield rows
        # The driver of MariaDB often has the next rows at hand, and then waits for nothing.
        await asyncio.sleep(0)


class Loader:
    """Keeps the relay's snapshot fresh.

    A commit of this process is loaded before its request answers; a change of another process
    within ``poll_seconds``, or at once through a shared cache. While the database does not
    answer, the last snapshot stays.

    Args:
        database: Where the tables are, and whose commits are listened to.
        secrets: Decrypts the channels' credentials.
        use: Takes each new snapshot.
        poll_seconds: How often to look for changes of other processes.
        cache: Through which processes tell each other to look at once.
    """

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        use: Callable[[Snapshot], None],
        poll_seconds: float,
        cache: Cache | None = None,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._use = use
        self._poll_seconds = poll_seconds
        self._cache = cache
        self._records = Records(secrets)
        self._version: int | None = None
        self._running = False
        self._lock = asyncio.Lock()
        self._begun = 0
        self._done = 0
        self._look = asyncio.Event()
        self._name = uuid4().bytes
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._warned = -WARN_EVERY

    @property
    def version(self) -> int | None:
        """The version of the snapshot in use; None before the first."""
        return self._version

    @property
    def budgets(self) -> Mapping[str, Budget]:
        """Groups with a quota, as the snapshot in use has split it."""
        return self._records.budgets

    async def reload(self) -> None:
        """Load again without a change, to split quotas anew. Never raises for a load that fails."""
        if self._running:
            await self._load_now()

    async def start(self) -> None:
        """Load once, then follow changes. Raises what the database raises."""
        self._running = True
        self._database.on_version(VERSION, self.refresh)
        try:
            await self._load()
            if self._cache is not None:
                self._subscription = await self._cache.subscribe(
                    MESSAGES, self._told, on_gap=self._gap
                )
        except BaseException:
            self._running = False
            raise
        self._task = asyncio.create_task(self._follow(), name="gateway snapshot loader")

    async def refresh(self) -> None:
        """Load what was committed before this call, and tell the other processes.

        Never raises for a load that fails: the change is made, and loading is tried again at
        once and then with every poll.
        """
        if self._running:
            await asyncio.gather(self._load_now(), self._tell())

    async def close(self) -> None:
        """Stop following. The snapshot in use stays in use."""
        self._running = False
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _load(self) -> None:
        # A load that is under way may have read the tables before the caller's commit: only one
        # that begins from now on counts. All who wait for the lock share the next.
        needed = self._begun + 1
        async with self._lock:
            if self._done >= needed:
                return
            self._begun += 1
            mine = self._begun
            started = time.perf_counter()
            snapshot = await load(self._database, self._secrets, self._records)
            self._use(snapshot)
            self._version = snapshot.version
            self._done = mine
        log.debug(
            "snapshot %d: %d tokens in %.0f ms",
            snapshot.version,
            len(snapshot.tokens),
            (time.perf_counter() - started) * 1000,
        )

    async def _load_now(self) -> None:
        try:
            await self._load()
        except Exception as error:  # noqa: BLE001  # the commit stands, whatever failed here
            self._warn(error)
            self._look.set()

    async def _tell(self) -> None:
        if self._cache is not None:
            await self._cache.publish(MESSAGES, self._name)

    async def _told(self, payload: bytes) -> None:
        if payload != self._name:
            self._look.set()

    async def _gap(self) -> None:
        self._look.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            try:
                async with self._database.reading() as session:
                    version = await read_version(session, VERSION)
                # Unequal, not newer: a restored backup may count from further back.
                if version != self._version:
                    await self._load()
            except Exception as error:  # noqa: BLE001  # without this task revocations end
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._warned >= WARN_EVERY:
            self._warned = now
            log.warning(
                "the gateway's tables can't be read, the last snapshot stays in use: %s: %s",
                type(error).__name__,
                error,
                exc_info=error,
            )
