"""Counters of the relay, plain numbers that a metrics page turns into Prometheus'."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TypeVar

from paifang.modules.gateway.relay.record import Record

SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histograms' buckets; the last bucket has none."""

Key = TypeVar("Key")

MAX_FOREIGN_CODES = 64
"""Distinct error codes of upstreams that are told apart; they must not make series either."""

UNKNOWN_MODEL = ""
"""Stands for whatever name was asked for that no channel has: callers must not make series."""


@dataclass(slots=True)
class Histogram:
    """Durations in seconds: how many fell into each bucket (not cumulated), and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS_BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self.total += seconds


COUNT_EVERY = 200
"""Finished calls are kept uncounted up to here: many at once are counted at half the price."""


@dataclass(slots=True)
class Counters:
    """What happened since the start. Call :meth:`settle` before looking at the numbers."""

    calls: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    """By model, channel name, outcome and status."""
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)
    """Model tokens by model and bucket."""
    cost: dict[str, int] = field(default_factory=dict)
    """Nanos by model."""
    unpriced: dict[str, int] = field(default_factory=dict)
    """Calls that consumed something and had no price, by model."""
    duration: dict[str, Histogram] = field(default_factory=dict)
    """Whole calls by model, refusals left out."""
    first_byte: dict[str, Histogram] = field(default_factory=dict)
    """Time to the first byte by model."""
    unauthenticated: dict[str, int] = field(default_factory=dict)
    """Calls refused before their caller was known, by error code."""
    failed_attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Upstreams that failed, by channel name and error code."""
    journal_full: int = 0
    """Calls whose record found no room; their answers were withheld."""

    fresh: list[tuple[Record, bool]] = field(default_factory=list)
    """Finished calls that are not in the numbers yet."""
    foreign_codes: set[str] = field(default_factory=set)
    """Upstreams' own error codes seen so far."""

    def may_name(self, code: str) -> bool:
        """Whether an upstream's own error code may stand in records and counters."""
        codes = self.foreign_codes
        if code not in codes and len(codes) < MAX_FOREIGN_CODES:
            codes.add(code)
        return code in codes

    def add(self, record: Record, *, known: bool) -> None:
        """Count a finished call, sooner or later; ``known`` says whether its model exists."""
        fresh = self.fresh
        fresh.append((record, known))
        if len(fresh) >= COUNT_EVERY:
            self.settle()

    def settle(self) -> None:
        """Count what has been added."""
        for record, known in self.fresh:
            self._count(record, record.model if known else UNKNOWN_MODEL)
        self.fresh.clear()

    def _count(self, record: Record, model: str) -> None:
        bump(self.calls, (model, record.channel_name, record.outcome, record.status))
        if record.outcome == "refused":
            return
        _histogram(self.duration, model).add(record.duration_ms / 1000)
        if record.first_byte_ms is not None:
            _histogram(self.first_byte, model).add(record.first_byte_ms / 1000)
        if record.cost is None:
            bump(self.unpriced, model)
        elif record.cost:
            bump(self.cost, model, record.cost)
        if record.input:
            bump(self.tokens, (model, "input"), record.input)
        if record.output:
            bump(self.tokens, (model, "output"), record.output)
        if record.cached_input:
            bump(self.tokens, (model, "cached_input"), record.cached_input)
        if record.cache_write:
            bump(self.tokens, (model, "cache_write"), record.cache_write)
        if record.reasoning:
            bump(self.tokens, (model, "reasoning"), record.reasoning)


def bump(counts: dict[Key, int], key: Key, by: int = 1) -> None:
    """Add to a counter."""
    counts[key] = counts.get(key, 0) + by


def _histogram(histograms: dict[str, Histogram], model: str) -> Histogram:
    found = histograms.get(model)
    if found is None:
        found = histograms[model] = Histogram()
    return found
