"""What a cache does, whichever it is, and what both kinds share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

logger = logging.getLogger(__name__)

OnMessage = Callable[[bytes], Awaitable[None]]
OnGap = Callable[[], Awaitable[None]]


class Subscription(Protocol):
    """A running subscription."""

    async def close(self) -> None:
        """Stop it; no callback starts afterwards."""


class Cache(Protocol):
    """What both caches do. Keys are text, by convention ``<area>:<thing>``; values are bytes."""

    shared: bool
    """Whether other processes see the same values and messages."""

    async def get(self, key: str) -> bytes | None:
        """The value; None when there is none, it has expired, or Redis is away."""

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for ``ttl`` seconds; dropped when Redis is away."""

    async def delete(self, *keys: str) -> bool:
        """Forget values. False when Redis is away: the old values may come back with it.

        Where that would do harm, put a version into the key or keep the time to live short.
        """

    async def incr(self, key: str, *, ttl: float, by: int = 1) -> int | None:
        """Count up, from 0; the count is forgotten ``ttl`` seconds after its first step.

        Returns:
            The new count; None when Redis is away.

        Raises:
            ValueError: the key holds something that is no count.
        """

    async def publish(self, channel: str, payload: bytes) -> bool:
        """Send a message to everybody subscribed now; False when Redis is away."""

    async def subscribe(
        self, channel: str, callback: OnMessage, *, on_gap: OnGap | None = None
    ) -> Subscription:
        """Await ``callback`` for each message, one after the other, until closed.

        Messages are not kept: whoever is not connected misses them. ``on_gap`` is awaited when
        the connection has been made (again) after that may have happened; load everything
        there. What the callbacks raise is logged and ends nothing.
        """

    async def ping(self) -> bool:
        """Whether the cache answers."""

    async def close(self) -> None:
        """End subscriptions and connections."""


class Worker:
    """The task of one subscription."""

    def __init__(self, work: Coroutine[Any, Any, None], *, among: set["Worker"]) -> None:
        self._among = among
        among.add(self)
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._among.discard(self)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A subscription ended", exc_info=error)

    async def close(self) -> None:
        """Stop the task and wait until it has stopped."""
        self._task.cancel()
        if self._task is not asyncio.current_task():  # a callback may close its own subscription
            await asyncio.wait([self._task])


async def safely(call: Awaitable[None], channel: str) -> None:
    """Await a subscriber's callback; what it raises is logged."""
    try:
        await call
    except Exception:
        logger.exception("A subscriber of %s failed", channel)


def check_ttl(ttl: float) -> None:
    """Refuse a time to live that is none.

    Raises:
        ValueError: it is not above 0.
    """
    if ttl <= 0:
        raise ValueError("ttl is in seconds and must be above 0")
