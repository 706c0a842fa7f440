"""What one process knows of the limits it shares, and what it has leased of them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

SLICE_SHARE = 16
"""One process leases no more than this part of a rate in advance: others want some too."""

BUSY = 0.25
"""An account asked about again within so many seconds leases twice as much in advance; one that
is asked about later, half."""


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount that may be spent once. Amounts are whole numbers of any one unit."""

    key: str
    quota: int


class Overdrawn(NamedTuple):
    """Nothing is left of a budget; nothing has been charged."""

    spent: int
    held: int
    """By calls in progress, in all processes."""


class Account:
    """What all kinds have in common: how much to lease in advance, and when it was last used."""

    __slots__ = ("asked_at", "slack", "used_at")

    def __init__(self) -> None:
        self.slack = 0.0
        self.asked_at = float("-inf")
        self.used_at = float("-inf")

    def wanted(self, need: float, most: float, now: float) -> int:
        """Units to ask for beyond what is needed; grows while it is asked for often."""
        if now - self.asked_at < BUSY:
            self.slack = min(max(2.0 * self.slack, need), most)
        else:
            self.slack /= 2.0
        self.asked_at = now
        return int(self.slack)


class RateAccount(Account):
    """A rate. What is leased of it is charged in Redis; ``credit`` is what is left of that."""

    __slots__ = ("credit", "tat")

    def __init__(self) -> None:
        super().__init__()
        self.tat = 0.0
        """When all is earned back, by this process's clock, as Redis last said."""
        self.credit = 0
        """Units leased and not used; negative: consumed beyond that, and still to be told."""

    def used(self, now: float, unit: float) -> float:
        """Seconds of refill that are used up, our unused credit not counted."""
        if not self.credit or unit == math.inf:  # of a limit of 0 nothing is ever earned back
            return max(self.tat - now, 0.0)
        return max(self.tat - now - self.credit * unit, 0.0)


class SlotAccount(Account):
    """Slots. Those in ``held`` are taken by calls, those in ``leased`` may be."""

    __slots__ = ("held", "leased", "others")

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.leased = 0
        self.others = 0
        """Claimed by other processes, as Redis last said."""


class BudgetAccount(Account):
    """A budget. The sum of ``held`` and ``unshipped`` stays within ``granted``."""

    __slots__ = (
        "budget", "empty_until", "granted", "held", "known", "known_at", "others", "shipped",
        "shipped_at_ask", "spent", "told", "unshipped",
    )  # fmt: skip

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget
        self.held = 0
        """Set aside for calls in progress."""
        self.unshipped = 0
        """Spent by this process, and not in the books yet as far as it knows."""
        self.granted = 0
        self.shipped = self.shipped_at_ask = 0
        """In all, and when the ask under way was made: what was shipped since is granted by its
        answer still, and spent already."""
        self.known = 0
        """Spent, as the books had it when they were last looked at."""
        self.known_at = float("-inf")
        """When that was."""
        self.told = -1
        """What of that Redis was told last."""
        self.spent = 0
        """What the books had, as Redis last said: others may have looked later."""
        self.others = 0
        """Claimed by other processes, as Redis last said."""
        self.empty_until = float("-inf")
        """Until when it is known that nothing is left, without asking."""

    @property
    def claimed(self) -> int:
        """What no other process may have."""
        return self.held + self.unshipped
