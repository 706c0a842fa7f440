"""How a gateway process decides on limits: alone, or with others through one Redis."""

import asyncio
import contextlib
import time
from typing import Final
from uuid import UUID

from sqlalchemy import select

from paifang.core.cache import Cache
from paifang.core.leases import SharedLimits
from paifang.core.limits import Limiter
from paifang.core.runtime import Runtime
from paifang.modules.gateway.processes.errors import GatewayRefused
from paifang.modules.gateway.processes.guard import list_alive
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.shared import PREFIX, SharedAdmission
from paifang.modules.gateway.tokens.models import Token

REDIS: Final = "redis"
"""What processes that share their limits write into their row."""

_OTHER_REDIS = "another redis"
_MEETING_SECONDS = 3.0
"""What a living process takes at most to register anew in a Redis that has lost everything."""


async def admission(
    runtime: Runtime, cache: Cache, process: str, undo: contextlib.AsyncExitStack
) -> Admission | SharedAdmission:
    """What decides whether calls may begin.

    Args:
        runtime: Of this process.
        cache: Redis, if there is one.
        process: The id in this process's row.
        undo: Gets what gives the leases back.

    Raises:
        GatewayRefused: another process that serves this database is not in the same Redis.
    """
    if not cache.shared:
        return Admission(Limiter())
    from paifang.core.cache.redis import RedisCache  # noqa: PLC0415  # who has no Redis needs none

    assert isinstance(cache, RedisCache)  # noqa: S101  # no other cache is shared

    async def spent(key: str) -> int:
        """Nanos that the database knows of."""
        async with runtime.db.reading() as session:
            used = await session.scalar(
                select(Token.used).where(Token.id == UUID(key.removeprefix(PREFIX)))
            )
        return used or 0

    limits = SharedLimits(cache, spent, process)
    await limits.start()
    undo.push_async_callback(limits.close)
    await _meet_others(runtime, limits)
    return SharedAdmission(limits)


async def _meet_others(runtime: Runtime, limits: SharedLimits) -> None:
    """Two Redis would count each limit twice. One that is away can't be asked: go on."""
    others = await list_alive(runtime.db, runtime.settings.home)
    deadline = time.monotonic() + _MEETING_SECONDS
    for other in others:
        while other.id != limits.process and await limits.meets(other.id) is False:
            if time.monotonic() >= deadline:
                raise GatewayRefused(other.place, shares=REDIS, other_shares=_OTHER_REDIS)
            await asyncio.sleep(0.2)
