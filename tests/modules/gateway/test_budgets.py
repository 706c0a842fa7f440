"""What a group has left is split anew before one token is held up while others still have some."""

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from paifang.core.auth import Principal
from paifang.core.db import Database, utc_now
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.relay.snapshot import Snapshot
from paifang.modules.gateway.snapshot.budgets import Budgets
from paifang.modules.gateway.snapshot.loader import Loader
from paifang.modules.gateway.snapshot.records import Budget
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token

QUOTA = 1_000


async def spend(db: Database, name: str, nanos: int) -> None:
    """As the flusher counts it."""
    async with db.transaction() as session:
        token = update(Token).where(Token.name == name).values(used=Token.used + nanos)
        await session.execute(unscoped(token, "a test"))
        group = update(Group).values(used=Group.used + nanos, last_used_at=utc_now())
        await session.execute(unscoped(group, "a test"))


class Seen:
    """The snapshots a loader made."""

    def __init__(self) -> None:
        self.now = Snapshot()
        self.loads = 0

    def use(self, snapshot: Snapshot) -> None:
        self.now = snapshot
        self.loads += 1

    def left(self) -> dict[str, int]:
        """What each token may still spend."""
        return {t.name: (t.quota or 0) - t.used for t in self.now.tokens.values()}


@pytest.fixture
async def made_group(db: Database, actor: Principal) -> None:
    async with db.transaction() as session:
        await groups.create(session, actor=actor, group_id="g", quota=QUOTA)
        for name in ("a", "b"):
            await tokens.create(session, actor=actor, group_id="g", name=name)


@pytest.mark.usefixtures("made_group")
async def test_one_busy_token_reaches_nearly_all_of_it_and_together_never_more(
    db: Database, runtime: Runtime
) -> None:
    seen = Seen()
    loader = Loader(db, runtime.secrets, seen.use, 3600.0)
    await loader.start()
    budgets = Budgets(db, loader)
    assert seen.left() == {"a": 500, "b": 500}
    assert not await budgets.look()
    await spend(db, "a", 249)
    assert not await budgets.look()
    await spend(db, "a", 1)
    assert await budgets.look()
    assert seen.left() == {"a": 375, "b": 375}
    spent = 250
    for _ in range(60):
        left = seen.left()["a"]
        if left < 2:
            break
        await spend(db, "a", left // 2 + left % 2)
        spent += left // 2 + left % 2
        await budgets.look()
        assert spent + sum(seen.left().values()) <= QUOTA
    assert spent >= QUOTA - 4
    await loader.close()


@pytest.mark.usefixtures("made_group")
async def test_nothing_is_loaded_for_a_group_that_has_nothing_left_or_one_token(
    db: Database, runtime: Runtime, api: httpx.AsyncClient
) -> None:
    seen = Seen()
    loader = Loader(db, runtime.secrets, seen.use, 3600.0)
    await loader.start()
    budgets = Budgets(db, loader)
    await spend(db, "a", QUOTA)
    await loader.reload()
    assert seen.left() == {"a": 0, "b": 0}
    loads = seen.loads
    await spend(db, "b", 1)
    assert not await budgets.look()
    assert seen.loads == loads
    await loader.close()
    one = Budget(quota=10, used=0, tokens=1)
    assert (one.share, one.wants_split(10)) == (10, False)
    over: Any = Budget(quota=10, used=12, tokens=3)
    assert (over.share, over.wants_split(15)) == (0, False)
    assert (await api.get("/groups/g")).status_code == 200
