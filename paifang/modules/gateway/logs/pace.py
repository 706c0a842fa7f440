"""Rests between pieces of work that is done in a thread, beside the relay.

Both share one interpreter, and mostly one core. What works through for ten milliseconds takes
turns with the relay at the system's discretion, a millisecond or more each, and the calls of that
time wait twice as long. What rests after each fraction of a millisecond takes longer, and costs
every call a little instead.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

REST = 4.0
"""How many times as long as it worked a gentle worker rests after a piece."""

T = TypeVar("T")


class Pace:
    """A worker's. To be made and used in one thread."""

    def __init__(self, times: float) -> None:
        """``times``: how long a rest is, as a multiple of the work before it; 0 is none at all."""
        self._times = times
        self._since = time.thread_time()

    def rest(self) -> None:
        """Sleep in proportion to the work since the last time."""
        if self._times:
            time.sleep(self._times * (time.thread_time() - self._since))
            self._since = time.thread_time()


class Paced(list[T]):
    """A list whose reader, in a thread, is made to rest behind each so many items.

    So the driver of a database, which takes a list of parameters and works through it at a
    stretch, does so in pieces.
    """

    def __init__(self, items: Iterable[T], times: float, piece: int) -> None:
        super().__init__(items)
        self._times = times
        self._piece = piece

    def __iter__(self) -> Iterator[T]:
        pace = Pace(self._times)
        for number, item in enumerate(super().__iter__(), 1):
            yield item
            if number % self._piece == 0:
                pace.rest()
