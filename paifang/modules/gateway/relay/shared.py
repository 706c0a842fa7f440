"""Admission where several processes serve the gateway: limits and quotas are leased from Redis."""

import time

from paifang.core.leases import Away, Budget, Overdrawn, SharedLimits, Wish
from paifang.core.limits import Refused
from paifang.modules.gateway.relay.admission import Admitted, Gate, Undecided, limit_reached
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.errors import SERVER, Refusal, retry_after
from paifang.modules.gateway.relay.ledger import used_up
from paifang.modules.gateway.relay.plan import Plan
from paifang.modules.gateway.relay.snapshot import Token

PREFIX = "quota:"
"""Put before a token's id: the key of its budget."""


class LeaseNeeded(Undecided):
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
        """As :meth:`Gate.admit`, after asking where that may help.

        Raises :class:`Refusal`; with 503 when nobody answers, and a quota can't be decided.
        """
        admission, plan, wish = self._admission, self._plan, self._wish
        decision = await admission.limits.take(wish)
        if isinstance(decision, list):
            held = wish.amount if wish.budget is not None else 0
            block = plan.header_block(decision)
            return Admitted(admission.limits, admission.ledger, plan, wish.weight, held, block)
        raise refusal(self._caller, plan, wish, decision)


class SharedLedger:
    """As :class:`~paifang.modules.gateway.relay.ledger.Ledger`, for budgets that are shared."""

    def __init__(self, limits: SharedLimits) -> None:
        self._limits = limits

    def hold(self, token: Token, quota: int, nanos: int) -> bool:
        """Set an estimate aside, if what was granted reaches."""
        return self._limits.hold(PREFIX + token.id, quota, nanos, time.monotonic())

    def let_go(self, token_id: str, nanos: int) -> None:
        """A call that had set so much aside is over."""
        self._limits.let_go(PREFIX + token_id, nanos)

    def spend(self, token_id: str, nanos: int) -> None:
        """A call is finished."""
        self._limits.spend(PREFIX + token_id, nanos)


class SharedAdmission(Gate):
    """Decides on calls as :class:`~paifang.modules.gateway.relay.admission.Admission` does."""

    def __init__(self, limits: SharedLimits) -> None:
        super().__init__(limits, SharedLedger(limits))
        self.limits = limits

    def undecided(self, caller: Caller, plan: Plan, estimate: int, held: int) -> LeaseNeeded:
        """See :meth:`Gate.undecided`."""
        token, budget, amount = caller.token, None, 0
        if token is not None and token.quota is not None:
            # A call that costs nothing has to find something left, too.
            budget, amount = Budget(PREFIX + token.id, token.quota), max(1, held)
        return LeaseNeeded(self, caller, plan, Wish(plan.bundle, estimate, budget, amount))


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
