"""What gets lost: processes, Redis, what it had, what was asked and what was answered."""

import asyncio
import random
import time

import pytest
from redis.asyncio import Redis

from core.leases.bed import NAMESPACE, bad_line, bundle, line, processes, shipping, take, until
from paifang.core.leases import Away, Budget, SharedLimits, Wish, asks, shared
from paifang.core.limits import Refused
from plugins.others import RedisServer

pytestmark = pytest.mark.needs("redis")


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
    told = await client.hget(f"{NAMESPACE}:lease:quota:k", "spent")
    assert int(told or 0) == spent
    assert await client.exists(f"{NAMESPACE}:lease:k:slots") == 0
    await client.aclose()


async def test_a_debt_that_was_told_to_nobody_is_told_again(redis_url, books):
    limits = bundle(tpm=600)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, limits, 10), list)
        async with bad_line(one, "lost"):
            one.finish(limits, 900, time.monotonic())
            await until(lambda: one.away)
            # It counts here meanwhile.
            assert isinstance(await take(one, limits, 10), Refused)
        await asyncio.sleep(shared.SETTLE * 4)
        refused = await take(two, limits, 10)
        assert isinstance(refused, Refused)
        assert 25 <= refused.retry_after <= 32  # 320 beyond, at ten a second


async def test_a_debt_whose_answer_was_lost_is_told_once(redis_url, books):
    limits = bundle(tpm=600)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, limits, 10), list)
        async with bad_line(one, "deaf"):
            one.finish(limits, 900, time.monotonic())
            await until(lambda: one.away)
        await asyncio.sleep(shared.SETTLE * 4)
        refused = await take(two, limits, 10)
        assert isinstance(refused, Refused)
        assert 25 <= refused.retry_after <= 32


async def test_a_debt_told_late_is_told_once(redis_url, books):
    limits = bundle(tpm=600)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, limits, 10), list)
        async with bad_line(one, "late") as way:
            one.finish(limits, 900, time.monotonic())
            await until(lambda: one.away)
        await asyncio.sleep(shared.SETTLE * 4)
        assert await way.arrive()
        refused = await take(two, limits, 10)
        assert isinstance(refused, Refused)
        assert 25 <= refused.retry_after <= 32


async def test_what_was_given_back_on_a_bad_line_is_given_back_again(redis_url, books):
    limits = bundle(slots=1)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, limits), list)
        async with bad_line(one, "lost"):
            one.finish(limits, 0, time.monotonic())
            await until(lambda: one.away)
        await asyncio.sleep(shared.SETTLE * 4)
        assert isinstance(await take(two, limits), list)


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_claim_that_comes_late_takes_nothing(redis_url, books, deaf):
    """Of a slot and a budget, when the process has given both back meanwhile."""
    limits, budget = bundle(slots=1), Budget("quota:k", 100)
    async with processes(redis_url, books, 2) as (one, two):
        assert isinstance(await take(one, bundle(), budget=budget, amount=1), list)
        one.let_go(budget.key, 1)
        async with bad_line(one, "deaf" if deaf else "late") as way:
            assert isinstance(await take(one, limits, budget=budget, amount=100), Away)
            assert isinstance(await take(one, limits), list)  # alone
        one.finish(limits, 0, time.monotonic())
        await asyncio.sleep(asks.IDLE + shared.SETTLE * 4)
        assert bool(await way.arrive()) is not deaf
        assert isinstance(await take(two, limits, budget=budget, amount=100), list)


async def test_what_comes_after_the_end_takes_nothing(redis_url, books):
    client = Redis.from_url(redis_url)
    async with processes(redis_url, books, 2) as (one, two):
        async with bad_line(one, "late") as way:
            assert isinstance(await take(one, bundle(slots=1)), list)
        one.finish(bundle(slots=1), 0, time.monotonic())
        await one.close()
        assert await way.arrive()
        assert await client.zscore(f"{NAMESPACE}:leases:processes", one.process) is None
        assert isinstance(await take(two, bundle(slots=1)), list)
    await client.aclose()


async def test_a_redis_that_forgot_everything_behind_a_late_ask_is_told_anew(redis_url, books):
    """The late ask makes the process known again, which must not pass for memory."""
    limits = bundle(slots=1)
    client = Redis.from_url(redis_url)
    async with processes(redis_url, books, 2) as (one, two):
        async with bad_line(one, "late") as way:
            await until(lambda: one.away, 5)
        assert isinstance(await take(one, limits), list)
        held = line(two)
        held.state = "lost"
        await client.flushdb()
        await way.arrive()
        held.state = "good"
        await asyncio.sleep(shared.BEAT + 0.6)
        assert isinstance(await take(two, limits), Refused)
    await client.aclose()


@pytest.mark.parametrize("seed", range(4))
async def test_on_bad_lines_no_money_is_lost_and_nothing_stays_claimed(redis_url, books, seed):
    """Asks and answers get lost, asks run late: the quota holds, and all is free behind it."""
    dice = random.Random(seed)
    quota = dice.choice([3000, 10**18])
    limits, budget = bundle(slots=30), Budget("quota:k", quota)
    books.spent[budget.key] = quota - 3000
    client = Redis.from_url(redis_url)
    spent = dearest = 0
    over = False

    async def call(one: SharedLimits) -> None:
        nonlocal spent, dearest
        while not over:
            guess = dice.randint(1, 20)
            decision = await take(one, limits, budget=budget, amount=guess)
            await asyncio.sleep(dice.choice([0, 0.001, 0.01]))
            if isinstance(decision, list):
                cost = dice.randint(0, guess)
                spent, dearest = spent + cost, max(dearest, guess)
                one.finish(limits, 0, time.monotonic())
                one.spend(budget.key, cost)
                one.let_go(budget.key, guess)

    async with processes(redis_url, books, 3) as all_, shipping(books, all_):
        calls = [asyncio.create_task(call(one)) for one in all_ for _ in range(4)]
        for _ in range(10):
            way = line(dice.choice(all_))
            way.state = dice.choice(["lost", "late", "deaf"])
            await asyncio.sleep(dice.uniform(0, 0.2))
            way.state = "good"
            await asyncio.sleep(dice.uniform(0, 0.2))
            await way.arrive()
        over = True
        await asyncio.gather(*calls)
        for each in all_:
            await until(lambda each=each: not each.away)
        await asyncio.sleep(asks.IDLE + shared.SETTLE * 6)
        for each in all_:
            books.ship(each)
        await asyncio.sleep(shared.SETTLE * 6)
        assert set(await client.hgetall(f"{NAMESPACE}:lease:quota:k")) == {b"spent"}
        assert await client.exists(f"{NAMESPACE}:lease:k:slots") == 0
    assert 0 < spent <= 3000 + dearest
    assert books.spent[budget.key] == quota - 3000 + spent
    assert int(await client.hget(f"{NAMESPACE}:lease:quota:k", "spent")) == quota - 3000 + spent
    await client.aclose()
