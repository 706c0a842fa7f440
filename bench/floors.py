"""What the gateway must reach; ``run.py --floors`` fails where it does not. Floors, not goals."""

from collections.abc import Callable
from dataclasses import dataclass

import messages
from results import FLAT, LIMIT, OURS, Results, Spread

Measure = Callable[[Results], Spread | None]


@dataclass(frozen=True)
class Floor:
    """A bound on one number."""

    what: str
    measure: Measure
    least: float | None = None
    most: float | None = None
    aim: float | None = None
    """What one would like instead."""
    needs: tuple[str, ...] = (OURS,)
    """The contestants it compares."""
    scenario: str = ""
    """Where they are compared; empty for what is always measured."""

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
        said = f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"
        return said if self.aim is None else f"{said}, aim {self.aim:g}"

    def missed(self, results: Results, *, names: set[str], scenarios: set[str]) -> str:
        """Why it counts as missed; empty when it holds, or when it was not asked for.

        One that could not be measured is missed: nobody knows.

        Args:
            results: Of the run.
            names: The contestants that were asked for.
            scenarios: The scenarios that were asked for.
        """
        found, holds = self.check(results)
        if found is None:
            asked = names >= set(self.needs) and self.scenario in {"", *scenarios}
            return "not measured" if asked else ""
        return "" if holds else f"{found.median:.3f} ({found.low:.3f} to {found.high:.3f})"


def _to(peer: str, scenario: str, metric: str, what: str, **bound: float) -> Floor:
    def measure(results: Results) -> Spread | None:
        return results.ratio(OURS, peer, scenario, metric)

    return Floor(what, measure, needs=(OURS, peer), scenario=scenario, **bound)


def _own(scenario: str, metric: str, what: str, most: float) -> Floor:
    return Floor(what, lambda results: results.spread(OURS, scenario, metric), most=most)


FLOORS = (
    _to(LIMIT, "json32", "rate", "JSON, 32 connections: calls/s to nginx's", least=0.2, aim=0.35),
    _to("portkey", "json32", "rate", "JSON, 32 connections: calls/s to Portkey's", least=8),
    _to("litellm", "json32", "rate", "JSON, 32 connections: calls/s to LiteLLM's", least=80),
    _to(
        "fastapi+httpx",
        "json32",
        "rate",
        "JSON, 32 connections: calls/s to FastAPI + httpx's",
        least=15,
    ),
    _to(LIMIT, "json32", "p50", "JSON, 32 connections: p50 to nginx's", most=5),
    Floor(
        "JSON, 32 connections: p99 to its own p50",
        lambda results: results.quotient(OURS, "json32", "p99", "p50"),
        most=3,
        scenario="json32",
    ),
    Floor(
        "JSON, 1 connection: p50 added, to what nginx adds",
        lambda results: results.added_ratio(OURS, LIMIT, "direct", "json1", "p50"),
        most=3,
        needs=(OURS, LIMIT, "direct"),
        scenario="json1",
    ),
    _to(LIMIT, "stream8", "rate", "8 streams at full speed: events/s to nginx's", least=0.5),
    _to(LIMIT, "stream32", "rate", "32 streams at full speed: events/s to nginx's", least=0.5),
    _to(LIMIT, "paced48", "cpu", "48 paced streams: CPU of an event to nginx's", most=2.5),
    _own(
        "",
        "early",
        f"First event passed on before the second is sent ({messages.PAUSE * 1000:g} ms later), ms",
        messages.PAUSE * 1000 / 2,
    ),
    _own("", "rss", "Resident memory idle with 10,000 tokens, MB", 80),
    _own(FLAT, "growth", "Resident memory, growth over the long run, MB", 5),
    _own(FLAT, "descriptors", "Open descriptors, growth over the long run", 0),
    _own(FLAT, "under_way", "Streams left by clients that the upstream still sends", 0),
    _own("", "ready", "Start to ready, s", 3),
)
