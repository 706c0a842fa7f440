"""Whether a call may begin: rates, calls in flight, and what is left of a quota.

All in memory and all or nothing. Model tokens are charged by an estimate of the prompt when the
call begins and corrected when it ends: a call that writes a lot puts its caller into debt, and
the next one waits until that is earned back.
"""

import math
import time
from collections.abc import Sequence

from paifang.core.limits import Ask, Limiter, Rate, Refused, Slots, State
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import NO_RETRY, RATE, Refusal, retry_after
from paifang.modules.gateway.relay.ledger import Ledger
from paifang.modules.gateway.relay.meter import cost_of
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.snapshot import Limits, Price, Snapshot
from paifang.modules.gateway.relay.usage import estimate_prompt

HeaderList = list[tuple[bytes, bytes]]

PERIOD = 60
"""Seconds of a rate's window."""

_UNITS = {"rpm": "requests per minute", "tpm": "model tokens per minute"}


class Admitted:
    """A call that may go on. :meth:`release` must follow, once."""

    __slots__ = ("_admission", "_asks", "_estimate", "_hold", "headers")

    def __init__(
        self,
        admission: "Admission",
        asks: Sequence[Ask],
        estimate: int,
        hold: tuple[str, int] | None,
        headers: HeaderList,
    ) -> None:
        self._admission = admission
        self._asks = asks
        self._estimate = estimate
        self._hold = hold
        self.headers = headers
        """For the answer: how the limits stand."""

    def release(self, tokens: int) -> None:
        """The call is over and has used so many model tokens."""
        limiter = self._admission.limiter
        for ask in self._asks:
            if isinstance(ask.rule, Slots):
                limiter.release(ask.key)
            elif ask.name.endswith("tpm"):
                limiter.settle(ask.key, ask.rule, tokens - self._estimate, time.monotonic())
        if self._hold is not None:
            self._admission.ledger.let_go(*self._hold)


class Admission:
    """Decides on every call of this process."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.ledger = Ledger()

    def use(self, snapshot: Snapshot) -> None:
        """Take over a new snapshot's tokens."""
        self.ledger.use(snapshot.tokens.values())

    def admit(self, caller: Caller, request: Request, price: Price | None) -> Admitted | None:
        """Charge the call's limits; None when it has none, so that there is nothing to undo.

        Raises :class:`Refusal` (429), naming the limit, its value and when it frees up.
        """
        token, group = caller.token, caller.group
        limited = group.limits != _NONE or (token is not None and token.limits != _NONE)
        quota = token is not None and token.quota is not None
        if not limited and not quota:
            return None
        prompt = estimate_prompt(request.data) if quota or _has_tpm(caller) else 0
        asks: list[Ask] = []
        if token is not None:
            self.ledger.check(token)
            asks += _asks("key", token.id, token.limits, prompt)
        asks += _asks("group", group.id, group.limits, prompt)
        headers: HeaderList = []
        if asks:
            decision = self.limiter.acquire(asks, time.monotonic())
            if isinstance(decision, Refused):
                raise _refusal(caller, decision, prompt)
            headers = state_headers(decision.states)
        hold = None
        if token is not None and quota and price is not None:
            usage = Usage(input=prompt, output=_most_output(request))
            hold = (token.id, cost_of(usage, price))
            self.ledger.hold(*hold)
        return Admitted(self, asks, prompt, hold, headers)


_NONE = Limits()


def _has_tpm(caller: Caller) -> bool:
    token = caller.token
    return caller.group.limits.tpm is not None or (
        token is not None and token.limits.tpm is not None
    )


def _asks(scope: str, owner: str, limits: Limits, prompt: int) -> list[Ask]:
    asks = []
    if limits.rpm is not None:
        asks.append(Ask(f"{scope}-rpm", (scope, owner, "rpm"), Rate(limits.rpm, PERIOD)))
    if limits.tpm is not None:
        asks.append(Ask(f"{scope}-tpm", (scope, owner, "tpm"), Rate(limits.tpm, PERIOD), prompt))
    if limits.concurrency is not None:
        rule = Slots(limits.concurrency)
        asks.append(Ask(f"{scope}-concurrency", (scope, owner, "concurrency"), rule))
    return asks


def _most_output(request: Request) -> int:
    """The most a call may write, as far as it says so itself."""
    data = request.data
    most = data.get("max_completion_tokens") or data.get("max_tokens")
    count = data.get("n", 1)
    if type(most) is not int or type(count) is not int or most < 0 or count < 1:
        return 0
    return min(most * count, 10_000_000)


def _refusal(caller: Caller, refused: Refused, prompt: int) -> Refusal:
    scope, _, kind = refused.name.partition("-")
    owner = "This API key" if scope == "key" else f"The group {caller.group.id!r}"
    headers = state_headers(refused.states)
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


def state_headers(states: Sequence[State]) -> HeaderList:
    """The limits in OpenAI's headers, and in the IETF's (draft-ietf-httpapi-ratelimit-headers).

    OpenAI's name one limit for requests and one for tokens: of a key's and its group's, the one
    with less left.
    """
    policies, values = [], []
    tightest: dict[str, State] = {}
    for state in states:
        kind = state.name.rpartition("-")[2]
        if kind == "concurrency":
            policies.append(f'"{state.name}";q={state.limit};qu="concurrent-requests"')
            values.append(f'"{state.name}";r={state.remaining}')
            continue
        policies.append(f'"{state.name}";q={state.limit};w={PERIOD}')
        values.append(f'"{state.name}";r={state.remaining};t={math.ceil(state.reset)}')
        known = tightest.get(kind)
        if known is None or state.remaining < known.remaining:
            tightest[kind] = state
    headers = [
        (b"ratelimit-policy", ", ".join(policies).encode("ascii")),
        (b"ratelimit", ", ".join(values).encode("ascii")),
    ]
    for kind, what in (("rpm", "requests"), ("tpm", "tokens")):
        found = tightest.get(kind)
        if found is not None:
            for name, value in (
                ("limit", str(found.limit)),
                ("remaining", str(found.remaining)),
                ("reset", f"{found.reset:.3f}s"),
            ):
                headers.append((f"x-ratelimit-{name}-{what}".encode(), value.encode()))
    return headers
