"""Rate limits and concurrency limits, decided in memory.

A rate limit is the generic cell rate algorithm (GCRA) of ITU-T Recommendation I.371, annex A, in
the form that redis-cell made known: one number per key, the *theoretical arrival time* (TAT), the
moment at which everything consumed so far will have been earned back. It behaves as a token
bucket of ``limit`` units that refills evenly over ``period``, with no window edge at which twice
the limit slips through, and a key at rest needs no memory.

Nothing here knows what time it is: the caller passes ``now`` in seconds, best from
:func:`time.monotonic`. Nothing here awaits, so within one event loop each call is atomic.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOLERANCE = 1e-4
"""Share of one unit that rounding may give away; far above float error, far below a unit."""

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


class Ask(NamedTuple):
    """One limit that a call has to pass."""

    name: str
    """What the limit is called in headers and errors."""
    key: Hashable
    """Whose account it is. One key is one account: two limits of a token need two keys."""
    rule: Rate | Slots
    cost: int = 1
    """Units the call takes; for slots always 1."""


class State(NamedTuple):
    """How one limit stands, for ``RateLimit`` headers."""

    name: str
    limit: int
    remaining: int
    """Whole units left; 0 in debt."""
    reset: float
    """Seconds until all units are back if nothing more is taken; 0 for slots."""


class Allowed(NamedTuple):
    """The call may go on; every limit asked for has been charged."""

    states: tuple[State, ...]
    """After the charge, in the order asked."""


class Refused(NamedTuple):
    """The call may not go on; nothing has been charged."""

    name: str
    """The limit that says no; of several, the one that says it longest."""
    limit: int
    remaining: int
    retry_after: float
    """Seconds after which the same call would pass, as far as this limit knows; finite."""
    never: bool
    """True when the cost alone is over the limit, so that no waiting will help."""
    states: tuple[State, ...]
    """All limits asked for, uncharged, in the order asked."""


class Limiter:
    """The accounts of all keys. One float per key with a rate, one int per key with slots."""

    def __init__(self) -> None:
        self._tat: dict[Hashable, float] = {}
        self._held: dict[Hashable, int] = {}
        self._prune_at = _PRUNE_FROM

    def acquire(self, asks: Sequence[Ask], now: float) -> Allowed | Refused:
        """Charge all of these limits, or none of them.

        Keys must differ from one another. Raises ``ValueError`` for a negative cost.
        """
        tats, held = self._tat, self._held
        states: list[State] = []
        rates: list[tuple[Hashable, float]] = []
        slots: list[tuple[Hashable, int]] = []
        # All in one pass: this is on the path of every call. What is refused is worked out anew.
        for name, key, rule, cost in asks:
            limit = rule.limit
            if isinstance(rule, Slots):
                taken = held.get(key, 0) + 1
                if taken > limit:
                    return self._refused(asks, now)
                slots.append((key, taken))
                states.append(State(name, limit, limit - taken, 0.0))
                continue
            if not 0 <= cost <= limit or not limit:
                return self._refused(asks, now)
            period = rule.period
            tat = tats.get(key, now)
            tat = max(now, tat) + cost * period / limit
            used = tat - now  # seconds of refill
            if used - period > period / limit * _TOLERANCE:
                return self._refused(asks, now)
            if cost:
                rates.append((key, tat))
            left = math.floor((1 - used / period) * limit + _TOLERANCE)
            states.append(State(name, limit, max(0, left), used))
        held.update(slots)
        tats.update(rates)
        if len(tats) > self._prune_at:
            self.prune(now)
        return Allowed(tuple(states))

    def _refused(self, asks: Sequence[Ask], now: float) -> Refused:
        worst, wait = 0, 0.0
        for number, ask in enumerate(asks):
            need = self._wait(ask, now)
            if need > wait:
                worst, wait = number, need
        states = tuple([self.peek(ask, now) for ask in asks])
        name, limit, remaining, reset = states[worst]
        never = wait == math.inf
        return Refused(name, limit, remaining, max(reset, 1.0) if never else wait, never, states)

    def peek(self, ask: Ask, now: float) -> State:
        """How a limit stands; charges nothing, and its cost does not matter."""
        rule = ask.rule
        if isinstance(rule, Slots):
            free = rule.limit - self._held.get(ask.key, 0)
            return State(ask.name, rule.limit, max(free, 0), 0.0)
        used = max(self._tat.get(ask.key, now) - now, 0.0)  # seconds of refill
        left = math.floor((1 - used / rule.period) * rule.limit + _TOLERANCE)
        return State(ask.name, rule.limit, max(left, 0), used)

    def settle(self, key: Hashable, rate: Rate, difference: int, now: float) -> None:
        """Correct an estimate: charge ``difference`` more units, or give them back if negative.

        What was consumed is charged in full, even beyond the limit: the account is then in debt,
        and nothing is allowed until the debt is earned back. Giving back never makes more than a
        full account.
        """
        if difference and rate.limit:
            self._charge(key, rate, difference, now)

    def release(self, key: Hashable) -> bool:
        """Give one slot back. False when none was taken; the count never goes below zero."""
        held = self._held.get(key, 0)
        if held > 1:
            self._held[key] = held - 1
        elif held:
            del self._held[key]
        return held > 0

    def held(self, key: Hashable) -> int:
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

    def _wait(self, ask: Ask, now: float) -> float:
        """Seconds until this limit would allow the cost: 0 for now, infinite for never."""
        rule, cost = ask.rule, ask.cost
        if isinstance(rule, Slots):
            if self._held.get(ask.key, 0) < rule.limit:
                return 0.0
            return rule.retry_after if rule.limit else math.inf
        if cost < 0:
            raise ValueError("a cost must not be negative; use settle to give back")
        if cost > rule.limit or not rule.limit:
            return math.inf
        # The same arithmetic as in acquire, so that both round alike.
        used = max(self._tat.get(ask.key, now), now) + cost * rule.period / rule.limit - now
        over = used - rule.period
        return over if over > rule.period / rule.limit * _TOLERANCE else 0.0

    def _charge(self, key: Hashable, rate: Rate, units: int, now: float) -> None:
        tat = self._tat.get(key, now)
        if units > 0:
            tat = max(tat, now)
        tat += units * rate.period / rate.limit
        if tat > now:
            self._tat[key] = tat
            if len(self._tat) > self._prune_at:
                self.prune(now)
        else:
            self._tat.pop(key, None)
