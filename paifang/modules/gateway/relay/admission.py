"""Whether a call may begin: rates, calls in flight, and what is left of a quota.

All in memory and all or nothing. Model tokens are charged by an estimate of the prompt when the
call begins and corrected when it ends: a call that writes a lot puts its caller into debt, and
the next one waits until that is earned back.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

from paifang.core.limits import Ask, Limiter, Rate, Refused, Slots, State
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import NO_RETRY, RATE, Refusal, retry_after
from paifang.modules.gateway.relay.ledger import Ledger
from paifang.modules.gateway.relay.meter import cost_of
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.snapshot import Group, Limits, Price, Snapshot, Token
from paifang.modules.gateway.relay.usage import estimate_prompt

HeaderList = list[tuple[bytes, bytes]]

PERIOD = 60
"""Seconds of a rate's window."""

UNSTATED_OUTPUT = 4096
"""Model tokens for which a call holds a part of its quota when it does not say how many it may
write; for each of its answers."""

MAX_PLANS = 4096
"""Callers whose plans are kept: about 3 KB each."""

_UNITS = {"rpm": "requests per minute", "tpm": "model tokens per minute"}


class _Plan:
    """What the limits of one caller come to, worked out once instead of at each call."""

    __slots__ = (
        "_fixed", "_format", "_shown", "asks", "group", "limited", "slots", "token", "weighed",
    )  # fmt: skip

    def __init__(self, token: Token | None, group: Group) -> None:
        self.token = token
        self.group = group
        asks = [] if token is None else _asks("key", token.id, token.limits)
        asks += _asks("group", group.id, group.limits)
        self.asks = tuple(asks)
        """With a cost of 1; those in model tokens get theirs at each call."""
        self.limited = bool(asks) or (token is not None and token.quota is not None)
        """There is anything to decide."""
        self.weighed = [
            (at, ask, ask.rule)
            for at, ask in enumerate(asks)
            if isinstance(ask.rule, Rate) and ask.name.endswith("tpm")
        ]
        """Those in model tokens, with their positions."""
        self.slots = [ask.key for ask in asks if isinstance(ask.rule, Slots)]
        """Whose slots the end of a call gives back."""
        self._format = ", ".join(map(_format, asks)).encode("ascii")
        self._shown = _shown(asks)
        self._fixed = (b"ratelimit-policy", ", ".join(map(_policy, asks)).encode("ascii"))

    def charge(self, prompt: int) -> Sequence[Ask]:
        """What a call with a prompt of so many model tokens asks for."""
        if not self.weighed:
            return self.asks
        asks = list(self.asks)
        for at, ask, rule in self.weighed:
            asks[at] = Ask(ask.name, ask.key, rule, prompt)
        return asks

    def headers(self, states: Sequence[State]) -> HeaderList:
        """The limits in OpenAI's headers, and in the IETF's
        (draft-ietf-httpapi-ratelimit-headers).

        OpenAI's name one limit for requests and one for tokens: of a key's and its group's, the
        one with less left.
        """
        numbers: list[int] = []
        for ask, state in zip(self.asks, states, strict=True):
            numbers.append(state.remaining)
            if isinstance(ask.rule, Rate):
                numbers.append(math.ceil(state.reset))
        headers = [self._fixed, (b"ratelimit", self._format % tuple(numbers))]
        for limit, remaining, reset, positions in self._shown:
            state = states[positions[0]]
            for position in positions[1:]:
                if states[position].remaining < state.remaining:
                    state = states[position]
            headers += (
                (limit, b"%d" % state.limit),
                (remaining, b"%d" % state.remaining),
                (reset, b"%.3fs" % state.reset),
            )
        return headers


class Admitted:
    """A call that may go on. :meth:`release` must follow, once."""

    __slots__ = ("_admission", "_estimate", "_hold", "_plan", "headers")

    def __init__(
        self,
        admission: "Admission",
        plan: _Plan,
        estimate: int,
        hold: tuple[str, int] | None,
        headers: HeaderList,
    ) -> None:
        self._admission = admission
        self._plan = plan
        self._estimate = estimate
        self._hold = hold
        self.headers = headers
        """For the answer: how the limits stand."""

    def release(self, tokens: int) -> None:
        """The call is over and has used so many model tokens."""
        limiter = self._admission.limiter
        for key in self._plan.slots:
            limiter.release(key)
        for _, ask, rule in self._plan.weighed:
            limiter.settle(ask.key, rule, tokens - self._estimate, time.monotonic())
        if self._hold is not None:
            self._admission.ledger.let_go(*self._hold)


class Admission:
    """Decides on every call of this process."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.ledger = Ledger()
        self._plans: dict[str, _Plan] = {}

    def use(self, snapshot: Snapshot) -> None:
        """Take over a new snapshot's tokens."""
        self.ledger.use(snapshot.tokens.values())
        self._plans.clear()

    def admit(self, caller: Caller, request: Request, price: Price | None) -> Admitted | None:
        """Charge the call's limits; None when it has none, so that there is nothing to undo.

        Raises :class:`Refusal` (429), naming the limit, its value and when it frees up.
        """
        token, group = caller.token, caller.group
        plan = self._plan(token, group)
        if not plan.limited:
            return None
        quota = token is not None and token.quota is not None
        prompt = estimate_prompt(request.data) if quota or plan.weighed else 0
        if token is not None:
            self.ledger.check(token)
        asks = plan.charge(prompt)
        headers: HeaderList = []
        if asks:
            decision = self.limiter.acquire(asks, time.monotonic())
            if isinstance(decision, Refused):
                raise _refusal(caller, decision, prompt, plan.headers(decision.states))
            headers = plan.headers(decision.states)
        hold = None
        if token is not None and quota and price is not None:
            usage = Usage(input=prompt, output=most_output(request))
            hold = (token.id, cost_of(usage, price))
            self.ledger.hold(*hold)
        return Admitted(self, plan, prompt, hold, headers)

    def _plan(self, token: Token | None, group: Group) -> _Plan:
        owner = group.id if token is None else token.id
        plan = self._plans.get(owner)
        # A call may still be decided by the snapshot before this one.
        if plan is None or plan.token is not token or plan.group is not group:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[owner] = _Plan(token, group)
        return plan


def _asks(scope: str, owner: str, limits: Limits) -> list[Ask]:
    asks = []
    if limits.rpm is not None:
        asks.append(Ask(f"{scope}-rpm", (scope, owner, "rpm"), Rate(limits.rpm, PERIOD)))
    if limits.tpm is not None:
        asks.append(Ask(f"{scope}-tpm", (scope, owner, "tpm"), Rate(limits.tpm, PERIOD)))
    if limits.concurrency is not None:
        rule = Slots(limits.concurrency)
        asks.append(Ask(f"{scope}-concurrency", (scope, owner, "concurrency"), rule))
    return asks


def _policy(ask: Ask) -> str:
    limit = ask.rule.limit
    if isinstance(ask.rule, Slots):
        return f'"{ask.name}";q={limit};qu="concurrent-requests"'
    return f'"{ask.name}";q={limit};w={PERIOD}'


def _format(ask: Ask) -> str:
    """How the state of a limit is written: what is left, and of a rate when it is full again."""
    return f'"{ask.name}";r=%d' if isinstance(ask.rule, Slots) else f'"{ask.name}";r=%d;t=%d'


def _shown(asks: Sequence[Ask]) -> list[tuple[bytes, bytes, bytes, list[int]]]:
    """OpenAI's three headers for each kind of rate, and the positions of its limits."""
    found = []
    for kind, what in (("rpm", b"requests"), ("tpm", b"tokens")):
        positions = [at for at, ask in enumerate(asks) if ask.name.endswith(kind)]
        if positions:
            names = [b"x-ratelimit-%b-%b" % (n, what) for n in (b"limit", b"remaining", b"reset")]
            found.append((names[0], names[1], names[2], positions))
    return found


def most_output(request: Request) -> int:
    """The most a call may write, as far as it says so itself, else :data:`UNSTATED_OUTPUT`.

    Of two limits the higher one: some upstreams know only one of the names.
    """
    data = request.data
    stated = max(_positive(data, "max_completion_tokens"), _positive(data, "max_tokens"))
    answers = max(1, _positive(data, "n"), _positive(data, "best_of"))
    prompts = data.get("prompt")
    if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int):
        answers *= len(prompts)
    return min((stated or UNSTATED_OUTPUT) * answers, 10_000_000)


def _positive(data: dict[str, Any], name: str) -> int:
    """A field that is a positive integer; 0 for anything else."""
    value = data.get(name)
    return value if type(value) is int and value > 0 else 0


def _refusal(caller: Caller, refused: Refused, prompt: int, headers: HeaderList) -> Refusal:
    scope, _, kind = refused.name.partition("-")
    owner = "This API key" if scope == "key" else f"The group {caller.group.id!r}"
    if refused.never and kind == "tpm" and refused.limit:
        ending = f"This request alone needs about {prompt}; send less at once."
        headers.append(NO_RETRY)
    elif refused.never:
        ending = "Ask for a higher limit."
        headers.append(NO_RETRY)
    else:
        seconds = max(1, math.ceil(refused.retry_after))
        ending = f"Try again in {seconds} s."
        headers.append(retry_after(seconds))
    if kind == "concurrency":
        message = f"{owner} may have {refused.limit} calls in progress, and has. {ending}"
    else:
        message = f"{owner} has reached its limit of {refused.limit} {_UNITS[kind]}. {ending}"
    return Refusal(429, "rate_limit_exceeded", message, kind=RATE, headers=headers)
