"""One process decides like several: what is admitted, held and refused is the same."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from paifang.core.cache.redis import RedisCache
from paifang.core.leases import SharedLimits
from paifang.core.leases.shared import AGAIN, SETTLE
from paifang.core.limits import Limiter
from paifang.core.settings import RedisSettings, Secret
from paifang.modules.gateway.relay.admission import Admission, Admitted, Gate
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import Refusal
from paifang.modules.gateway.relay.shared import LeaseNeeded, SharedAdmission
from paifang.modules.gateway.relay.snapshot import Group, Limits, Price, Snapshot, Token

pytestmark = pytest.mark.needs("redis")

PRICE = Price("p", 0.0, input=1_000_000, output=2_000_000, request=5)


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[SharedAdmission]:
    async def spent(_key: str) -> int:
        return 0

    cache = RedisCache(RedisSettings(url=Secret(redis_url), timeout=2.0), namespace="paifang:test")
    limits = SharedLimits(cache, spent)
    await limits.start()
    yield SharedAdmission(limits)
    await limits.close()
    await cache.close()


async def admit(gate: Gate, who: Caller, price: Price | None, most: int) -> Admitted | str | None:
    """What comes of a call: the code and message of a refusal."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": most}
    request = Request(b"", body, "m", False, False)
    try:
        try:
            return gate.admit(who, request, price)
        except LeaseNeeded as needed:
            return await needed.take()
    except Refusal as refusal:
        return refusal.code


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        (Limits(), None),
        (Limits(rpm=20), None),
        (Limits(tpm=600, concurrency=5), None),
        (Limits(), 300_000),
        (Limits(rpm=100, concurrency=9), 2_000_000),
    ],
)
async def test_alone_or_shared_a_call_is_decided_alike(
    shared: SharedAdmission, limits: Limits, quota: int | None, seed: int
) -> None:
    dice = random.Random(seed)
    group = Group("g", limits=Limits(concurrency=12))
    token = Token(id="t", name="n", group=group, limits=limits, quota=quota)
    who, alone = Caller(group, token), Admission(Limiter())
    alone.use(Snapshot(tokens={b"k": token}, groups={"g": group}))
    running: list[tuple[Admitted, Admitted]] = []
    for number in range(60):
        price, most = dice.choice([PRICE, PRICE, None]), dice.randint(1, 40)
        one = await admit(alone, who, price, most)
        two = await admit(shared, who, price, most)
        if isinstance(one, Admitted) and isinstance(two, str):  # a refusal stands for a while
            await asyncio.sleep(AGAIN + 2 * SETTLE)
            two = await admit(shared, who, price, most)
        if isinstance(one, Admitted) and isinstance(two, Admitted):
            running.append((one, two))
        else:
            assert one == two, number
        while running and dice.random() < 0.6:
            used = dice.randint(0, 20)
            for gate, call in zip((alone, shared), running.pop(0), strict=True):
                gate.ledger.spend("t", used * 1000)
                call.release(used)
    for pair in running:
        for call in pair:
            call.release(3)
    assert alone.ledger._held == {}
    with contextlib.suppress(KeyError):  # no quota
        assert shared.limits._accounts.budgets["quota:t"].held == 0
