"""What calls came to, as Python holds it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from paifang.modules.gateway.usage.models import BOUNDS, SUMS

BUCKETS = tuple(f"d{at}" for at in range(len(BOUNDS) + 1))

PLAIN = tuple(name for name in SUMS if name not in BUCKETS)


@dataclass(slots=True)
class Sums:
    """What some calls came to; amounts are nanos."""

    calls: int = 0
    errors: int = 0
    refused: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    cost: int = 0
    unpriced: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))

    @classmethod
    def of(cls, row: Any) -> "Sums":
        """From a row that has :data:`SUMS`."""
        plain = {name: int(row[name] or 0) for name in PLAIN}
        durations = [int(row.get(name) or 0) for name in BUCKETS]
        return cls(**plain, durations=durations)

    @property
    def p50_ms(self) -> int | None:
        """Half of the completed calls took at most this, as near as the buckets tell."""
        return percentile(self.durations, 0.5)

    @property
    def p95_ms(self) -> int | None:
        """The same of 95 in 100."""
        return percentile(self.durations, 0.95)


@dataclass(frozen=True, slots=True)
class Series:
    """The sums of one key, in all and by step."""

    key: str | None
    """None for all, or for the rest beside those that are told."""
    label: str
    totals: Sums
    points: dict[int, Sums]


def percentile(counts: Sequence[int], share: float) -> int | None:
    """A duration in milliseconds from counts per bucket, evenly spread within each; of what took
    longer than the last bound, that bound. None for no calls.
    """
    left = sum(counts) * share
    if not left:
        return None
    lower = 0
    for count, bound in zip(counts, BOUNDS, strict=False):
        if count and left <= count:
            return round(lower + (bound - lower) * left / count)
        left -= count
        lower = bound
    return BOUNDS[-1]


def together(parts: Iterable[Sums]) -> Sums:
    """The sums of several."""
    whole = Sums()
    for part in parts:
        for name in PLAIN:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.durations = [a + b for a, b in zip(whole.durations, part.durations, strict=True)]
    return whole
