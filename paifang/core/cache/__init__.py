"""The cache, and the push of changes between processes: in memory, or in Redis or Valkey.

A cache may forget anything at any moment, and everybody who asks it must manage without. So a
Redis that is away is no error here: reads find nothing, writes are dropped, one WARNING a minute
says so. What must not be lost belongs in the database.
"""

from paifang.core.cache.memory import MemoryCache
from paifang.core.cache.port import Cache, OnGap, OnMessage, Subscription
from paifang.core.settings import RedisSettings

__all__ = [
    "Cache",
    "MemoryCache",
    "OnGap",
    "OnMessage",
    "Subscription",
    "open_cache",
    "probe",
]


def open_cache(settings: RedisSettings, *, installation: str) -> Cache:
    """The cache the settings name: Redis if there is a URL, else this process's memory.

    Nothing is connected yet, and a Redis that is away is found out at the first use. One cache
    belongs to one event loop.

    Args:
        settings: URL and time-out.
        installation: Its id (:func:`~paifang.core.db.installation_id`), which stands in front of
            all keys and channels: another installation may use the same Redis.

    Raises:
        SettingsError: the URL is none.
    """
    if not settings.url.get_secret_value():
        return MemoryCache()
    from paifang.core.cache.redis import RedisCache  # noqa: PLC0415  # who has no Redis needs none

    return RedisCache(settings, namespace=f"paifang:{installation}")


async def probe(settings: RedisSettings) -> bool | None:
    """Whether the Redis that the settings name answers; None when they name none.

    Raises:
        SettingsError: the URL is none, or it names what can't be used: a cluster, a Sentinel.
    """
    if not settings.url.get_secret_value():
        return None
    from paifang.core.cache.redis import RedisCache  # noqa: PLC0415  # who has no Redis needs none

    cache = RedisCache(settings, namespace="paifang")
    try:
        return await cache.probe()
    finally:
        await cache.close()
