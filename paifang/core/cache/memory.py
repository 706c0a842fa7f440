"""The cache of one process."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from paifang.core.cache.port import OnGap, OnMessage, Subscription, Worker, check_ttl, safely


class MemoryCache:
    """A cache of this process: bounded, the least recently used values go first.

    Args:
        max_items: Values kept.
        max_bytes: Size of all values together; a bigger one is not kept.
        clock: Seconds, monotonic.
    """

    shared = False

    def __init__(
        self,
        *,
        max_items: int = 10_000,
        max_bytes: int = 64 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._clock = clock
        self._items: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._queues: dict[str, list[asyncio.Queue[bytes]]] = {}
        self._workers: set[Worker] = set()

    async def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        item = self._items.get(key)
        if item is None:
            return None
        if item[0] <= self._clock():
            self._drop(key)
            return None
        self._items.move_to_end(key)
        return item[1]

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See :class:`Cache`."""
        check_ttl(ttl)
        self._put(key, value, self._clock() + ttl)

    async def delete(self, *keys: str) -> bool:
        """See :class:`Cache`; always True."""
        for key in keys:
            self._drop(key)
        return True

    async def incr(self, key: str, *, ttl: float, by: int = 1) -> int | None:
        """See :class:`Cache`; never None."""
        check_ttl(ttl)
        value = await self.get(key)
        expires = self._clock() + ttl if value is None else self._items[key][0]
        count = int(value or b"0") + by
        self._put(key, str(count).encode(), expires)
        return count

    async def publish(self, channel: str, payload: bytes) -> bool:
        """See :class:`Cache`; always True."""
        for queue in self._queues.get(channel, ()):
            queue.put_nowait(payload)
        return True

    async def subscribe(
        self, channel: str, callback: OnMessage, *, on_gap: OnGap | None = None
    ) -> Subscription:
        """See :class:`Cache`; there are no gaps."""
        del on_gap
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues = self._queues.setdefault(channel, [])
        queues.append(queue)

        async def deliver() -> None:
            try:
                while True:
                    await safely(callback(await queue.get()), channel)
            finally:
                queues.remove(queue)

        worker = Worker(deliver(), among=self._workers)
        await asyncio.sleep(0)  # the task has begun: its finally will run
        return worker

    async def ping(self) -> bool:
        """See :class:`Cache`; always True."""
        return True

    async def close(self) -> None:
        """See :class:`Cache`."""
        for worker in list(self._workers):
            await worker.close()
        self._items.clear()

    def _put(self, key: str, value: bytes, expires: float) -> None:
        self._drop(key)
        if len(value) > self.max_bytes:
            return
        self._items[key] = (expires, value)
        self._bytes += len(value)
        while len(self._items) > self.max_items or self._bytes > self.max_bytes:
            self._drop(next(iter(self._items)))

    def _drop(self, key: str) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self._bytes -= len(item[1])
