"""Several ways to one connection, the next tried beside those that are silent."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(
    ways: Sequence[Callable[[], Coroutine[Any, Any, T]]], delay: float, undo: Callable[[T], None]
) -> T:
    """What the first way that succeeds comes to; the others are given up.

    The next way is begun when one fails with an ``OSError``, or when all have been silent for
    ``delay`` seconds. ``undo`` is called with what came too late. Raises the last way's error;
    an ``ssl.SSLError`` at once, for no other way is to hide it.
    """
    left = list(ways)
    begun: list[asyncio.Task[T]] = []
    waiting: set[asyncio.Task[T]] = set()
    failure: OSError = OSError("there is no way")
    won: asyncio.Task[T] | None = None
    try:
        while left or waiting:
            if left:
                begun.append(asyncio.create_task(left.pop(0)()))
                waiting.add(begun[-1])
            done, waiting = await asyncio.wait(
                waiting, timeout=delay if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                try:
                    result = task.result()
                except ssl.SSLError:
                    raise
                except OSError as error:
                    failure = error
                else:
                    won = task
                    return result
        raise failure
    finally:
        for task in begun:
            given_up = task.cancel() or task.cancelled()
            if task is not won and not given_up and task.exception() is None:
                undo(task.result())
