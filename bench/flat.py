"""The long run: what a gateway holds after many calls, and after streams whose clients left."""

import time
from collections.abc import Callable
from typing import Protocol

from load import Slice
from peers import Contestant
from process import Child, get
from results import FLAT, Results, Step

CALLS, CONNECTIONS = 20_000, 32
"""JSON calls of one step."""
LEFT, LEAVERS = 200, 16
"""Streams of one step that their clients leave, and how many at a time."""
PATIENCE = 5.0
"""Seconds the upstream may take to notice that nobody wants a stream any more."""


class Orders(Protocol):
    """Has a number of calls made."""

    def __call__(self, contestant: Contestant, kind: str, connections: int, calls: int) -> Slice:
        """Raises when one is not answered as it must be."""
        ...


def run(
    contestant: Contestant,
    child: Child,
    *,
    steps: int,
    orders: Orders,
    rest: Callable[[Contestant], None],
    upstream: int,
    results: Results,
) -> None:
    """Make the calls step by step, and look at the gateway after each.

    Growth counts from the first step on: until then caches fill and the allocator takes what the
    work needs.
    """

    def look(number: int, under_way: int) -> None:
        results.steps.append(
            Step(
                calls=CALLS * number,
                left=LEFT * number,
                rss=child.rss() / 1e6,
                descriptors=child.descriptors(but=upstream),
                under_way=under_way,
            )
        )

    look(0, 0)
    for number in range(1, steps + 1):
        orders(contestant, "json", CONNECTIONS, CALLS)
        orders(contestant, "left", LEAVERS, LEFT)
        under_way = _under_way(upstream)
        rest(contestant)
        look(number, under_way)
    first, last = results.steps[1], results.steps[-1]
    results.put(contestant.name, FLAT, "growth", 0, last.rss - first.rss)
    results.put(contestant.name, FLAT, "descriptors", 0, last.descriptors - first.descriptors)
    results.put(contestant.name, FLAT, "under_way", 0, max(s.under_way for s in results.steps))


def _under_way(upstream: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while (count := int(get(upstream))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return count
