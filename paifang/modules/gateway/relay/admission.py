"""Whether a call may begin: rates, calls in flight, and what is left of a quota.

All in memory and all or nothing. Model tokens are charged by an estimate of the prompt when the
call begins and corrected when it ends: a call that writes a lot puts its caller into debt, and
the next one waits until that is earned back.
"""

import math
import time
from typing import Any, Protocol

from paifang.core.limits import Bundle, Refused, Standing
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import NO_RETRY, RATE, Refusal, retry_after
from paifang.modules.gateway.relay.ledger import Ledger
from paifang.modules.gateway.relay.meter import estimate_cost
from paifang.modules.gateway.relay.plan import HeaderList, Plan, split_block
from paifang.modules.gateway.relay.snapshot import Price, Snapshot, Token
from paifang.modules.gateway.relay.usage import estimate_prompt

UNSTATED_OUTPUT = 4096
"""Model tokens for which a call holds a part of its quota when it does not say how many it may
write; for each of its answers."""

MAX_OUTPUT = 10_000_000
"""A call that says it may write more holds no more than that."""

_SEVERAL_ANSWERS = frozenset({"n", "best_of", "prompt"})
"""Without any of these a request asks for one answer."""

MAX_PLANS = 4096
"""Callers whose plans are kept: about 3 KB each."""

_UNITS = {"rpm": "requests per minute", "tpm": "model tokens per minute"}


class Limits(Protocol):
    """:class:`~paifang.core.limits.Limiter`, and what processes share in its place."""

    def acquire(self, bundle: Bundle, now: float, weight: int = 1) -> Standing | Refused | None:
        """As :meth:`Limiter.acquire`; None when this process can't say."""

    def finish(self, bundle: Bundle, difference: int, now: float) -> None:
        """As :meth:`Limiter.finish`."""


class Books(Protocol):
    """What tokens spend: :class:`Ledger`, and what processes share in its place."""

    def hold(self, token: Token, quota: int, nanos: int) -> bool:
        """As :meth:`Ledger.hold`; False when this process can't say."""

    def let_go(self, token_id: str, nanos: int) -> None:
        """As :meth:`Ledger.let_go`."""

    def spend(self, token_id: str, nanos: int) -> None:
        """As :meth:`Ledger.spend`."""


class Admitted:
    """A call that may go on. :meth:`release` must follow, once."""

    __slots__ = ("_estimate", "_held", "_ledger", "_limiter", "_plan", "header_block")

    def __init__(  # noqa: PLR0917 - by keyword it costs more, in each call
        self,
        limiter: Limits,
        ledger: Books,
        plan: Plan,
        estimate: int,
        held: int,
        header_block: bytes,
    ) -> None:
        self._limiter = limiter
        self._ledger = ledger
        self._plan = plan
        self._estimate = estimate
        self._held = held
        self.header_block = header_block
        """For the answer: how the limits stand, as lines ready to send, each with its end."""

    @property
    def headers(self) -> HeaderList:
        """The same as a list, made anew each time."""
        return split_block(self.header_block)

    def release(self, tokens: int) -> None:
        """The call is over and has used so many model tokens."""
        plan = self._plan
        self._limiter.finish(plan.bundle, tokens - self._estimate, time.monotonic())
        if self._held:
            self._ledger.let_go(plan.owner, self._held)


class Plans:
    """What the limits of each caller come to, as long as a snapshot lasts."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}

    def clear(self) -> None:
        """Forget them."""
        self._plans.clear()

    def of(self, caller: Caller) -> Plan:
        """The plan of a caller."""
        token, group = caller.token, caller.group
        plan = self._plans.get(group.id if token is None else token.id)
        # A call may still be decided by the snapshot before this one.
        if plan is None or plan.token is not token or plan.group is not group:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = Plan(token, group)
            self._plans[plan.owner] = plan
        return plan


class Undecided(Exception):
    """This process can't say whether a call may begin; raised in relay/shared.py alone."""


class Gate:
    """Decides on every call, by limits and books of one process or of several."""

    def __init__(self, limiter: Limits, ledger: Books) -> None:
        self.limiter = limiter
        self.ledger = ledger
        self._plans = Plans()

    def use(self, snapshot: Snapshot) -> None:
        """Decide by a new snapshot."""
        del snapshot  # each call brings its token
        self._plans.clear()

    def admit(self, caller: Caller, request: Request, price: Price | None) -> Admitted | None:
        """Charge the call's limits; None when it has none, so that there is nothing to undo.

        Raises:
            Refusal: 429, naming the limit, its value and when it frees up.
            Undecided: this process can't say.
        """
        plan = self._plans.of(caller)
        if not plan.limited:
            return None
        token = caller.token
        estimate = estimate_prompt(request.data) if plan.estimates else 0
        held = 0
        if token is not None and token.quota is not None:
            if price is not None:
                held = estimate_cost(estimate, most_output(request), price)
            if not self.ledger.hold(token, token.quota, held):
                raise self.undecided(caller, plan, estimate, held)
        standing = self.limiter.acquire(plan.bundle, time.monotonic(), estimate)
        if not isinstance(standing, list):
            if held:
                self.ledger.let_go(plan.owner, held)
            if standing is None:
                raise self.undecided(caller, plan, estimate, held)
            raise limit_reached(caller, standing, estimate, plan)
        block = plan.header_block(standing)
        return Admitted(self.limiter, self.ledger, plan, estimate, held, block)

    def undecided(self, caller: Caller, plan: Plan, estimate: int, held: int) -> Exception:
        """What to raise for a call on which this process can't decide.

        Args:
            caller: Whose it is.
            plan: Of the caller.
            estimate: Model tokens of its prompt.
            held: Nanos it would set aside.
        """
        del caller, plan, estimate, held
        return Undecided()


class Admission(Gate):
    """Decides on every call of a process that serves the gateway alone."""

    def __init__(self, limiter: Limits) -> None:
        self._spent = Ledger()
        super().__init__(limiter, self._spent)

    def use(self, snapshot: Snapshot) -> None:
        """Take over a new snapshot's tokens."""
        self._spent.use(snapshot.tokens.values())
        super().use(snapshot)


def most_output(request: Request) -> int:
    """The most a call may write, as far as it says so itself, else :data:`UNSTATED_OUTPUT`.

    Of two limits the higher one: some upstreams know only one of the names.
    """
    data = request.data
    stated = max(_positive(data, "max_completion_tokens"), _positive(data, "max_tokens"))
    most = stated or UNSTATED_OUTPUT
    if not _SEVERAL_ANSWERS.isdisjoint(data):
        most *= max(1, _positive(data, "n"), _positive(data, "best_of"))
        prompts = data.get("prompt")
        if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int):
            most *= len(prompts)
    return min(most, MAX_OUTPUT)


def _positive(data: dict[str, Any], name: str) -> int:
    """A field that is a positive integer; 0 for anything else."""
    value = data.get(name)
    return value if type(value) is int and value > 0 else 0


def limit_reached(caller: Caller, refused: Refused, estimate: int, plan: Plan) -> Refusal:
    """The answer to a call that a limit refuses: which one, its value, and when it frees up."""
    scope, _, kind = refused.limit.name.partition("-")
    ceiling = refused.limit.rule.limit
    owner = "This API key" if scope == "key" else f"The group {caller.group.id!r}"
    headers = split_block(plan.header_block(refused.standing))
    if refused.never and kind == "tpm" and ceiling:
        ending = f"This request alone needs about {estimate}; send less at once."
        headers.append(NO_RETRY)
    elif refused.never:
        ending = "Ask for a higher limit."
        headers.append(NO_RETRY)
    else:
        seconds = max(1, math.ceil(refused.retry_after))
        ending = f"Try again in {seconds} s."
        headers.append(retry_after(seconds))
    if kind == "concurrency":
        message = f"{owner} may have {ceiling} calls in progress, and has. {ending}"
    else:
        message = f"{owner} has reached its limit of {ceiling} {_UNITS[kind]}. {ending}"
    return Refusal(429, "rate_limit_exceeded", message, kind=RATE, headers=headers)
