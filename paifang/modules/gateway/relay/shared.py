"""Admission where several processes serve the gateway: limits and quotas are leased from Redis."""

import time

from paifang.core.leases import Away, Budget, Overdrawn, SharedLimits, Wish
from paifang.core.limits import Refused
from paifang.modules.gateway.relay.admission import Admitted, Plans, limit_reached, most_output
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import SERVER, Refusal, retry_after
from paifang.modules.gateway.relay.ledger import used_up
from paifang.modules.gateway.relay.meter import estimate_cost
from paifang.modules.gateway.relay.plan import Plan
from paifang.modules.gateway.relay.snapshot import Price, Snapshot, Token
from paifang.modules.gateway.relay.usage import estimate_prompt

PREFIX = "quota:"
"""Put before a token's id: the key of its budget."""


class LeaseNeeded(Exception):
    """What this process has leased does not reach: :meth:`take` asks for more."""

    def __init__(
        self, admission: "SharedAdmission", caller: Caller, plan: Plan, wish: Wish
    ) -> None:
        super().__init__("a lease is needed")
        self._admission = admission
        self._caller = caller
        self._plan = plan
        self._wish = wish

    async def take(self) -> Admitted:
        """As :meth:`SharedAdmission.admit`, after asking.

        Raises :class:`Refusal`; with 503 when nobody answers, and a quota can't be decided.
        """
        admission, plan, wish = self._admission, self._plan, self._wish
        decision = await admission.limits.take(wish)
        if isinstance(decision, list):
            return admission.admitted(plan, wish, plan.header_block(decision))
        raise refusal(self._caller, plan, wish, decision)


class SharedLedger:
    """As :class:`~paifang.modules.gateway.relay.ledger.Ledger`, for budgets that are shared."""

    def __init__(self, limits: SharedLimits) -> None:
        self._limits = limits

    def let_go(self, token_id: str, nanos: int) -> None:
        """A call that had set so much aside is over."""
        self._limits.let_go(PREFIX + token_id, nanos)

    def spend(self, token_id: str, nanos: int) -> None:
        """A call is finished."""
        self._limits.spend(PREFIX + token_id, nanos)


class SharedAdmission:
    """Decides on calls as :class:`~paifang.modules.gateway.relay.admission.Admission` does."""

    def __init__(self, limits: SharedLimits) -> None:
        self.limits = limits
        self.ledger = SharedLedger(limits)
        self._plans = Plans()

    def use(self, snapshot: Snapshot) -> None:
        """Decide by a new snapshot."""
        del snapshot  # each call brings its token
        self._plans.clear()

    def admit(self, caller: Caller, request: Request, price: Price | None) -> Admitted | None:
        """Charge the call's limits; None when it has none, so that there is nothing to undo.

        Raises:
            Refusal: 429, naming the limit, its value and when it frees up.
            LeaseNeeded: this process can't say; it has to ask.
        """
        plan = self._plans.of(caller)
        if not plan.limited:
            return None
        estimate = estimate_prompt(request.data) if plan.estimates else 0
        wish = Wish(plan.bundle, estimate)
        token = caller.token
        if token is not None and token.quota is not None:
            cost = 0 if price is None else estimate_cost(estimate, most_output(request), price)
            budget = Budget(PREFIX + token.id, token.quota)
            wish = Wish(plan.bundle, estimate, budget, max(1, cost))
        decision = self.limits.decide(wish, time.monotonic())
        if isinstance(decision, list):
            return self.admitted(plan, wish, plan.header_block(decision))
        if decision is None:
            raise LeaseNeeded(self, caller, plan, wish)
        raise refusal(caller, plan, wish, decision)

    def admitted(self, plan: Plan, wish: Wish, header_block: bytes) -> Admitted:
        """A call whose limits are charged."""
        held = wish.amount if wish.budget is not None else 0
        return Admitted(self.limits, self.ledger, plan, wish.weight, held, header_block)


def refusal(
    caller: Caller, plan: Plan, wish: Wish, decision: Refused | Overdrawn | Away
) -> Refusal:
    """The answer to a call that may not begin."""
    if isinstance(decision, Refused):
        return limit_reached(caller, decision, wish.weight, plan)
    token = caller.token
    if isinstance(decision, Overdrawn) and token is not None and token.quota is not None:
        return used_up(token, token.quota, decision.spent, decision.held)
    return _undecided(token)


def _undecided(token: Token | None) -> Refusal:
    name = "" if token is None else f" {token.name!r}"
    return Refusal(
        503,
        "quota_unavailable",
        f"The API key{name} has a quota, and what is left of it can't be looked up at the moment. "
        "Nothing was charged; try again in a few seconds.",
        kind=SERVER,
        headers=(retry_after(2),),
        blame="relay",
    )
