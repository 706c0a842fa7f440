"""What is asked of Redis about each account, and what its answers do to them."""

from dataclasses import dataclass
from typing import NamedTuple

from paifang.core.leases.accounts import (
    SLICE_SHARE,
    Account,
    Budget,
    BudgetAccount,
    RateAccount,
    SlotAccount,
)
from paifang.core.limits import Bundle, RateTerms

DEADLINE = 5.0
"""Seconds without a sign of life after which a process counts as dead."""

IDLE = 0.5
"""Seconds after which what an account has leased in advance and not used is given back: slots and
budgets so long after their last use, rates so long after the lease. What is leased of a rate is
earned back for everybody meanwhile, so kept for long it would come on top of the limit."""


class Debt(NamedTuple):
    """Units of a rate that were consumed beyond the lease."""

    terms: RateTerms
    units: int


class Ask(NamedTuple):
    """What is asked about one account."""

    key: str
    fields: list[str | int | float]
    """The arguments of :data:`~paifang.core.leases.script.SCRIPT` for it."""
    debt: Debt | None = None
    """What is told with this."""


Answer = tuple[int, int, int]
"""Units leased (of a rate) or claimed in all; microseconds used up, or what others claim; spent,
as the books had it."""

PRUNE_FROM = 1024
"""Rates and budgets kept before the first sweep for those at rest."""

KNOWN_FOR = 60.0
"""Seconds for which it is believed what the books had, of a budget that is not in use here."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one call wants of all its limits."""

    bundle: Bundle
    weight: int
    budget: Budget | None = None
    amount: int = 0
    """Of the budget."""


class _Told(NamedTuple):
    """A debt whose ask was not answered."""

    turn: int
    debt: Debt
    at: float


class Accounts:
    """All accounts of a process, and those that have something to tell."""

    def __init__(self) -> None:
        self._unanswered: list[_Told] = []
        self.rates: dict[str, RateAccount] = {}
        self.slots: dict[str, SlotAccount] = {}
        self.budgets: dict[str, BudgetAccount] = {}
        self.units: dict[str, RateTerms] = {}
        """Terms of the rates that were last seen."""
        self.touched: set[str] = set()
        """Keys that may have something to give back or to tell."""
        self._prune_at = PRUNE_FROM

    def keys(self, wish: Wish) -> set[str]:
        """Of all accounts a call needs."""
        keys = {*wish.bundle.rate_keys, *wish.bundle.slot_keys}
        if wish.budget is not None:
            keys.add(wish.budget.key)
        return keys

    def ask(self, wish: Wish, waiting: int, now: float) -> list[Ask]:
        """Ask for what a call needs. What was leased in advance before goes back with it, so that
        nobody uses it meanwhile.

        Args:
            wish: Of the call.
            waiting: Calls alike that wait as well.
            now: Seconds of the monotonic clock.
        """
        asks: list[Ask] = []
        for terms in wish.bundle.rates:
            rate = self.rate(terms)
            need = wish.weight if terms[1] else 1
            slack = rate.wanted(need, terms[4] / terms[2] / SLICE_SHARE, now)
            asks.append(_rate(terms, rate, need, waiting * need, slack))
        for key, limit in wish.bundle.slots:
            slot = self.slot(key)
            slack = slot.wanted(1, limit / SLICE_SHARE, now)
            slot.leased = slot.held
            asks.append(Ask(key, ["slots", limit, 0, 0, 0, slot.held, 1, waiting, slack]))
        if wish.budget is not None:
            account = self.budget(wish.budget)
            slack = account.wanted(wish.amount, wish.budget.quota / SLICE_SHARE, now)
            more = waiting * wish.amount
            account.granted = account.claimed
            asks.append(_budget(account, account.claimed, wish.amount, more, slack))
        return asks

    def heard(self, key: str, answer: Answer, now: float) -> None:
        """What Redis answered about one account."""
        got, told, spent = answer
        if (rate := self.rates.get(key)) is not None:
            rate.credit += got
            rate.tat = now + told / 1e6
        elif (slot := self.slots.get(key)) is not None:
            slot.leased, slot.others = got, told
        elif (budget := self.budgets.get(key)) is not None:
            budget.granted = got - (budget.shipped - budget.shipped_at_ask)
            budget.spent, budget.others = spent, told
        self.touched.add(key)

    def unheard(self, turn: int, asks: list[Ask], now: float) -> None:
        """A run was not answered. It may have happened, and it may happen still.

        Args:
            turn: The number of the run.
            asks: What it asked.
            now: Seconds of the monotonic clock.
        """
        for ask in asks:
            if ask.debt is not None:
                self._unanswered.append(_Told(turn, ask.debt, now))
                rate = self.rate(ask.debt.terms)
                rate.tat = max(rate.tat, now) + ask.debt.units * ask.debt.terms[2]

    def tell_again(self, last: int, now: float) -> None:
        """Owe again what was told in runs that never happened, less what is earned back since.

        Args:
            last: The number of the last run that did; those before it can't happen any more.
            now: Seconds of the monotonic clock.
        """
        for turn, (terms, units), at in self._unanswered:
            key, _, unit, *_ = terms
            left = int(units - (now - at) / unit)
            if turn > last and left > 0:
                rate = self.rate(self.units.get(key, terms))
                rate.tat -= left * unit  # counted by the credit again
                rate.credit -= left
                self.touched.add(key)
        self._unanswered.clear()

    def give_back(self, now: float, idle: float = IDLE) -> list[Ask]:
        """Return what is not used, and tell what was used beyond; accounts at rest are forgotten.

        Args:
            now: Seconds of the monotonic clock.
            idle: Seconds without use after which nothing is kept in advance.
        """
        asks: list[Ask] = []
        for key in list(self.touched):
            ask = self._give_back(key, now, idle)
            if ask is not None:
                asks.append(ask)
            elif self._at_rest(key, now, idle):
                self.touched.discard(key)
        return asks

    def lose(self) -> None:
        """Redis no longer knows us: what we leased is void, what our calls hold is claimed anew."""
        for rate in self.rates.values():
            rate.credit = min(rate.credit, 0)
        for slot in self.slots.values():
            slot.leased = -1  # whatever Redis has, it is told anew
        for budget in self.budgets.values():
            budget.granted, budget.told = 0, -1
        self.touched.update(self.slots, self.budgets)

    def rate(self, terms: RateTerms) -> RateAccount:
        """The account of a rate."""
        key = terms[0]
        account = self.rates.get(key)
        if account is None:
            account = self.rates[key] = RateAccount()
        elif self.units[key][2] != terms[2]:
            account.credit = min(account.credit, 0)  # leased at another price: let it go
        self.units[key] = terms
        return account

    def slot(self, key: str) -> SlotAccount:
        """The account of slots."""
        account = self.slots.get(key)
        if account is None:
            account = self.slots[key] = SlotAccount()
        return account

    def budget(self, budget: Budget) -> BudgetAccount:
        """The account of a budget, which may have changed."""
        account = self.budgets.get(budget.key)
        if account is None:
            account = self.budgets[budget.key] = BudgetAccount(budget)
        account.budget = budget
        return account

    def prune(self, now: float) -> None:
        """Forget rates that nothing is left to know of, and budgets that nobody has used for long,
        when their number has doubled. Not while an ask is under way: its answer is for them.

        Args:
            now: Seconds of the monotonic clock.
        """
        if len(self.rates) + len(self.budgets) < self._prune_at:
            return
        for key in [k for k, rate in self.rates.items() if not rate.credit and rate.tat <= now]:
            del self.rates[key]
            del self.units[key]
        old = now - KNOWN_FOR
        for key, budget in list(self.budgets.items()):
            in_use = budget.granted or budget.claimed
            if not in_use and max(budget.used_at, budget.known_at) < old:
                del self.budgets[key]
        self._prune_at = max(PRUNE_FROM, 2 * (len(self.rates) + len(self.budgets)))

    def _give_back(self, key: str, now: float, idle: float) -> Ask | None:
        if (rate := self.rates.get(key)) is not None:
            spare = rate.credit < 0 or (rate.credit > 0 and now - rate.asked_at >= idle)
            return _rate(self.units[key], rate, 0, 0, 0) if spare else None
        if (slot := self.slots.get(key)) is not None:
            target = _target(slot, slot.held, slot.leased, now, idle)
            if target == slot.leased:
                return None
            slot.leased = target
            return Ask(key, ["slots", 0, 0, 0, 0, target, 0, 0, 0])
        if (budget := self.budgets.get(key)) is not None:
            target = _target(budget, budget.claimed, budget.granted, now, idle)
            if target == budget.granted and budget.told == budget.known:
                return None
            ask = _budget(budget, target, 0, 0, 0)
            budget.granted = target
            return ask
        return None

    def _at_rest(self, key: str, now: float, idle: float) -> bool:
        """Whether nothing is left to tell; an account that says nothing any more is dropped."""
        if (rate := self.rates.get(key)) is not None:
            return not rate.credit  # what is earned back in time is forgotten by the sweep
        if (slot := self.slots.get(key)) is not None:
            if slot.leased > slot.held and now - slot.used_at < idle:
                return False
            if not slot.leased and not slot.held:
                del self.slots[key]
            return True
        if (budget := self.budgets.get(key)) is not None:
            # Kept, so that the books need not be looked into at each call.
            return budget.granted <= budget.claimed or now - budget.used_at >= idle
        return True


def _target(account: Account, held: int, leased: int, now: float, idle: float) -> int:
    """What to keep: what calls hold, and in advance what was asked for, while it is in use."""
    spare = int(account.slack) if now - account.used_at < idle else 0
    return max(held, min(leased, held + spare))


def _rate(terms: RateTerms, rate: RateAccount, need: int, more: int, slack: int) -> Ask:
    key, _, unit, most, period, _ = terms
    charge = -rate.credit
    rate.credit = 0
    fields: list[str | int | float] = ["rate", unit * 1e6, period * 1e6, most * 1e6, charge, 0]
    debt = Debt(terms, charge) if charge > 0 else None
    return Ask(key, [*fields, need, more, slack], debt)


def _budget(account: BudgetAccount, claimed: int, need: int, more: int, slack: int) -> Ask:
    budget = account.budget
    account.told, account.shipped_at_ask = account.known, account.shipped
    fields: list[str | int | float] = ["budget", budget.quota, account.told, 0, 0]
    return Ask(budget.key, [*fields, claimed, need, more, slack])
