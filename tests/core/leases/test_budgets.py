"""Budgets of several processes."""

import asyncio
import random
import time

import pytest
from redis.asyncio import Redis

from core.leases.bed import NAMESPACE, bundle, processes, shipping, take
from paifang.core.leases import Away, Budget, Overdrawn, SharedLimits, Wish, asks, shared

pytestmark = pytest.mark.needs("redis")


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
        await client.hset(f"{NAMESPACE}:lease:quota:k", "spent", 0)
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


async def test_books_that_are_away_leave_a_budget_undecided(redis_url, books):
    books.away = True
    budget = Budget("quota:k", 100)
    async with processes(redis_url, books, 1) as (one,):
        limits = bundle(slots=3)
        assert isinstance(await take(one, limits, budget=budget, amount=1), Away)
        assert not one._accounts.slots
        books.away = False
        assert isinstance(await take(one, limits, budget=budget, amount=1), list)


@pytest.mark.parametrize("seed", range(4))
async def test_amounts_of_any_size_are_counted_to_the_last_one(redis_url, books, seed):
    """A database's integers are exact beyond what a floating-point number holds."""
    dice = random.Random(seed)
    quota = dice.choice([10**18, 10**18 - 1, dice.randrange(2**53, 10**18)])
    budget = Budget("quota:k", quota)
    left = dice.randint(1, 40)
    books.spent[budget.key] = quota - left
    async with processes(redis_url, books, 3) as all_:
        for number in range(left):
            one = all_[number % 3]
            assert isinstance(await take(one, bundle(), budget=budget, amount=1), list), number
            if dice.random() < 0.5:
                one.spend(budget.key, 1)
                one.let_go(budget.key, 1)
        held = sum(each._accounts.budgets[budget.key].held for each in all_)
        for each in all_:
            books.ship(each)
        await asyncio.sleep(shared.AGAIN + asks.IDLE + shared.SETTLE * 4)
        overdrawn = await take(all_[0], bundle(), budget=budget, amount=1)
        assert overdrawn == Overdrawn(quota - held, held)


async def test_claims_of_any_size_leave_what_they_leave(redis_url, books):
    budget = Budget("quota:k", 10**18)
    claims = [400_000_000_000_000_001, 599_999_999_999_999_990]
    async with processes(redis_url, books, 3) as (one, two, three):
        for each, amount in zip((one, two), claims, strict=True):
            assert isinstance(await take(each, bundle(), budget=budget, amount=amount), list)
        for _ in range(9):
            assert isinstance(await take(three, bundle(), budget=budget, amount=1), list)
        assert await take(three, bundle(), budget=budget, amount=1) == Overdrawn(0, 10**18)
        one.spend(budget.key, claims[0])
        one.let_go(budget.key, claims[0])
        books.ship(one)
        await asyncio.sleep(shared.AGAIN + shared.SETTLE * 4)
        told = await take(two, bundle(), budget=budget, amount=1)
        assert told == Overdrawn(claims[0], claims[1] + 9)
