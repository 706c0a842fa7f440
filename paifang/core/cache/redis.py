"""The cache that processes share, in Redis or Valkey."""

import asyncio
import contextlib
import functools
import hashlib
import logging
import time
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterCrossSlotError,
    ClusterError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from paifang.core.cache.port import OnGap, OnMessage, Subscription, Worker, check_ttl, safely
from paifang.core.settings import RedisSettings, SettingsError

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONNECTIONS = 50
"""Connections to Redis one process opens at most, one for each subscription included."""
WARN_EVERY = 60.0
PAUSE = 1.0
"""Seconds without asking a Redis that did not answer: no request waits for it twice."""

_INCR = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return count
"""
_AWAY = (RedisError, OSError, TimeoutError)

_HOW = "write it like redis://user:password@host:6379/0"
_UNSUPPORTED = {
    "cluster": "PAIFANG_REDIS_URL names a Redis cluster, which is not supported: the limits of a "
    "call are decided in one step, and a cluster keeps them on several servers. Name a single "
    f"server; {_HOW}",
    "sentinel": "PAIFANG_REDIS_URL names Redis Sentinel, which is not supported. Name the Redis "
    f"itself, or a proxy that follows its primary; {_HOW}",
}


class RedisCache:
    """A cache that processes share, in Redis 6 or newer, or Valkey.

    After a failure it does not ask for ``PAUSE`` seconds, except where the caller learns of it
    (``delete``, ``publish``, ``ping``). ``incr`` is never repeated by itself; when an answer got
    lost, the step may have been counted.

    Args:
        settings: URL and time-out.
        namespace: Put in front of every key and channel, for several installations in one Redis.
        idle_check: Seconds of silence after which a subscription asks whether its server is
            still there; without it a cut cable would look like a quiet day.
    """

    shared = True

    def __init__(self, settings: RedisSettings, *, namespace: str, idle_check: float = 5.0) -> None:
        self.namespace = namespace
        self.timeout = settings.timeout
        self.idle_check = idle_check
        url = settings.url.get_secret_value()
        scheme = url.partition("://")[0].lower()
        for kind, refusal in _UNSUPPORTED.items():  # redis+sentinel, rediss-cluster and so on
            if kind in scheme:
                raise SettingsError(refusal)
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                # Callers beyond that wait for a connection as they would wait for an answer.
                max_connections=CONNECTIONS,
                timeout=settings.timeout,
                socket_timeout=settings.timeout,
                socket_connect_timeout=settings.timeout,
                retry=Retry(NoBackoff(), 0),
                # Under protocol 3 the client does not notice that a pooled connection is stale.
                protocol=2,
            )
        except ValueError as error:
            raise SettingsError(f"PAIFANG_REDIS_URL is not the URL of a Redis; {_HOW}") from error
        self.client: Redis = Redis.from_pool(pool)
        self._asks_again_at = float("-inf")
        self._warned_at = float("-inf")
        self._away = False
        self._workers: set[Worker] = set()

    def _key(self, key: str) -> str:
        return f"{self.namespace}:{key}"

    async def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        if self._pausing():
            return None
        found = await self._ask(self.client.get(self._key(key)), None)
        return found.encode() if isinstance(found, str) else found

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See :class:`Cache`."""
        check_ttl(ttl)
        if not self._pausing():
            await self._ask(self.client.set(self._key(key), value, px=_millis(ttl)), None)

    async def delete(self, *keys: str) -> bool:
        """See :class:`Cache`."""
        if not keys:
            return True
        return await self._ask(self.client.delete(*map(self._key, keys)), None) is not None

    async def incr(self, key: str, *, ttl: float, by: int = 1) -> int | None:
        """See :class:`Cache`."""
        check_ttl(ttl)
        if self._pausing():
            return None
        call = self.client.eval(_INCR, 1, self._key(key), str(by), str(_millis(ttl)))
        count: int | None = await self._ask(call, None)
        return count

    async def publish(self, channel: str, payload: bytes) -> bool:
        """See :class:`Cache`."""
        call = self.client.publish(self._key(channel), payload)
        return await self._ask(call, None) is not None

    async def subscribe(
        self, channel: str, callback: OnMessage, *, on_gap: OnGap | None = None
    ) -> Subscription:
        """See :class:`Cache`; on a connection of its own, made again when it breaks."""
        connected = asyncio.Event()
        work = self._listen_forever(channel, callback, on_gap, connected)
        worker = Worker(work, among=self._workers)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(connected.wait(), 2 * self.timeout)
        connected.set()  # whoever connects later has a gap
        return worker

    async def ping(self) -> bool:
        """See :class:`Cache`."""
        return await self._ask(self.client.ping(), None) is not None

    async def probe(self) -> bool:
        """Whether a Redis that can be used answers; one that is away is not known.

        Raises:
            SettingsError: it is a node of a cluster, or a Sentinel.
        """
        try:
            mode = await self._mode()
        except _AWAY:
            return False
        if mode in _UNSUPPORTED:
            raise SettingsError(_UNSUPPORTED[mode])
        return True

    async def _mode(self) -> str:
        try:
            info = await self.client.info("server")
        except ResponseError:  # it may be forbidden
            info = {}
        mode = str(info.get("redis_mode") or info.get("server_mode") or "")
        if mode not in _UNSUPPORTED:
            try:
                # Through a proxy a cluster may pass for one server.
                await self.client.eval("return 1", 2, self._key("probe:1"), self._key("probe:2"))
            except (ClusterCrossSlotError, ClusterError):
                return "cluster"
        return mode

    async def run_script(
        self, script: str, calls: Sequence[tuple[list[str], list[Any]]]
    ) -> list[Any] | None:
        """Run a Lua script some times, in order and in one round trip.

        Not a part of :class:`Cache`: memory has no scripts. A run is never repeated; when the
        answers got lost, it may have happened.

        Args:
            script: Its text, sent only to a server that does not have it yet.
            calls: Keys and arguments of each run.

        Returns:
            The answers, or None when Redis is away.
        """
        if self._pausing():
            return None
        return await self._ask(self._run_script(script, calls), None)

    async def _run_script(
        self, script: str, calls: Sequence[tuple[list[str], list[Any]]]
    ) -> list[Any]:
        digest = _digest(script)
        answers: list[Any] = []
        loaded = False
        while len(answers) < len(calls):
            pipeline = self.client.pipeline(transaction=False)
            for keys, arguments in calls[len(answers) :]:
                pipeline.evalsha(digest, len(keys), *map(self._key, keys), *arguments)
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, NoScriptError) and not loaded:
                    # None of those behind it has run either.
                    await self.client.script_load(script)
                    loaded = True
                    break
                if isinstance(answer, Exception):
                    raise answer
                answers.append(answer)
        return answers

    async def close(self) -> None:
        """See :class:`Cache`."""
        for worker in list(self._workers):
            await worker.close()
        await self.client.aclose()

    async def _listen_forever(
        self,
        channel: str,
        callback: OnMessage,
        on_gap: OnGap | None,
        connected: asyncio.Event,
    ) -> None:
        delay = 0.05
        failed = False
        while True:
            try:
                async with self.client.pubsub() as pubsub:
                    await pubsub.subscribe(self._key(channel))
                    await self._confirmed(pubsub)
                    self._answered()
                    delay = 0.05
                    if on_gap and (failed or connected.is_set()):
                        await safely(on_gap(), channel)
                    connected.set()
                    await self._listen(pubsub, channel, callback)
            except Exception as error:  # noqa: BLE001  # whatever it is, listening must go on
                self._failed(error)
            failed = True
            await asyncio.sleep(delay)
            delay = min(2 * delay, 2.0)

    async def _confirmed(self, pubsub: PubSub) -> None:
        message = await pubsub.get_message(timeout=self.timeout)
        if message is None or message["type"] != "subscribe":
            raise TimeoutError("the subscription was not confirmed")

    async def _listen(self, pubsub: PubSub, channel: str, callback: OnMessage) -> None:
        """Deliver messages until the connection is lost."""
        asked = False
        while True:
            message = await pubsub.get_message(timeout=self.timeout if asked else self.idle_check)
            if message is None:
                if asked:
                    raise TimeoutError("the subscription's connection is dead")
                await pubsub.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "message":
                await safely(callback(message["data"]), channel)
            elif message["type"] == "subscribe":
                # The client has connected again by itself: treat it as the break it was.
                raise ConnectionError("the subscription's connection was replaced")

    def _pausing(self) -> bool:
        return time.monotonic() < self._asks_again_at

    async def _ask(self, call: Awaitable[T], otherwise: T) -> T:
        try:
            answer = await call
        except ResponseError as error:
            if "not an integer" in str(error):
                raise ValueError("the key holds something that is no count") from error
            if isinstance(error, ReadOnlyError):  # it is a replica now: its address has moved
                await self.client.connection_pool.disconnect()
            self._failed(error)
            return otherwise
        except _AWAY as error:
            self._failed(error)
            return otherwise
        self._answered()
        return answer

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        self._away = True
        self._asks_again_at = now + PAUSE
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            logger.warning(
                "Redis does not answer, going on without it: %s: %s", type(error).__name__, error
            )

    def _answered(self) -> None:
        self._asks_again_at = float("-inf")
        if self._away:
            self._away = False
            logger.info("Redis answers again")


@functools.cache
def _digest(script: str) -> str:
    """What Redis knows a script by."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _millis(seconds: float) -> int:
    return max(1, round(seconds * 1000))
