"""What was measured, round by round, and what follows from it."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field

LIMIT = "nginx"
"""The contestant the ratios are taken to."""
OURS = "paifang"


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    id: str
    title: str
    kind: str
    connections: int
    seconds: float
    unit: str = "calls/s"
    per_call: int = 1
    """Units in one call."""


@dataclass
class Spread:
    """A median with what it was taken from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """None for no values."""
        if not values:
            return None
        return cls(statistics.median(values), min(values), max(values))


Values = dict[tuple[str, str, str], dict[int, float]]


@dataclass
class Results:
    """Values by contestant, scenario and metric, one for each round.

    Metrics: ``rate`` (units a second), ``p50`` and ``p99`` (milliseconds), ``cpu``
    (microseconds of the proxy's CPU a call), ``busy`` (its share of a core), ``others`` (cores
    that strangers used meanwhile). Outside the
    scenarios (``""``): ``ready`` (seconds), ``rss`` (megabytes), ``early`` (milliseconds to the
    first byte of a stream whose second event is held back).
    """

    values: Values = field(default_factory=lambda: defaultdict(dict))

    def put(self, contestant: str, scenario: str, metric: str, round_: int, value: float) -> None:
        """Keep one."""
        self.values[contestant, scenario, metric][round_] = value

    def all(self, contestant: str, scenario: str, metric: str) -> dict[int, float]:
        """By round; empty when there is nothing."""
        return self.values.get((contestant, scenario, metric), {})

    def spread(self, contestant: str, scenario: str, metric: str) -> Spread | None:
        """Median, least and most."""
        return Spread.of(list(self.all(contestant, scenario, metric).values()))

    def ratio(self, contestant: str, to: str, scenario: str, metric: str) -> Spread | None:
        """The ratio of two contestants, taken within each round: the machine's speed drifts."""
        ours, theirs = (
            self.all(contestant, scenario, metric),
            self.all(to, scenario, metric),
        )
        both = ours.keys() & theirs.keys()
        return Spread.of([ours[r] / theirs[r] for r in both if theirs[r]])

    def quotient(self, contestant: str, scenario: str, upper: str, lower: str) -> Spread | None:
        """One metric over another of the same contestant, within each round."""
        top, bottom = (
            self.all(contestant, scenario, upper),
            self.all(contestant, scenario, lower),
        )
        return Spread.of([top[r] / bottom[r] for r in top.keys() & bottom.keys() if bottom[r]])

    def added(self, contestant: str, base: str, scenario: str, metric: str) -> dict[int, float]:
        """What a contestant adds to another, by round."""
        ours, theirs = self.all(contestant, scenario, metric), self.all(base, scenario, metric)
        return {r: ours[r] - theirs[r] for r in ours.keys() & theirs.keys()}
