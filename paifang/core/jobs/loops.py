"""Loops that outlive a database that is away for a while."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("paifang.jobs")


async def forever(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    interval: float,
    wake: asyncio.Event | None = None,
) -> None:
    """Do ``work`` each ``interval`` seconds, and at once when ``wake`` is set.

    A failure is logged once with its stack, and once more when it is over.
    """
    wake = wake or asyncio.Event()
    failing = False
    while True:
        wake.clear()
        try:
            await work()
        except Exception:
            if not failing:
                log.exception("%s failed; trying again each %.1f s", name, interval)
            failing = True
        else:
            if failing:
                log.warning("%s works again", name)
            failing = False
        try:
            async with asyncio.timeout(interval):
                await wake.wait()
        except TimeoutError:
            pass
