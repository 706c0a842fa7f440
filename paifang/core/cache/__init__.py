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
]


def open_cache(settings: RedisSettings, *, namespace: str = "paifang") -> Cache:
    """The cache the settings name: Redis if there is a URL, else this process's memory.

    Nothing is connected yet, and a Redis that is away is found out at the first use. One cache
    belongs to one event loop.

    Raises:
        SettingsError: the URL is none.
    """
    if not settings.url.get_secret_value():
        return MemoryCache()
    from paifang.core.cache.redis import RedisCache  # noqa: PLC0415  # who has no Redis needs none

    return RedisCache(settings, namespace=namespace)
