"""What the relay must reach; ``run.py --floors`` fails where it does not. Floors, not goals."""

from collections.abc import Callable
from dataclasses import dataclass

import messages
from results import LIMIT, OURS, Results, Spread

Measure = Callable[[Results], Spread | None]


@dataclass(frozen=True)
class Floor:
    """A bound on one number."""

    what: str
    measure: Measure
    least: float | None = None
    most: float | None = None

    def check(self, results: Results) -> tuple[Spread | None, bool | None]:
        """The number and whether it holds; None and None when it was not measured."""
        found = self.measure(results)
        if found is None:
            return None, None
        low = self.least is None or found.median >= self.least
        high = self.most is None or found.median <= self.most
        return found, low and high

    @property
    def bound(self) -> str:
        """For people."""
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


def _ratio(to: str, scenario: str, metric: str) -> Measure:
    return lambda results: results.ratio(OURS, to, scenario, metric)


def _own(scenario: str, metric: str) -> Measure:
    return lambda results: results.spread(OURS, scenario, metric)


def _added(results: Results) -> Spread | None:
    ours = results.added(OURS, "direct", "json1", "p50")
    theirs = results.added(LIMIT, "direct", "json1", "p50")
    return Spread.of([ours[r] / theirs[r] for r in ours.keys() & theirs.keys() if theirs[r] > 0])


FLOORS = (
    Floor("JSON, 32 connections: calls/s to nginx", _ratio(LIMIT, "json32", "rate"), least=0.20),
    Floor(
        "JSON, 32 connections: calls/s to FastAPI + httpx",
        _ratio("fastapi+httpx", "json32", "rate"),
        least=15,
    ),
    Floor("JSON, 32 connections: p50 to nginx's", _ratio(LIMIT, "json32", "p50"), most=5),
    Floor(
        "JSON, 32 connections: p99 to its own p50",
        lambda results: results.quotient(OURS, "json32", "p99", "p50"),
        most=3,
    ),
    Floor("JSON, 1 connection: p50 added, to what nginx adds", _added, most=3),
    Floor("Streams at full speed: events/s to nginx", _ratio(LIMIT, "stream8", "rate"), least=0.5),
    Floor(
        "First event passed on before the second is sent, ms",
        _own("", "early"),
        most=messages.PAUSE * 1000 / 2,
    ),
    Floor("Resident memory idle with 10,000 tokens, MB", _own("", "rss"), most=80),
    Floor("Start to ready, s", _own("", "ready"), most=3),
)
