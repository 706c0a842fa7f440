"""Ways out in order: the next one takes over where one is in trouble, which is remembered."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.port import Outcome, Trouble, Way, WayOutTrouble

logger = logging.getLogger(__name__)

RESTS = {Trouble.AWAY: 30.0, Trouble.CONFIGURATION: 300.0, Trouble.ENOUGH: 30.0}
"""Seconds of rest after a first trouble; doubled with each further one in a row."""
LONGEST_REST = 900.0


@dataclass
class _Health:
    until: float = 0.0
    """On the clock: not before this, if another way out can do it."""
    failures: int = 0


class FailOver:
    """Tries ways out in order.

    A way in trouble rests for a while, so that not every mail waits for a dead one. When all of
    them rest, the one whose rest ends first is tried, and no other. The rest is known to this
    process alone; each process learns it with its first mail.

    Args:
        ways: At least one, the first choice first.
        clock: Seconds that only grow.
    """

    name = "fail-over"

    def __init__(self, ways: Sequence[Way], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ways = tuple(ways)
        self.attempt_seconds = sum(way.attempt_seconds for way in self.ways)
        self._clock = clock
        self._health = [_Health() for _ in self.ways]

    async def send(self, mail: Mail) -> Outcome:
        """Make one attempt with each way out until one takes the mail or refuses it for good."""
        said: list[str] = []
        for number in self._to_try():
            way = self.ways[number]
            outcome = await way.send(mail)
            self._learn(number, outcome)
            if outcome.state is not MailState.QUEUED:
                return replace(outcome, way=way.name)
            said.append(self._told(way, outcome))
            if outcome.settled:
                break
        return Outcome(MailState.QUEUED, "; ".join(said)[:500])

    async def probe(self) -> str:
        """All of them; see :class:`~paifang.core.mail.ways.port.Way`."""
        said = []
        for way in self.ways:
            try:
                said.append(f"{way.name}: {await way.probe()}")
            except WayOutTrouble as trouble:
                raise WayOutTrouble(f"{way.name}: {trouble}") from trouble
        return "; ".join(said)

    def _to_try(self) -> list[int]:
        now = self._clock()
        rested = [number for number, health in enumerate(self._health) if health.until <= now]
        soonest = min(range(len(self.ways)), key=lambda number: self._health[number].until)
        return rested or [soonest]

    def _learn(self, number: int, outcome: Outcome) -> None:
        health = self._health[number]
        if outcome.trouble is None:
            self._health[number] = _Health()
            return
        rest = outcome.rest
        if rest is None:
            rest = min(RESTS[outcome.trouble] * 2**health.failures, LONGEST_REST)
        health.failures = min(health.failures + 1, 10)
        health.until = self._clock() + rest
        logger.warning(
            "The way out %s is in trouble (%s) and rests for %.0f s: %s",
            self.ways[number].name,
            outcome.trouble,
            rest,
            outcome.error,
        )

    def _told(self, way: Way, outcome: Outcome) -> str:
        said = outcome.error or "not now"
        return said if len(self.ways) == 1 else f"{way.name}: {said}"
