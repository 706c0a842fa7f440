"""Rate limits and concurrency limits, decided in memory.

A rate limit is the generic cell rate algorithm (GCRA) of ITU-T Recommendation I.371, annex A, in
the form that redis-cell made known: one number per key, the *theoretical arrival time* (TAT), the
moment at which everything consumed so far will have been earned back. It behaves as a token
bucket of ``limit`` units that refills evenly over ``period``, with no window edge at which twice
the limit slips through, and a key at rest needs no memory.

Nothing here knows what time it is: the caller passes ``now`` in seconds, best from
:func:`time.monotonic`. Nothing here awaits, so within one event loop each call is atomic.
Processes that share limits use :mod:`paifang.core.leases` in the place of :class:`Limiter`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

TOLERANCE = 1e-4
"""Share of one unit that rounding may give away; far above float error, far below a unit."""

ROUND_UP = 1 - 1e-6
"""Added to seconds before the fraction is cut off; less than a microsecond over is not over."""

_PRUNE_FROM = 1024
"""Keys held before the first sweep for keys at rest."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units per period, all of them at once if they were saved up.

    A ``limit`` of 0 refuses everything. Raises ``ValueError`` for a negative limit or a period
    that is not positive.
    """

    limit: int
    period: float = 60.0
    """Seconds."""

    def __post_init__(self) -> None:
        if self.limit < 0 or not 0 < self.period < math.inf:
            raise ValueError("a rate needs a limit of 0 or more and a positive period")


@dataclass(frozen=True, slots=True)
class Slots:
    """So many at the same time. Each one allowed must be given back with ``release``."""

    limit: int
    retry_after: float = 1.0
    """Seconds to tell a refused caller: when a slot comes free, nobody knows."""

    def __post_init__(self) -> None:
        if self.limit < 0 or not 0 < self.retry_after < math.inf:
            raise ValueError("slots need a limit of 0 or more and a positive retry_after")


class Limit(NamedTuple):
    """One limit that calls have to pass."""

    name: str
    """What it is called in headers and errors."""
    key: str
    """Whose account it is. One key is one account: two limits of a token need two keys."""
    rule: Rate | Slots
    weighed: bool = False
    """A call takes as many units of the rate as it weighs; else, and of slots, always one."""


RateTerms = tuple[str, bool, float, float, float, float]
"""A rate's arithmetic, as a plain tuple, which is taken apart faster than any other.

Its key; whether it is weighed; seconds in which one unit is earned back (infinite for a limit of
0); seconds of refill that may be used up; its period; units earned back in a second.
"""


class Bundle:
    """Limits that a call passes together, all or none, worked out once for many calls.

    Keys must differ from one another.
    """

    __slots__ = ("limits", "rate_keys", "rates", "slot_keys", "slots", "weighed")

    def __init__(self, limits: Iterable[Limit]) -> None:
        limits = sorted(limits, key=lambda limit: isinstance(limit.rule, Slots))
        self.limits = tuple(limits)
        """Rates first, each kind in the order given."""
        self.rates = tuple(
            [_terms(limit, limit.rule) for limit in limits if isinstance(limit.rule, Rate)]
        )
        self.rate_keys = tuple([terms[0] for terms in self.rates])
        self.slots = tuple(
            [(limit.key, limit.rule.limit) for limit in limits if isinstance(limit.rule, Slots)]
        )
        self.slot_keys = tuple([key for key, _ in self.slots])
        self.weighed = tuple(
            [(terms[0], terms[2]) for terms in self.rates if terms[1] and terms[5]]
        )
        """Keys and units of the rates whose charge is corrected at a call's end."""


def _terms(limit: Limit, rate: Rate) -> RateTerms:
    if not rate.limit:
        return (limit.key, limit.weighed, math.inf, 0.0, rate.period, 0.0)
    unit = rate.period / rate.limit
    most = rate.period + unit * TOLERANCE
    return (limit.key, limit.weighed, unit, most, rate.period, rate.limit / rate.period)


Standing = list[float]
"""How the limits of a bundle stand, in its order.

Three numbers for a rate: units left, seconds until all are back if nothing more is taken, and
these seconds such that cutting off the fraction rounds up. One number for slots: those left. What
is left is never negative, and its fraction says nothing.
"""


class Refused(NamedTuple):
    """The call may not go on; nothing has been charged."""

    limit: Limit
    """The limit that says no; of several, the one that says it longest."""
    retry_after: float
    """Seconds after which the same call would pass, as far as this limit knows; finite."""
    never: bool
    """True when what the call takes is over the limit, so that no waiting will help."""
    standing: Standing
    """Uncharged."""


class Limiter:
    """The accounts of all keys. One float per key with a rate, one int per key with slots."""

    def __init__(self) -> None:
        self._tat: dict[str, float] = {}
        self._held: dict[str, int] = {}
        self._prune_at = _PRUNE_FROM

    def acquire(self, bundle: Bundle, now: float, weight: int = 1) -> Standing | Refused:
        """Charge all limits of a bundle, or none of them.

        Raises ``ValueError`` for a negative weight.
        """
        # All in one pass: this is on the path of every call. What is refused is worked out anew.
        tats = self._tat
        standing: Standing = []
        moved: list[float] = []
        for key, weighed, unit, most, period, per_second in bundle.rates:
            used = tats.get(key, now) - now  # seconds of refill
            if used < 0.0:  # noqa: PLR1730  # max() is a call, for each limit of each call
                used = 0.0
            used += weight * unit if weighed else unit
            # So, because a weight of 0 of a limit of 0 is not a number.
            if not used <= most or weight < 0:
                return self._refused(bundle, now, weight)
            moved.append(now + used)
            standing += ((period - used) * per_second + TOLERANCE, used, used + ROUND_UP)
        held = self._held
        for key, limit in bundle.slots:
            left = limit - 1 - held.get(key, 0)
            if left < 0:
                return self._refused(bundle, now, weight)
            standing.append(left)
        tats.update(zip(bundle.rate_keys, moved))  # noqa: B905  # strict= costs more than the rest
        for key in bundle.slot_keys:
            held[key] = held.get(key, 0) + 1
        if len(tats) > self._prune_at:
            self.prune(now)
        return standing

    def finish(self, bundle: Bundle, difference: int, now: float) -> None:
        """A call that was let through is over: give its slots back, and correct its weight.

        What was consumed is charged in full, even beyond the limit: the account is then in debt,
        and nothing is allowed until the debt is earned back. Giving back never makes more than a
        full account.

        Args:
            bundle: What it passed.
            difference: Units it consumed beyond its weight; negative when it was less.
            now: As for :meth:`acquire`.
        """
        held = self._held
        for key in bundle.slot_keys:
            count = held.get(key, 0)
            if count > 1:
                held[key] = count - 1
            elif count:
                del held[key]
        if not difference:
            return
        tats = self._tat
        for key, unit in bundle.weighed:
            tat = tats.get(key, now)
            if difference > 0 and tat < now:
                tat = now
            tat += difference * unit
            if tat > now:
                tats[key] = tat
            else:
                tats.pop(key, None)
        if len(tats) > self._prune_at:
            self.prune(now)

    def standing(self, bundle: Bundle, now: float) -> Standing:
        """How the limits stand; charges nothing."""
        standing: Standing = []
        for key, _, _, _, period, per_second in bundle.rates:
            used = max(self._tat.get(key, now) - now, 0.0)
            left = max((period - used) * per_second + TOLERANCE, 0.0)
            standing += (left, used, used + ROUND_UP)
        standing += [max(limit - self._held.get(key, 0), 0) for key, limit in bundle.slots]
        return standing

    def held(self, key: str) -> int:
        """Slots taken at present."""
        return self._held.get(key, 0)

    def prune(self, now: float) -> int:
        """Forget the keys at rest, whose accounts are full; how many these were.

        Happens by itself whenever the number of keys has doubled.
        """
        before = len(self._tat)
        self._tat = {key: tat for key, tat in self._tat.items() if tat > now}
        self._prune_at = max(_PRUNE_FROM, 2 * len(self._tat))
        return before - len(self._tat)

    def __len__(self) -> int:
        """Keys held in memory."""
        return len(self._tat) + len(self._held)

    def _refused(self, bundle: Bundle, now: float, weight: int) -> Refused:
        if weight < 0:
            raise ValueError("a weight must not be negative; finish gives back")
        waits = [rate_wait(t, self._tat.get(t[0], now) - now, weight) for t in bundle.rates]
        rules = [limit.rule for limit in bundle.limits[len(waits) :]]
        for (key, _), rule in zip(bundle.slots, rules, strict=True):
            assert isinstance(rule, Slots)  # noqa: S101  # Bundle puts them last
            waits.append(slot_wait(rule, self._held.get(key, 0)))
        return refusal(bundle, waits, self.standing(bundle, now))


def rate_wait(terms: RateTerms, used: float, weight: int) -> float:
    """Seconds until a rate lets a call through: 0 for now, infinite for never.

    Args:
        terms: The rate.
        used: Seconds of refill that are used up.
        weight: Of the call.
    """
    _, weighed, unit, most, period, _ = terms
    needed = weight * unit if weighed else unit
    if not needed <= most:
        return math.inf
    # The same arithmetic as in acquire, so that both round alike.
    used = max(used, 0.0) + needed
    return used - period if used > most else 0.0


def slot_wait(slots: Slots, held: int) -> float:
    """Seconds to tell a caller who wants a slot: 0 when there is one, infinite for never."""
    if held < slots.limit:
        return 0.0
    return slots.retry_after if slots.limit else math.inf


def refusal(bundle: Bundle, waits: list[float], standing: Standing) -> Refused:
    """A refusal by the limit with the longest of these waits, one for each of the bundle's."""
    wait = max(waits)
    limit = bundle.limits[waits.index(wait)]
    never = wait == math.inf
    return Refused(limit, 1.0 if never else wait, never, standing)
