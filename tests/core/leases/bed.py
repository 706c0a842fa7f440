"""Processes on a real Redis, each a SharedLimits of its own, and what may happen between them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from paifang.core.cache.redis import RedisCache
from paifang.core.leases import SharedLimits, Wish
from paifang.core.leases.decisions import Decision
from paifang.core.limits import Bundle, Limit, Rate, Slots
from paifang.core.settings import RedisSettings, Secret

NAMESPACE = "paifang:test"


class Books:
    """What the database says was spent."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self.reads = 0
        self.away = False

    async def read(self, key: str) -> int:
        """What has been spent of a budget."""
        self.reads += 1
        if self.away:
            raise ConnectionError("the database is away")
        return self.spent.get(key, 0)

    def ship(self, one: SharedLimits) -> None:
        """Store what a process has spent, and tell it."""
        before = one.unshipped()
        for key, amount in before.items():
            self.spent[key] = self.spent.get(key, 0) + amount
        one.shipped(before, self.spent)


class Line:
    """A process's way to Redis. Of what is asked on a bad one nothing is heard."""

    def __init__(self, cache: RedisCache) -> None:
        self._cache = cache
        self._kept: list[tuple[str, list[tuple[list[str], list[Any]]]]] = []
        self.state: Literal["good", "lost", "late", "deaf"] = "good"
        """``lost``: it never arrives; ``late``: when :meth:`arrive` says so; ``deaf``: at once."""

    async def run_script(
        self, script: str, calls: list[tuple[list[str], list[Any]]]
    ) -> list[Any] | None:
        """As :meth:`RedisCache.run_script`."""
        if self.state == "late":
            self._kept.append((script, calls))
        if self.state in {"late", "lost"}:
            return None
        answers = await self._cache.run_script(script, calls)
        return None if self.state == "deaf" else answers

    async def arrive(self) -> int:
        """What is late runs now; how many runs these were."""
        kept, self._kept = self._kept, []
        for script, calls in kept:
            assert await self._cache.run_script(script, calls) is not None
        return sum(len(calls) for _, calls in kept)


def line(one: SharedLimits) -> Line:
    """The way of a process to Redis."""
    assert isinstance(one._scripts, Line)
    return one._scripts


@contextlib.asynccontextmanager
async def bad_line(
    one: SharedLimits, state: Literal["lost", "late", "deaf"]
) -> AsyncIterator[Line]:
    """A way that is bad until the block ends; behind it the process has heard of Redis again."""
    way = line(one)
    way.state = state
    yield way
    way.state = "good"
    await until(lambda: not one.away)


@contextlib.asynccontextmanager
async def processes(url: str, books: Books, count: int) -> AsyncIterator[list[SharedLimits]]:
    """So many processes."""
    settings = RedisSettings(url=Secret(url), timeout=2.0)
    caches = [RedisCache(settings, namespace=NAMESPACE) for _ in range(count)]
    made = [SharedLimits(Line(cache), books.read) for cache in caches]
    try:
        for one in made:
            await one.start()
        yield made
    finally:
        for one in made:
            await one.close()
        for cache in caches:
            await cache.close()


@contextlib.asynccontextmanager
async def shipping(books: Books, all_: list[SharedLimits]) -> AsyncIterator[None]:
    """Spending reaches the books in a while, and at the end."""

    async def ship() -> None:
        while True:
            for one in all_:
                books.ship(one)
            await asyncio.sleep(0.03)

    task = asyncio.create_task(ship())
    try:
        yield
    finally:
        task.cancel()
        for one in all_:
            books.ship(one)


def bundle(period: float = 60.0, **limits: int) -> Bundle:
    """Limits of one caller: ``rpm``, ``tpm``, ``slots``."""
    kinds = {
        "rpm": lambda n: Limit("key-rpm", "k:rpm", Rate(n, period)),
        "tpm": lambda n: Limit("key-tpm", "k:tpm", Rate(n, period), weighed=True),
        "slots": lambda n: Limit("key-concurrency", "k:slots", Slots(n)),
    }
    return Bundle([kinds[name](limit) for name, limit in limits.items()])


async def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that must come soon."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def take(one: SharedLimits, limits: Bundle, weight: int = 1, **budget: Any) -> Decision:
    """As a call does that has to ask."""
    return await asyncio.wait_for(one.take(Wish(limits, weight, **budget)), 10)
