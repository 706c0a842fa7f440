"""Decisions on shared limits, in memory, as far as this process's leases go."""

import asyncio
from collections.abc import Callable, Mapping

from paifang.core.leases.accounts import Budget, BudgetAccount, Overdrawn
from paifang.core.leases.asks import DEADLINE, Accounts, Wish
from paifang.core.limits import (
    ROUND_UP,
    TOLERANCE,
    Bundle,
    Refused,
    Slots,
    Standing,
    rate_wait,
    refusal,
    slot_wait,
)


class Away:
    """Redis is away, and what is asked for can't be decided without it."""


Decision = Standing | Refused | Overdrawn | Away


class Leased:
    """What a process may decide without asking anybody.

    While Redis is away rates and slots are decided by this process alone, as if it were the only
    one; budgets go on until what was granted is used up, at most for :data:`~.asks.DEADLINE`
    seconds: then it may have been granted to others.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts = Accounts()
        self._refusals: dict[Bundle, tuple[float, int, Refused]] = {}
        self._seen = float("-inf")
        self._away = True
        self._settled = float("-inf")
        """When it was last looked at what can be given back."""
        self._wake = asyncio.Event()

    @property
    def away(self) -> bool:
        """Redis did not answer the last time it was asked."""
        return self._away

    def acquire(self, bundle: Bundle, now: float, weight: int = 1) -> Standing | Refused | None:
        """Charge all limits of a bundle, or none of them; None when that takes a new lease.

        Raises ``ValueError`` for a negative weight.
        """
        if weight < 0:
            raise ValueError("a weight must not be negative; finish gives back")
        if _never(bundle, weight):
            return self._refused(bundle, now, weight)
        if self._away:
            return self._alone(bundle, now, weight)
        accounts = self._accounts
        for key, weighed, *_ in bundle.rates:
            rate = accounts.rates.get(key)
            if rate is None or rate.credit < (weight if weighed else 1):
                return self._known_refusal(bundle, now, weight)
        for key, limit in bundle.slots:
            slot = accounts.slots.get(key)
            if slot is None or slot.held >= min(slot.leased, limit):
                return self._known_refusal(bundle, now, weight)
        for key, weighed, *_ in bundle.rates:
            rate = accounts.rates[key]
            rate.credit -= weight if weighed else 1
            rate.used_at = now
        self._hold_slots(bundle, now)
        return self.standing(bundle, now)

    def finish(self, bundle: Bundle, difference: int, now: float) -> None:
        """As :meth:`paifang.core.limits.Limiter.finish`."""
        accounts = self._accounts
        for key in bundle.slot_keys:
            slot = accounts.slot(key)
            slot.held = max(slot.held - 1, 0)
            self._touch(key, now)
        if difference:
            for terms in bundle.rates:
                if terms[1] and terms[5]:
                    rate = accounts.rate(terms)
                    rate.credit -= difference
                    rate.used_at = now
                    self._touch(terms[0], now)

    def hold(self, key: str, quota: int, amount: int, now: float) -> bool:
        """Set an amount of a budget aside until :meth:`let_go`, if what was granted reaches.

        Args:
            key: Of the budget.
            quota: As it is now.
            amount: To set aside.
            now: As for :meth:`acquire`.
        """
        account = self._accounts.budgets.get(key)
        if account is None or not account.granted or now - self._seen > DEADLINE:
            return False
        if account.budget.quota != quota:
            account.budget = Budget(key, quota)
        claimed = account.claimed
        if claimed + amount > account.granted:
            return False
        if account.spent + account.others + claimed >= quota:  # it was lowered
            return False
        account.held += amount
        account.used_at = now
        return True

    def let_go(self, key: str, amount: int) -> None:
        """Undo :meth:`hold`."""
        account = self._accounts.budgets.get(key)
        if account is not None:
            account.held = max(account.held - amount, 0)
            self._touch(key, self._clock())

    def spend(self, key: str, amount: int) -> None:
        """A call has cost so much, and the books will have it once it is shipped.

        A budget that nobody asked about is not counted.
        """
        account = self._accounts.budgets.get(key)
        if account is not None:
            account.unshipped += amount
            self._touch(key, self._clock())

    def unshipped(self) -> dict[str, int]:
        """What this process has spent and not shipped, by budget; all that are in use."""
        since = self._clock() - DEADLINE
        return {
            key: account.unshipped
            for key, account in self._accounts.budgets.items()
            if account.granted or account.claimed or account.used_at > since
        }

    def shipped(self, amounts: Mapping[str, int], books: Mapping[str, int]) -> None:
        """The books have it now.

        Args:
            amounts: What :meth:`unshipped` said before the shipping began.
            books: What they have by now, by budget; of those that are missing nothing is known.
        """
        for key, known in books.items():
            account = self._accounts.budgets.get(key)
            if account is not None:
                amount = min(amounts.get(key, 0), account.unshipped)
                account.unshipped -= amount
                # It was granted and is spent: the same room must not be used again.
                account.granted -= amount
                account.shipped += amount
                self._has_read(account, known)

    def decide(self, wish: Wish, now: float) -> Decision | None:
        """Everything a call needs, without asking; None when that takes a new lease.

        When it is granted, :meth:`finish` and :meth:`let_go` must follow.
        """
        budget = wish.budget
        if budget is not None and not self.hold(budget.key, budget.quota, wish.amount, now):
            return Away() if self._away else self._known_overdrawn(budget, now)
        decision = self.acquire(wish.bundle, now, wish.weight)
        if not isinstance(decision, list) and budget is not None:
            self.let_go(budget.key, wish.amount)
        return decision

    def standing(self, bundle: Bundle, now: float) -> Standing:
        """How the limits stand, as far as this process knows; charges nothing."""
        accounts = self._accounts
        standing: Standing = []
        for key, _, unit, _, period, per_second in bundle.rates:
            rate = accounts.rates.get(key)
            used = 0.0 if rate is None else rate.used(now, unit)
            left = max((period - used) * per_second + TOLERANCE, 0.0)
            standing += (left, used, used + ROUND_UP)
        for key, limit in bundle.slots:
            slot = accounts.slots.get(key)
            standing.append(limit if slot is None else max(limit - slot.held - slot.others, 0))
        return standing

    # Inside.

    def _has_read(self, account: BudgetAccount, known: int) -> None:
        """The books have been looked into."""
        account.known_at = now = self._clock()
        account.known = max(account.known, known)
        if account.known != account.told:
            self._touch(account.budget.key, now)

    def _touch(self, key: str, now: float) -> None:
        """There may be something to give back, in a while."""
        touched = self._accounts.touched
        if not touched:
            self._settled = now
            self._wake.set()
        touched.add(key)

    def _known_overdrawn(self, budget: Budget, now: float) -> Overdrawn | None:
        account = self._accounts.budgets.get(budget.key)
        if account is None or now >= account.empty_until or account.budget != budget:
            return None
        return Overdrawn(account.spent, account.claimed + account.others)

    def _hold_slots(self, bundle: Bundle, now: float) -> None:
        for key in bundle.slot_keys:
            slot = self._accounts.slot(key)
            slot.held += 1
            slot.used_at = now

    def _alone(self, bundle: Bundle, now: float, weight: int) -> Standing | Refused:
        """Decide as if there were nobody else."""
        accounts = self._accounts
        moved: list[float] = []
        for terms in bundle.rates:
            _, weighed, unit, most, *_ = terms
            used = accounts.rate(terms).used(now, unit) + (weight * unit if weighed else unit)
            if used > most:
                return self._refused(bundle, now, weight)
            moved.append(now + used)
        for key, limit in bundle.slots:
            if accounts.slot(key).held >= limit:
                return self._refused(bundle, now, weight)
        for terms, tat in zip(bundle.rates, moved, strict=True):
            rate = accounts.rate(terms)
            rate.tat, rate.credit = tat, 0
        self._hold_slots(bundle, now)
        return self.standing(bundle, now)

    def _known_refusal(self, bundle: Bundle, now: float, weight: int) -> Refused | None:
        known = self._refusals.get(bundle)
        if known is None:
            return None
        until, weighed, refused = known
        if now >= until:
            del self._refusals[bundle]
            return None
        return refused if weight >= weighed else None

    def _refused(self, bundle: Bundle, now: float, weight: int) -> Refused:
        accounts = self._accounts
        waits = []
        for terms in bundle.rates:
            rate = accounts.rates.get(terms[0])
            used = 0.0 if rate is None else rate.used(now, terms[2])
            waits.append(rate_wait(terms, used, weight))
        for limit in bundle.limits[len(waits) :]:
            assert isinstance(limit.rule, Slots)  # noqa: S101  # Bundle puts them last
            slot = accounts.slots.get(limit.key)
            waits.append(slot_wait(limit.rule, 0 if slot is None else slot.held + slot.others))
        return refusal(bundle, waits, self.standing(bundle, now))

    def forget_refusals(self, now: float) -> None:
        """Forget those that no longer stand."""
        for bundle in [b for b, (until, *_) in self._refusals.items() if now >= until]:
            del self._refusals[bundle]


def _never(bundle: Bundle, weight: int) -> bool:
    """Whether a call takes more than a limit ever has."""
    for _, weighed, unit, most, *_ in bundle.rates:
        # So, because a weight of 0 of a limit of 0 is not a number.
        if not (weight * unit if weighed else unit) <= most:
            return True
    return not all(limit for _, limit in bundle.slots)
