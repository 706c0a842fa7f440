"""Rates and slots of several processes."""

import asyncio
import contextlib
import math
import random
import time

import pytest

from core.leases.bed import bundle, processes, take
from paifang.core.leases import Budget, SharedLimits, Wish, asks, shared
from paifang.core.limits import Bundle, Limit, Rate, Refused

pytestmark = pytest.mark.needs("redis")


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


async def test_a_lease_in_constant_slow_use_does_not_come_on_top_of_a_full_limit(redis_url, books):
    limits = bundle(period=6.0, rpm=600)
    async with processes(redis_url, books, 5) as (*slow, fast):
        for one in slow:
            for _ in range(90):
                assert isinstance(await take(one, limits), list)
        end = time.monotonic() + 6.0  # all is earned back
        while time.monotonic() < end:
            await asyncio.sleep(0.2)
            for one in slow:
                assert isinstance(await take(one, limits), list)
        began, passed = time.monotonic(), 0
        for one in (fast, *slow):
            while isinstance(await take(one, limits), list):
                passed += 1
        earned = (time.monotonic() - began) * 100
        # Half a second's worth at most is out at a time.
        assert passed <= 600 + earned + 50


def test_a_lease_goes_back_half_a_second_after_it_was_made():
    limits = bundle(rpm=600)
    accounts = asks.Accounts()
    (ask,) = accounts.ask(Wish(limits, 1), 0, 10.0)
    accounts.heard(ask.key, (31, 100_000, 0), 10.0)
    rate = accounts.rates[ask.key]
    for tenth in range(1, 7):
        rate.credit -= 1
        rate.used_at = 10 + tenth / 10
        back = accounts.give_back(rate.used_at)
        assert bool(back) is (tenth >= 5), tenth
        if back:
            break
    assert back[0].fields[4] == -26


def test_the_sweep_goes_by_the_clock_it_is_given(monkeypatch):
    monkeypatch.setattr(asks, "PRUNE_FROM", 2)
    accounts = asks.Accounts()
    accounts._prune_at = 2
    for number in range(3):
        terms = Bundle([Limit("rpm", f"k{number}", Rate(60))]).rates[0]
        accounts.rate(terms).tat = 5.0
        account = accounts.budget(Budget(f"q{number}", 1))
        account.used_at = account.known_at = 5.0
    accounts.prune(4.0)
    assert len(accounts.rates) == len(accounts.budgets) == 3
    accounts._prune_at = 2
    accounts.prune(5.0 + asks.KNOWN_FOR + 1)
    assert not accounts.rates
    assert not accounts.budgets
