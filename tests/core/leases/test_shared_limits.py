"""Limits shared by several processes, each a SharedLimits of its own, on a real Redis."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from paifang.core.cache.redis import RedisCache
from paifang.core.leases import Away, Budget, Overdrawn, SharedLimits, Wish, asks, shared
from paifang.core.limits import Bundle, Limit, Rate, Refused, Slots
from paifang.core.settings import RedisSettings, Secret
from plugins.others import RedisServer

pytestmark = pytest.mark.needs("redis")

Maker = Callable[[], "asyncio.Future[SharedLimits]"]


class Books:
    """What the database says was spent."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self.reads = 0
        self.away = False

    async def read(self, key: str) -> int:
        self.reads += 1
        if self.away:
            raise ConnectionError("the database is away")
        return self.spent.get(key, 0)

    def ship(self, one: SharedLimits) -> None:
        """Store what a process has spent, and tell it."""
        before = one.unshipped()
        for key, amount in before.items():
            self.spent[key] = self.spent.get(key, 0) + amount
        one.shipped(before, self.spent)


@pytest.fixture
def books() -> Books:
    return Books()


@contextlib.asynccontextmanager
async def shipping(books: Books, all_: list[SharedLimits]) -> AsyncIterator[None]:
    """Spending reaches the books in a while, and at the end."""

    async def ship() -> None:
        while True:
            for one in all_:
                books.ship(one)
            await asyncio.sleep(0.03)

    task = asyncio.create_task(ship())
    try:
        yield
    finally:
        task.cancel()
        for one in all_:
            books.ship(one)


@contextlib.asynccontextmanager
async def processes(url: str, books: Books, count: int) -> AsyncIterator[list[SharedLimits]]:
    caches = [RedisCache(RedisSettings(url=Secret(url), timeout=2.0)) for _ in range(count)]
    made = [SharedLimits(cache, books.read) for cache in caches]
    try:
        for one in made:
            await one.start()
        yield made
    finally:
        for one in made:
            await one.close()
        for cache in caches:
            await cache.close()


def bundle(**limits: int) -> Bundle:
    kinds = {
        "rpm": lambda n: Limit("key-rpm", "k:rpm", Rate(n)),
        "tpm": lambda n: Limit("key-tpm", "k:tpm", Rate(n), weighed=True),
        "slots": lambda n: Limit("key-concurrency", "k:slots", Slots(n)),
    }
    return Bundle([kinds[name](limit) for name, limit in limits.items()])


async def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def take(one: SharedLimits, limits: Bundle, weight: int = 1, **budget: object):
    return await asyncio.wait_for(one.take(Wish(limits, weight, **budget)), 10)


async def test_a_rate_is_one_rate_however_many_processes_count_it(redis_url, books):
    limits = bundle(rpm=60)
    async with processes(redis_url, books, 3) as all_:
        began = time.monotonic()
        decisions = [await take(one, limits) for _ in range(40) for one in all_]
        earned = (time.monotonic() - began) / 1.0 + 1
        let_through = [d for d in decisions if isinstance(d, list)]
        # What one process leased in advance and another wants comes back within IDLE: at most
        # a sixteenth in each is not used.
        assert 60 - 3 * (60 // asks.SLICE_SHARE) <= len(let_through) <= 60 + earned
        refused = next(d for d in decisions if isinstance(d, Refused))
        assert refused.limit.name == "key-rpm"
        assert not refused.never
        assert 0 < refused.retry_after <= 1.1


async def test_what_was_leased_in_advance_comes_back(redis_url, books):
    limits = bundle(rpm=600)
    async with processes(redis_url, books, 2) as (one, two):
        for _ in range(100):
            assert isinstance(await take(one, limits), list)
        await asyncio.sleep(asks.IDLE + 0.4)
        left = (await take(two, limits))[0]
        # 101 used, and ten a second are earned back.
        assert 600 - 101 - 1 <= left <= 600 - 101 + 25


async def test_slots_are_never_over_and_all_can_be_had(redis_url, books):
    limits = bundle(slots=5)
    async with processes(redis_url, books, 3) as all_:
        held = most = served = 0

        async def call(one: SharedLimits) -> None:
            nonlocal held, most, served
            for _ in range(60):
                decision = await take(one, limits)
                if isinstance(decision, Refused):
                    assert decision.limit.name == "key-concurrency"
                    await asyncio.sleep(0.003)
                    continue
                held += 1
                served += 1
                most = max(most, held)
                await asyncio.sleep(random.uniform(0, 0.004))
                held -= 1
                one.finish(limits, 0, time.monotonic())

        await asyncio.gather(*(call(one) for one in all_ for _ in range(4)))
        assert most == 5
        assert served > 50
        # All of them, for any one process, at once.
        await asyncio.sleep(asks.IDLE + 0.3)
        for _ in range(5):
            assert isinstance(await take(all_[0], limits), list)
        assert isinstance(await take(all_[1], limits), Refused)


async def test_all_or_nothing(redis_url, books):
    both = bundle(rpm=1000, tpm=1000, slots=1)
    rate = Bundle([both.limits[0]])
    budget = Budget("quota:k", 100)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, both, 10, budget=budget, amount=60), list)
        refused = await take(two, both, 10, budget=budget, amount=10)
        assert isinstance(refused, Refused)
        assert refused.limit.name == "key-concurrency"
        standing = await take(two, rate)
        assert 997 <= standing[0] <= 999.9, "the refused call was charged"
        assert two._accounts.budgets[budget.key].held == 0
        one.finish(both, 0, time.monotonic())
        one.let_go(budget.key, 60)
        await asyncio.sleep(shared.AGAIN + shared.SETTLE * 3)
        assert isinstance(await take(two, both, 10, budget=budget, amount=100), list)


async def test_a_debt_counts_for_everybody(redis_url, books):
    limits = bundle(tpm=600)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, limits, 10), list)
        one.finish(limits, 900, time.monotonic())  # it wrote 900 more than it weighed
        await asyncio.sleep(shared.SETTLE * 4)
        refused = await take(two, limits, 10)
        assert isinstance(refused, Refused)
        assert 25 <= refused.retry_after <= 32  # 320 beyond, at ten a second
        # Giving back makes room again.
        one.finish(limits, -900, time.monotonic())
        await asyncio.sleep(asks.IDLE + 0.4)
        assert isinstance(await take(two, limits, 10), list)


async def test_a_call_heavier_than_its_limit_is_told_so_without_asking(redis_url, books):
    limits = bundle(tpm=600)
    async with processes(redis_url, books, 1) as (one,):
        refused = one.acquire(limits, time.monotonic(), 601)
        assert isinstance(refused, Refused)
        assert refused.never
        assert one.acquire(bundle(rpm=0), time.monotonic()).never
        assert one.acquire(bundle(slots=0), time.monotonic()).never


async def test_a_budget_is_spent_to_its_end_and_overdrawn_by_one_call(redis_url, books):
    budget = Budget("quota:k", 5_000_000_000_000)
    cost = 7_000_000_001  # 715 calls
    books.spent[budget.key] = cost * 200
    none = bundle()
    async with processes(redis_url, books, 3) as all_:
        calls = 0

        async def call(one: SharedLimits) -> None:
            nonlocal calls
            while True:
                decision = await take(one, none, budget=budget, amount=cost)
                if isinstance(decision, Overdrawn):
                    if decision.held:  # by calls in progress; they may cost less
                        await asyncio.sleep(0.02)
                        continue
                    return
                await asyncio.sleep(0)
                calls += 1
                one.spend(budget.key, cost)
                one.let_go(budget.key, cost)

        async with shipping(books, all_):
            await asyncio.gather(*(call(one) for one in all_ for _ in range(3)))
        assert calls == 715 - 200
        assert books.spent[budget.key] == cost * 715
        await asyncio.sleep(shared.SETTLE * 4)
        last = await take(all_[0], none, budget=budget, amount=cost)
        assert last == Overdrawn(cost * 715, 0)


async def test_what_a_token_had_spent_is_read_once_and_known(redis_url, books):
    budget = Budget("quota:k", 100)
    books.spent[budget.key] = 100
    async with processes(redis_url, books, 2) as (one, two):
        assert await take(one, bundle(), budget=budget, amount=1) == Overdrawn(100, 0)
        assert await take(two, bundle(), budget=budget, amount=1) == Overdrawn(100, 0)
        assert books.reads == 2
        more = Budget("quota:k", 150)
        assert isinstance(await take(two, bundle(), budget=more, amount=1), list)
        assert books.reads == 2


async def test_what_a_killed_process_had_spent_counts_when_its_journal_is_shipped(
    redis_url, books, monkeypatch
):
    monkeypatch.setattr(shared, "DEADLINE", 1.0)
    budget = Budget("quota:k", 1000)
    async with processes(redis_url, books, 2) as (dead, alive):
        assert isinstance(await take(alive, bundle(), budget=budget, amount=1), list)
        assert isinstance(await take(dead, bundle(), budget=budget, amount=900), list)
        dead.spend(budget.key, 900)
        dead.let_go(budget.key, 900)
        dead._task.cancel()
        assert isinstance(await take(alive, bundle(), budget=budget, amount=99), list)
        assert isinstance(await take(alive, bundle(), budget=budget, amount=1), Overdrawn)
        books.spent[budget.key] = 900  # by whoever finds the journal
        books.ship(alive)
        await asyncio.sleep(1.0 + shared.BEAT)
        assert isinstance(await take(alive, bundle(), budget=budget, amount=1), Overdrawn)
        alive.let_go(budget.key, 100)
        await asyncio.sleep(shared.SETTLE * 4)
        assert isinstance(await take(alive, bundle(), budget=budget, amount=100), list)
        assert await take(alive, bundle(), budget=budget, amount=1) == Overdrawn(900, 100)


async def test_a_redis_that_returns_with_old_numbers_is_told_what_the_books_have(redis_url, books):
    budget = Budget("quota:k", 1000)
    client = Redis.from_url(redis_url)
    async with processes(redis_url, books, 2) as all_:
        one, two = all_
        for each in all_:
            assert isinstance(await take(each, bundle(), budget=budget, amount=400), list)
            each.spend(budget.key, 400)
            each.let_go(budget.key, 400)
        for each in (*all_, *all_):
            books.ship(each)
        await asyncio.sleep(asks.IDLE + shared.SETTLE * 4)
        await client.hset("paifang:lease:quota:k", "spent", 0)
        assert isinstance(await take(one, bundle(), budget=budget, amount=200), list)
        assert await take(two, bundle(), budget=budget, amount=1) == Overdrawn(800, 200)
    await client.aclose()


async def test_a_quota_that_is_lowered_stops_what_was_leased(redis_url, books):
    budget, lowered = Budget("quota:k", 100_000), Budget("quota:k", 10)
    async with processes(redis_url, books, 1) as (one,):
        for _ in range(20):
            assert isinstance(await take(one, bundle(), budget=budget, amount=1), list)
        account = one._accounts.budgets[budget.key]
        while account.granted <= account.claimed:
            assert isinstance(await take(one, bundle(), budget=budget, amount=1), list)
        wish = Wish(bundle(), 1, lowered, 1)
        assert one.decide(wish, time.monotonic()) is None
        assert isinstance(await take(one, bundle(), budget=lowered, amount=1), Overdrawn)


async def test_a_rate_that_becomes_0_is_refused_with_numbers(redis_url, books):
    async with processes(redis_url, books, 1) as (one,):
        for _ in range(3):
            assert isinstance(await take(one, bundle(rpm=6000, tpm=6000), 10), list)
        refused = one.acquire(bundle(rpm=0, tpm=6000), time.monotonic(), 10)
        assert refused.never
        assert refused.limit.name == "key-rpm"
        assert refused.standing[0] < 1
        assert not any(map(math.isnan, refused.standing))


async def test_accounts_at_rest_are_forgotten(redis_url, books, monkeypatch):
    monkeypatch.setattr(asks, "PRUNE_FROM", 8)
    async with processes(redis_url, books, 1) as (one,):
        one._accounts._prune_at = 8
        for number in range(64):
            limits = Bundle([Limit("key-rpm", f"k{number}:rpm", Rate(60_000))])
            assert isinstance(await take(one, limits), list)
        assert len(one._accounts.rates) < 32


async def test_books_that_are_away_leave_a_budget_undecided(redis_url, books):
    books.away = True
    budget = Budget("quota:k", 100)
    async with processes(redis_url, books, 1) as (one,):
        limits = bundle(slots=3)
        assert isinstance(await take(one, limits, budget=budget, amount=1), Away)
        assert not one._accounts.slots
        books.away = False
        assert isinstance(await take(one, limits, budget=budget, amount=1), list)


async def test_what_a_dead_process_held_comes_free(redis_url, books, monkeypatch):
    monkeypatch.setattr(shared, "DEADLINE", 1.5)
    limits, budget = bundle(slots=2), Budget("quota:k", 100)
    async with processes(redis_url, books, 2) as (dead, alive):
        for _ in range(2):
            assert isinstance(await take(dead, limits, budget=budget, amount=50), list)
        dead._task.cancel()
        refused = await take(alive, limits)
        assert isinstance(refused, Refused)
        began = time.monotonic()
        async with asyncio.timeout(6):
            decision = refused
            while not isinstance(decision, list):
                await asyncio.sleep(0.05)
                decision = await take(alive, limits, budget=budget, amount=50)
        assert time.monotonic() - began > 0.4


async def test_who_was_taken_for_dead_claims_anew_what_its_calls_hold(redis_url, books):
    limits = bundle(slots=2)
    client = Redis.from_url(redis_url)
    async with processes(redis_url, books, 2) as (one, two):
        for _ in range(2):
            assert isinstance(await take(one, limits), list)
        await client.flushdb()  # as after a restart that kept nothing
        await asyncio.sleep(shared.BEAT + 0.6)
        assert isinstance(await take(two, limits), Refused)
        one.finish(limits, 0, time.monotonic())
        await asyncio.sleep(shared.AGAIN + shared.SETTLE * 3)
        assert isinstance(await take(two, limits), list)
        assert isinstance(await take(two, limits), Refused)
    await client.aclose()


async def test_who_leaves_before_the_answer_leaves_nothing_behind(redis_url, books):
    limits, budget = bundle(slots=1, tpm=100), Budget("quota:k", 100)
    async with processes(redis_url, books, 2) as (one, two):
        for _ in range(30):
            call = asyncio.create_task(one.take(Wish(limits, 100, budget, 100)))
            await asyncio.sleep(random.uniform(0, 0.002))
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                decision = await call
                if isinstance(decision, list):
                    one.finish(limits, -100, time.monotonic())
                    one.let_go(budget.key, 100)
        await asyncio.sleep(asks.IDLE + 0.4)
        assert isinstance(await take(two, limits, 90, budget=budget, amount=100), list)


async def test_without_redis_each_counts_alone_and_budgets_are_closed(
    redis_server: RedisServer, books, caplog
):
    limits, budget = bundle(rpm=100, slots=2), Budget("quota:k", 1000)
    async with processes(redis_server.url, books, 2) as (one, two):
        assert isinstance(await take(one, limits, budget=budget, amount=10), list)
        redis_server.stop()
        await until(lambda: one.away and two.away)
        assert isinstance(await take(two, limits), list)
        assert isinstance(await take(two, limits), list)
        assert (await take(two, limits)).limit.name == "key-concurrency"
        assert isinstance(await take(two, bundle(), budget=budget, amount=10), Away)
        # What was granted may be spent while nobody else can have been granted it.
        granted = one._accounts.budgets[budget.key].granted
        assert granted >= 10
        await asyncio.sleep(asks.DEADLINE)
        one.let_go(budget.key, 10)
        assert isinstance(await take(one, bundle(), budget=budget, amount=10), Away)
        redis_server.start()
        await until(lambda: not one.away and not two.away)
        # Three calls are in progress, where two may be: none more, until two have ended.
        await asyncio.sleep(0.3)
        assert isinstance(await take(one, limits), Refused)
        two.finish(limits, 0, time.monotonic())
        two.finish(limits, 0, time.monotonic())
        await asyncio.sleep(shared.AGAIN + shared.SETTLE * 3)
        assert isinstance(await take(one, limits, budget=budget, amount=10), list)
        assert sum("Redis is away" in r.message for r in caplog.records) == 2


async def test_a_redis_that_is_away_at_the_start_may_come_later(redis_server: RedisServer, books):
    redis_server.stop()
    async with processes(redis_server.url, books, 1) as (one,):
        assert one.away
        assert isinstance(await take(one, bundle(rpm=5)), list)
        redis_server.start()
        await until(lambda: not one.away)
        assert isinstance(await take(one, bundle(rpm=5)), list)


@pytest.mark.parametrize("seed", range(6))
async def test_any_mixture_stays_within_its_limits(redis_url, books, seed):
    """Processes come and go without a word, Redis forgets its scripts: no limit is ever over."""
    dice = random.Random(seed)
    slots, rpm, quota = dice.randint(1, 40), dice.randint(10, 3000), dice.randint(10, 5000)
    limits, budget = bundle(rpm=rpm, tpm=10**6, slots=slots), Budget("quota:k", quota)
    client = Redis.from_url(redis_url)
    held = most = served = spent = dearest = 0
    began = time.monotonic()

    async def call(one: SharedLimits) -> None:
        nonlocal held, most, served, spent, dearest
        for _ in range(40):
            guess = dice.randint(1, 20)
            wish = Wish(limits, dice.randint(0, 50), budget, guess)
            decision = one.decide(wish, time.monotonic())
            if decision is None:
                decision = await asyncio.wait_for(one.take(wish), 10)
            assert not isinstance(decision, Away)
            if not isinstance(decision, list):
                await asyncio.sleep(dice.uniform(0, 0.004))
                continue
            held, served = held + 1, served + 1
            most = max(most, held)
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.01]))
            cost = dice.randint(0, guess)
            spent, dearest, held = spent + cost, max(dearest, guess), held - 1
            one.finish(limits, dice.randint(-wish.weight, 60), time.monotonic())
            one.spend(budget.key, cost)
            one.let_go(budget.key, guess)

    async with processes(redis_url, books, 3) as all_, shipping(books, all_):
        calls = [asyncio.create_task(call(one)) for one in all_ for _ in range(5)]
        await asyncio.sleep(0.05)
        await client.script_flush()
        await asyncio.gather(*calls)
    assert most <= slots
    assert served <= rpm + rpm * (time.monotonic() - began) / 60 + 1
    assert spent <= quota + dearest
    assert served
    assert books.spent[budget.key] == spent
    told = await client.hget("paifang:lease:quota:k", "spent")
    assert int(told or 0) == spent
    assert await client.exists("paifang:lease:k:slots") == 0
    await client.aclose()
