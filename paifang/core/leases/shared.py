"""Limits that processes share: decided here as far as the leases go, asked of Redis beyond."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from paifang.core.leases.accounts import Budget, Overdrawn
from paifang.core.leases.asks import DEADLINE, KNOWN_FOR, Answer, Ask, Wish
from paifang.core.leases.decisions import Away, Decision, Leased
from paifang.core.leases.script import BUDGET_EMPTY, GRANTED, SCRIPT
from paifang.core.limits import Bundle

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two signs of life."""
SETTLE = 0.05
"""Seconds between two rounds of giving back, while there is something to give."""
AGAIN = 0.05
"""Seconds for which a refusal stands without asking again: a spent limit floods nobody."""
WARN_EVERY = 60.0
"""Seconds between two warnings about one trouble."""
PER_CALL = 100
"""Accounts of one run of the script when many are given back."""

_PROCESSES = "leases:processes"
_TURN = "leases:turn:"
_MEETS = "return redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0"
# A run that comes later still must find the number, and claim nothing any more.
_SIGN_OFF = """
redis.call('SET', KEYS[2], ARGV[2], 'PX', 60000)
return redis.call('ZREM', KEYS[1], ARGV[1])
"""


class Scripts(Protocol):
    """What runs scripts: :class:`paifang.core.cache.redis.RedisCache`."""

    async def run_script(
        self, script: str, calls: list[tuple[list[str], list[Any]]]
    ) -> list[Any] | None:
        """The answers of some runs in their order; None when Redis is away."""


class _Run(NamedTuple):
    """A run of the script."""

    turn: int
    asks: list[Ask]
    call: tuple[list[str], list[Any]]
    """Its keys and arguments."""


class _Take:
    __slots__ = ("future", "wish")

    def __init__(self, wish: Wish, future: "asyncio.Future[Decision]") -> None:
        self.wish = wish
        self.future = future


class SharedLimits(Leased):
    """One process's part in limits that several share.

    :meth:`acquire` and :meth:`finish` are those of :class:`~paifang.core.limits.Limiter`, but for
    the answer None: the leases do not reach, and :meth:`take` asks for more.

    Args:
        scripts: Runs the script.
        spent: Reads from the books what has been spent of the budget with this key. It may raise
            anything; the budget then can't be decided.
        process: Names this process to the others; no two may have the same.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        scripts: Scripts,
        spent: Callable[[str], Awaitable[int]],
        process: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self.process = process or uuid4().hex
        self._scripts = scripts
        self._spent = spent
        self._queue: list[_Take] = []
        self._asked: list[_Take] = []
        """Those that the round under way asks for."""
        self._turn = 0
        """The number of the last run asked for."""
        self._ran = 0
        """That of the last one that was answered."""
        self._warned = float("-inf")
        self._readers: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self) -> None:
        """Register this process. A Redis that is away is no error: it may come back."""
        await self._run_round([], [])
        self._task = asyncio.create_task(self._run(), name="shared limits")

    async def meets(self, process: str) -> bool | None:
        """Whether another process has registered in the same Redis; None when Redis is away."""
        answers = await self._scripts.run_script(_MEETS, [([_PROCESSES], [process])])
        return None if answers is None else bool(answers[0])

    async def close(self) -> None:
        """Give everything back."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for reader in list(self._readers):
            reader.cancel()
        for take in self._asked + self._queue:
            self._answer(take, Away())
        self._asked, self._queue = [], []
        for _ in range(2):  # an answer may say that a debt has to be told again
            await self._run_round([], self._accounts.give_back(self._clock(), idle=0.0))
        sign_off = ([_PROCESSES, _TURN + self.process], [self.process, self._turn + 1])
        await self._scripts.run_script(_SIGN_OFF, [sign_off])

    async def take(self, wish: Wish) -> Decision:
        """Everything a call needs, with new leases; all or nothing.

        When it is granted, :meth:`finish` and :meth:`let_go` must follow.
        """
        decision = self.decide(wish, self._clock())
        if decision is not None:
            return decision
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._queue.append(_Take(wish, future))
        self._wake.set()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() and isinstance(future.result(), list):
                self._undo(wish)  # cancelled after the answer and before it arrived
            raise

    # Inside: asking. One round at a time, so that answers come in the order of the asks.

    async def _run(self) -> None:
        while not self._closing:
            if not self._queue:
                pause = SETTLE if self._accounts.touched and not self._away else BEAT
                # Not wait_for: before Python 3.12 it may swallow a cancellation.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
            self._wake.clear()
            takes: list[_Take] = []
            try:
                takes = self._due()
                back: list[Ask] = []
                now = self._clock()
                self._accounts.prune(now)
                if now - self._settled >= SETTLE and not self._away:
                    self._settled = now
                    back = self._accounts.give_back(now)
                    self.forget_refusals(now)
                if takes or back or now - self._seen >= BEAT:
                    await self._run_round(takes, back)
            except Exception:  # whatever it is: calls must not wait for ever
                log.exception("shared limits failed by a fault of their own")
                self._without(takes)
                await asyncio.sleep(SETTLE)

    def _due(self) -> list[_Take]:
        """Answer what can be answered; of the rest those that have no account in common, and
        whose budget has been looked up.
        """
        due: list[_Take] = []
        rest: list[_Take] = []
        busy: set[str] = set()
        for take in self._queue:
            if take.future.done():
                continue
            decision = self.decide(take.wish, self._clock())
            if decision is not None:
                self._answer(take, decision)
                continue
            budget = take.wish.budget
            if budget is not None and not self._is_known(budget):
                self._read(take)
                continue
            keys = self._accounts.keys(take.wish)
            (rest if busy & keys else due).append(take)
            busy |= keys
        self._queue = rest
        return due

    async def _run_round(self, takes: list[_Take], back: list[Ask]) -> None:
        now = self._clock()
        waiting: dict[Bundle, int] = {}
        for take in self._queue:
            waiting[take.wish.bundle] = waiting.get(take.wish.bundle, 0) + 1
        asked = [self._accounts.ask(t.wish, waiting.get(t.wish.bundle, 0), now) for t in takes]
        parts = [back[i : i + PER_CALL] for i in range(0, len(back), PER_CALL)]
        # Claims are told as a whole, so those of the takes, which know of the others, come last.
        runs = [self._make_run(part, take=False) for part in parts]
        runs += [self._make_run(asks, take=True) for asks in asked]
        if not runs:
            runs = [self._make_run([], take=False)]
        self._asked = takes
        answers = await self._answers(runs)
        self._asked = []
        asked_at, now = now, self._clock()
        if answers is None:
            self._without(takes)
            return
        known, _, last, _ = answers[0]
        if self._away or not known or last < self._ran:
            self._back()
        self._accounts.tell_again(last, now)
        self._ran = runs[-1].turn
        self._seen = asked_at  # Redis may have seen us then, and no later for certain
        for run, answer in zip(runs, answers, strict=True):
            for ask, told in zip(run.asks, _numbers(answer[3]), strict=True):
                self._accounts.heard(ask.key, told, now)
        for take, answer in zip(takes, answers[len(parts) :], strict=False):
            self._take_in(take, answer[1], now)
        if self._queue:
            self._wake.set()

    async def _answers(self, runs: list[_Run]) -> list[Any] | None:
        answers = None
        try:
            answers = await self._scripts.run_script(SCRIPT, [run.call for run in runs])
        finally:  # also when this process stops meanwhile
            if answers is None:
                for run in runs:
                    self._accounts.unheard(run.turn, run.asks, self._clock())
        return answers

    def _make_run(self, asks: list[Ask], *, take: bool) -> _Run:
        self._turn += 1
        keys = [_PROCESSES, _TURN + self.process, *(f"lease:{ask.key}" for ask in asks)]
        arguments: list[Any] = [self.process, int(DEADLINE * 1e6), int(take), self._turn]
        for ask in asks:
            arguments += ask.fields
        return _Run(self._turn, asks, (keys, arguments))

    def _take_in(self, take: _Take, verdict: int, now: float) -> None:
        wish = take.wish
        if verdict == GRANTED:
            decision = self.decide(wish, now)
            if decision is not None:
                self._answer(take, decision)
            else:  # what was leased went to others of this process meanwhile
                self._queue.append(take)
            return
        if wish.budget is not None:
            account = self._accounts.budget(wish.budget)
            if verdict == BUDGET_EMPTY:
                account.empty_until = now + AGAIN
                self._answer(take, Overdrawn(account.spent, account.claimed + account.others))
                return
        refused = self._refused(wish.bundle, now, wish.weight)
        self._refusals[wish.bundle] = (now + min(AGAIN, refused.retry_after), wish.weight, refused)
        self._answer(take, refused)

    def _is_known(self, budget: Budget) -> bool:
        """Whether the books have been looked into for it lately."""
        return self._clock() - self._accounts.budget(budget).known_at < KNOWN_FOR

    def _read(self, take: _Take) -> None:
        """Look into the books for a budget that is new here, and then ask."""
        task = asyncio.create_task(self._look_up(take), name="read a budget")
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _look_up(self, take: _Take) -> None:
        budget = take.wish.budget
        assert budget is not None  # noqa: S101  # only budgets are looked up
        try:
            known = await self._spent(budget.key)
        except Exception as error:  # noqa: BLE001  # whatever it is, it can't be decided
            if self._clock() - self._warned >= WARN_EVERY:
                self._warned = self._clock()
                log.warning("a budget can't be read: %s: %s", type(error).__name__, error)
            self._answer(take, Away())
            return
        self._has_read(self._accounts.budget(budget), known)
        self._queue.append(take)
        self._wake.set()

    def _answer(self, take: _Take, decision: Decision) -> None:
        if not take.future.done():
            take.future.set_result(decision)
        elif isinstance(decision, list):  # whoever asked has left
            self._undo(take.wish)

    def _undo(self, wish: Wish) -> None:
        self.finish(wish.bundle, -wish.weight, self._clock())
        if wish.budget is not None:
            self.let_go(wish.budget.key, wish.amount)

    def _without(self, takes: list[_Take]) -> None:
        """Redis is away: answer everybody who waits."""
        if not self._away:
            log.warning(
                "Redis is away: rates and calls in progress are counted by this process alone; "
                "calls of tokens with a quota are refused once what was granted is used up"
            )
        self._away = True
        waiting, self._queue = takes + self._queue, []
        for take in waiting:
            try:
                decision = self.decide(take.wish, self._clock())
            except Exception:  # what failed the round may fail here too
                log.exception("a call's limits can't be decided")
                decision = None
            self._answer(take, Away() if decision is None else decision)

    def _back(self) -> None:
        if self._away and self._seen > float("-inf"):
            log.info("Redis is back: limits are shared again")
        self._away = False
        self._accounts.lose()


def _numbers(answers: list[Any]) -> list[Answer]:
    return [(int(got), int(told), int(spent)) for got, told, spent in answers]
