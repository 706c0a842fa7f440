"""How gateway processes share their limits through one Redis."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import select

from paifang.core.cache import Cache
from paifang.core.db import Database
from paifang.core.leases import SharedLimits
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.gateway.processes.errors import GatewayRefused, GatewayStopped
from paifang.modules.gateway.processes.guard import DEAD_SECONDS, list_alive
from paifang.modules.gateway.relay.shared import PREFIX
from paifang.modules.gateway.tokens.models import Token

REDIS: Final = "redis"
"""What processes that share their limits write into their row."""

AT_ONCE = 500
"""Tokens that are looked up in one statement."""

_OTHER_REDIS = "another redis"


async def join(
    runtime: Runtime, cache: Cache, process: str, undo: contextlib.AsyncExitStack
) -> SharedLimits | None:
    """Take part in the limits that are shared; None without Redis.

    Args:
        runtime: Of this process.
        cache: Redis, if there is one.
        process: The id in this process's row.
        undo: Gets what gives the leases back.
    """
    if not cache.shared:
        return None
    from paifang.core.cache.redis import RedisCache  # noqa: PLC0415  # who has no Redis needs none

    assert isinstance(cache, RedisCache)  # noqa: S101  # no other cache is shared

    async def spent(key: str) -> int:
        return (await used(runtime.db, [key])).get(key, 0)

    limits = SharedLimits(cache, spent, process)
    await limits.start()
    undo.push_async_callback(limits.close)
    return limits


async def meet_others(runtime: Runtime, limits: SharedLimits) -> None:
    """Make sure that the others share their limits through the same Redis.

    One that is away can't be asked: go on. A living process is in it within a second or two of
    its start, or of the loss of all that Redis had; a dead one is no longer listed after
    :data:`DEAD_SECONDS`.

    Raises:
        GatewayRefused: one does not; two Redis would count each limit twice.
        GatewayStopped: this process is to stop, and looks still.
    """
    deadline = time.monotonic() + DEAD_SECONDS + 2
    while True:
        others = await list_alive(runtime.db, runtime.settings.home)
        strangers = [
            other
            for other in others
            if other.id != limits.process and await limits.meets(other.id) is False
        ]
        if not strangers:
            return
        if runtime.draining:
            raise GatewayStopped(strangers[0].place)
        if time.monotonic() >= deadline:
            raise GatewayRefused(strangers[0].place, shares=REDIS, other_shares=_OTHER_REDIS)
        await asyncio.sleep(0.25)


class Books:
    """Tells the shared limits what the database has; see :class:`~..logs.flusher.Watcher`."""

    def __init__(self, database: Database, limits: SharedLimits) -> None:
        self._database = database
        self._limits = limits

    def unshipped(self) -> Mapping[str, int]:
        """What is spent and not stored yet, by budget."""
        return self._limits.unshipped()

    async def shipped(self, before: Mapping[str, int]) -> None:
        """All of that is stored, and others may have stored more."""
        keys = list(before)
        for at in range(0, len(keys), AT_ONCE):
            found = await used(self._database, keys[at : at + AT_ONCE])
            self._limits.shipped(before, found)


async def used(database: Database, keys: list[str]) -> dict[str, int]:
    """Nanos that tokens have spent as far as the database knows, by the keys of their budgets."""
    ids = [UUID(key.removeprefix(PREFIX)) for key in keys]
    async with database.reading() as session:
        statement = unscoped(
            select(Token.id, Token.used).where(Token.id.in_(ids)), "the relay serves every token"
        )
        rows = await session.execute(statement)
        return {f"{PREFIX}{id_}": spent for id_, spent in rows}
