"""What was measured, round by round, and what follows from it."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

LIMIT = "nginx"
"""The contestant the ratios are taken to."""
OURS = "paifang"
FLAT = "flat"
"""Where the values of the long run are kept, as of a scenario."""


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    id: str
    title: str
    kind: str
    connections: int
    seconds: float
    unit: str = "call"
    """What is counted."""
    per_call: int = 1
    """Units in one of what the load generator counts."""
    at_full_speed: bool = True
    """Whether the proxy decides how many there are."""


@dataclass
class Spread:
    """A median with what it was taken from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """None for no values."""
        found = list(values)
        if not found:
            return None
        return cls(statistics.median(found), min(found), max(found))


@dataclass(frozen=True)
class Step:
    """The gateway after a part of the long run, at rest."""

    calls: int
    """Since its start."""
    left: int
    """Streams that their clients left."""
    rss: float
    """Megabytes."""
    descriptors: int
    """Without connections that are kept to the upstream, each file once."""
    under_way: int
    """Streams that the upstream still sends."""


Values = dict[tuple[str, str, str], dict[int, float]]


@dataclass
class Results:
    """Values by contestant, scenario and metric, one for each round.

    Metrics: ``rate`` (units a second), ``counted`` (times that a slice gave), ``p50`` and ``p99``
    (milliseconds), ``cpu`` (microseconds of the proxy's CPU a unit), ``busy`` (its share of a
    core), ``load`` (the share of a core of load generator and upstream), ``others`` (cores that
    strangers used meanwhile).
    Outside the scenarios (``""``): ``ready`` (seconds), ``rss`` (megabytes), ``early``
    (milliseconds to the first byte of a stream whose second event is held back), ``idle`` (share
    of a core between its slices). Of the long run (:data:`FLAT`): ``growth`` (megabytes),
    ``descriptors`` (more at the end than after the first step) and ``under_way``.
    """

    values: Values = field(default_factory=lambda: defaultdict(dict))
    steps: list[Step] = field(default_factory=list)
    """Of the long run."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Contestant and reason of each slice that was not measured."""

    def put(self, contestant: str, scenario: str, metric: str, round_: int, value: float) -> None:
        """Keep one."""
        self.values[contestant, scenario, metric][round_] = value

    def all(self, contestant: str, scenario: str, metric: str) -> dict[int, float]:
        """By round; empty when there is nothing."""
        return self.values.get((contestant, scenario, metric), {})

    def spread(self, contestant: str, scenario: str, metric: str) -> Spread | None:
        """Median, least and most."""
        return Spread.of(self.all(contestant, scenario, metric).values())

    def ratio(self, contestant: str, to: str, scenario: str, metric: str) -> Spread | None:
        """The ratio of two contestants, taken within each round: the machine's speed drifts."""
        return _divided(self.all(contestant, scenario, metric), self.all(to, scenario, metric))

    def quotient(self, contestant: str, scenario: str, upper: str, lower: str) -> Spread | None:
        """One metric over another of the same contestant, within each round."""
        top, bottom = (self.all(contestant, scenario, metric) for metric in (upper, lower))
        return _divided(top, bottom)

    def added_ratio(
        self, contestant: str, to: str, base: str, scenario: str, metric: str
    ) -> Spread | None:
        """What one adds to the base over what another adds to it, within each round."""
        return _divided(
            self._added(contestant, base, scenario, metric),
            self._added(to, base, scenario, metric),
        )

    def _added(self, contestant: str, base: str, scenario: str, metric: str) -> dict[int, float]:
        ours, theirs = self.all(contestant, scenario, metric), self.all(base, scenario, metric)
        return {r: ours[r] - theirs[r] for r in ours.keys() & theirs.keys()}


def _divided(top: dict[int, float], bottom: dict[int, float]) -> Spread | None:
    return Spread.of(top[r] / bottom[r] for r in top.keys() & bottom.keys() if bottom[r] > 0)
