"""The cache: the same in memory and in Redis, and no error when Redis is away."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from paifang.core.cache import Cache, MemoryCache, open_cache, probe
from paifang.core.cache import redis as redis_module
from paifang.core.cache.redis import RedisCache
from paifang.core.ids import uuid7
from paifang.core.settings import RedisSettings, Secret, SettingsError
from plugins.others import RedisServer


def redis_cache(url: str, *, timeout: float = 2.0, **values) -> RedisCache:
    settings = RedisSettings(url=Secret(url), timeout=timeout)
    return RedisCache(settings, namespace=f"test:{uuid7().hex}", **values)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.needs("redis"))])
async def cache(request):
    made: Cache = MemoryCache()
    if request.param == "redis":
        made = redis_cache(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


# Both


async def test_a_value_comes_back_as_the_bytes_it_was(cache):
    value = bytes(range(256))
    await cache.set("area:thing", value, ttl=60)
    assert await cache.get("area:thing") == value
    assert await cache.get("area:other") is None


async def test_a_value_is_forgotten_when_deleted_and_when_its_time_is_over(cache):
    await cache.set("a", b"1", ttl=60)
    await cache.set("b", b"2", ttl=60)
    await cache.set("c", b"3", ttl=0.05)
    assert await cache.delete("a", "b", "never")
    assert await cache.delete()
    assert [await cache.get(k) for k in "ab"] == [None, None]
    await asyncio.sleep(0.1)
    assert await cache.get("c") is None


async def test_counting_starts_at_nought_and_keeps_the_first_time_to_live(cache):
    assert await cache.incr("n", ttl=0.3) == 1
    assert await cache.incr("n", ttl=60, by=4) == 5
    assert await cache.get("n") == b"5"
    await asyncio.sleep(0.35)
    assert await cache.incr("n", ttl=60) == 1


async def test_counting_what_is_no_count_is_refused(cache):
    await cache.set("n", b"text", ttl=60)
    with pytest.raises(ValueError):  # noqa: PT011  # int() and Redis word it differently
        await cache.incr("n", ttl=60)
    assert await cache.get("n") == b"text"


async def test_a_value_must_have_a_time_to_live(cache):
    with pytest.raises(ValueError, match="ttl"):
        await cache.set("a", b"1", ttl=0)
    with pytest.raises(ValueError, match="ttl"):
        await cache.incr("a", ttl=-1)


async def test_many_counting_at_once_lose_no_step(cache):
    await asyncio.gather(*(cache.incr("n", ttl=60) for _ in range(300)))
    assert await cache.get("n") == b"300"


async def test_a_message_reaches_every_subscriber_of_its_channel_in_order(cache):
    first, second, other = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
    await cache.subscribe("news", first.put)
    await cache.subscribe("news", second.put)
    await cache.subscribe("else", other.put)
    for n in range(20):
        assert await cache.publish("news", str(n).encode())
    for queue in (first, second):
        got = [await asyncio.wait_for(queue.get(), 5) for _ in range(20)]
        assert got == [str(n).encode() for n in range(20)]
    assert other.empty()


async def test_a_failing_subscriber_is_logged_and_goes_on(cache, caplog):
    got = asyncio.Queue()

    async def callback(payload):
        if payload == b"bad":
            raise RuntimeError("no luck")
        await got.put(payload)

    await cache.subscribe("news", callback)
    await cache.publish("news", b"bad")
    await cache.publish("news", b"good")
    assert await asyncio.wait_for(got.get(), 5) == b"good"
    assert "A subscriber of news failed" in caplog.text


async def test_a_closed_subscription_hears_nothing_more(cache):
    kept, closed = asyncio.Queue(), asyncio.Queue()
    subscription = await cache.subscribe("news", closed.put)
    await cache.subscribe("news", kept.put)
    await subscription.close()
    await subscription.close()
    await cache.publish("news", b"x")
    await asyncio.wait_for(kept.get(), 5)
    assert closed.empty()


async def test_a_callback_may_close_its_own_subscription(cache):
    got, kept = asyncio.Queue(), asyncio.Queue()

    async def callback(payload):
        await got.put(payload)
        await subscription.close()

    subscription = await cache.subscribe("news", callback)
    await cache.subscribe("news", kept.put)
    for payload in (b"1", b"2"):
        await cache.publish("news", payload)
        await asyncio.wait_for(kept.get(), 5)
    assert got.get_nowait() == b"1"
    assert got.empty()


# Memory


async def test_memory_forgets_the_least_recently_used_first():
    cache = MemoryCache(max_items=3)
    for key in "abc":
        await cache.set(key, b"x", ttl=60)
    await cache.get("a")
    await cache.set("d", b"x", ttl=60)
    assert [key for key in "abcd" if await cache.get(key)] == ["a", "c", "d"]


async def test_memory_is_bounded_in_bytes_too():
    cache = MemoryCache(max_bytes=10)
    await cache.set("a", b"12345", ttl=60)
    await cache.set("b", b"12345", ttl=60)
    await cache.set("a", b"1234567", ttl=60)
    assert await cache.get("b") is None
    assert await cache.get("a") == b"1234567"
    await cache.set("a", b"12345678901", ttl=60)
    assert await cache.get("a") is None
    await cache.set("c", b"1234567890", ttl=60)
    assert await cache.get("c") == b"1234567890"


async def test_memory_goes_by_its_own_clock():
    clock = Clock()
    cache = MemoryCache(clock=clock)
    await cache.set("a", b"x", ttl=10)
    clock.now += 9.9
    assert await cache.get("a") == b"x"
    clock.now += 0.1
    assert await cache.get("a") is None


# Redis


async def test_the_settings_choose_the_cache():
    assert isinstance(open_cache(RedisSettings(), installation="one"), MemoryCache)
    settings = RedisSettings(url=Secret("redis://127.0.0.1:1/0"))
    cache = open_cache(settings, installation="one")
    assert isinstance(cache, RedisCache)
    assert cache.namespace == "paifang:one"
    await cache.close()


def test_a_url_that_is_none_is_named_without_its_password():
    with pytest.raises(SettingsError, match="PAIFANG_REDIS_URL") as caught:
        open_cache(RedisSettings(url=Secret("http://user:hunter2@host")), installation="one")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://:hunter2@a:26379/mymaster/0", "Redis Sentinel"),
        ("sentinel://:hunter2@a:26379,b:26379", "Redis Sentinel"),
        ("rediss-sentinel://:hunter2@a", "Redis Sentinel"),
        ("redis+cluster://:hunter2@a:7000", "a Redis cluster"),
    ],
)
def test_what_is_not_supported_is_known_by_its_url(url: str, words: str):
    with pytest.raises(SettingsError, match=f"PAIFANG_REDIS_URL names {words}") as caught:
        open_cache(RedisSettings(url=Secret(url)), installation="one")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("says", [None, "standalone"])
async def test_a_node_of_a_cluster_is_refused(monkeypatch, redis_cluster_node, says):
    """Also where a proxy makes it pass for a single server."""

    async def info(_client, *_sections):
        return {"redis_mode": says}

    if says is not None:
        monkeypatch.setattr(AsyncRedis, "info", info)
    with pytest.raises(SettingsError, match="names a Redis cluster"):
        await probe(RedisSettings(url=Secret(redis_cluster_node.url)))


async def test_a_sentinel_is_refused(redis_server, monkeypatch):
    """As one says what it is; a real one needs a configuration that it may write."""

    async def info(_client, *_sections):
        return {"redis_mode": "sentinel"}

    monkeypatch.setattr(AsyncRedis, "info", info)
    with pytest.raises(SettingsError, match="names Redis Sentinel"):
        await probe(RedisSettings(url=Secret(redis_server.url)))


async def test_a_redis_that_can_be_used_is_known_from_one_that_is_away(redis_server):
    settings = RedisSettings(url=Secret(redis_server.url))
    assert await probe(settings) is True
    redis_server.stop()
    assert await probe(settings) is False
    assert await probe(RedisSettings()) is None


async def test_installations_in_one_redis_do_not_see_each_other(redis_url):
    one, two = redis_cache(redis_url), redis_cache(redis_url)
    got = asyncio.Queue()
    await two.subscribe("news", got.put)
    await one.set("k", b"1", ttl=60)
    assert await two.get("k") is None
    await one.publish("news", b"not for two")
    await two.publish("news", b"for two")
    assert await asyncio.wait_for(got.get(), 5) == b"for two"
    await one.close()
    await two.close()


@contextlib.contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """The server keeps its connections and says nothing."""
    with contextlib.closing(Redis.from_url(server.url)) as client:
        process = client.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_redis_that_is_away_is_no_error_and_its_return_is_noticed(
    redis_server, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "paifang")
    monkeypatch.setattr(redis_module, "PAUSE", 0.05)
    cache = redis_cache(redis_server.url)
    await cache.set("k", b"1", ttl=60)
    assert await cache.get("k") == b"1"

    redis_server.stop()
    for _ in range(3):
        await cache.set("k", b"2", ttl=60)
        assert await cache.get("k") is None
        assert await cache.incr("n", ttl=60) is None
        assert await cache.delete("k") is False
        assert await cache.publish("c", b"x") is False
        assert await cache.ping() is False
        await asyncio.sleep(0.06)
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "Redis does not answer" in warnings[0].getMessage()

    redis_server.start()
    await asyncio.sleep(0.06)
    assert await cache.incr("n", ttl=60) == 1
    assert await cache.get("k") is None
    assert caplog.messages.count("Redis answers again") == 1
    await cache.close()


async def test_a_redis_that_is_restarted_between_two_calls_is_not_noticed(redis_server):
    cache = redis_cache(redis_server.url)
    assert await cache.incr("n", ttl=60) == 1
    redis_server.stop()
    redis_server.start()
    await asyncio.sleep(0.05)  # the loop hears that the old connection was closed
    assert await cache.incr("n", ttl=60) == 1
    await cache.close()


async def test_a_silent_redis_is_waited_for_once_and_then_left_alone(redis_server):
    cache = redis_cache(redis_server.url, timeout=0.3)
    await cache.set("k", b"1", ttl=60)
    loop = asyncio.get_running_loop()
    with frozen(redis_server):
        started = loop.time()
        assert await cache.get("k") is None
        assert 0.25 < loop.time() - started < 1.2
        started = loop.time()
        for _ in range(10):
            assert await cache.get("k") is None
        assert loop.time() - started < 0.25
    await asyncio.sleep(redis_module.PAUSE)
    assert await cache.get("k") == b"1"
    await cache.close()


async def test_a_call_that_is_cancelled_leaves_no_answer_for_the_next(redis_server):
    cache = redis_cache(redis_server.url)
    await cache.set("a", b"of a", ttl=60)
    await cache.set("b", b"of b", ttl=60)
    with frozen(redis_server):
        calls = [asyncio.create_task(cache.get("a")) for _ in range(5)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    assert [await cache.get("b") for _ in range(10)] == [b"of b"] * 10
    await cache.close()


async def test_a_subscription_survives_a_restart_and_tells_of_the_gap(redis_server):
    cache = redis_cache(redis_server.url)
    got, gaps = asyncio.Queue(), asyncio.Queue()

    async def on_gap():
        await gaps.put("gap")

    await cache.subscribe("news", got.put, on_gap=on_gap)
    await cache.publish("news", b"before")
    assert await asyncio.wait_for(got.get(), 5) == b"before"
    assert gaps.empty()

    redis_server.stop()
    await cache.publish("news", b"lost")
    redis_server.start()
    assert await asyncio.wait_for(gaps.get(), 15) == "gap"
    assert await cache.publish("news", b"after")
    assert await asyncio.wait_for(got.get(), 5) == b"after"
    assert got.empty()
    await cache.close()


async def test_a_subscription_made_while_redis_is_away_begins_with_a_gap(redis_server):
    redis_server.stop()
    cache = redis_cache(redis_server.url, timeout=0.1)
    got, gap = asyncio.Queue(), asyncio.Event()

    async def on_gap():
        gap.set()

    await asyncio.wait_for(cache.subscribe("news", got.put, on_gap=on_gap), 5)
    assert not gap.is_set()
    redis_server.start()
    await asyncio.wait_for(gap.wait(), 15)
    await cache.publish("news", b"x")
    assert await asyncio.wait_for(got.get(), 5) == b"x"
    await cache.close()


async def test_a_subscription_notices_a_server_that_fell_silent(redis_server):
    cache = redis_cache(redis_server.url, timeout=0.2, idle_check=0.1)
    gap, got = asyncio.Event(), asyncio.Queue()

    async def on_gap():
        gap.set()

    await cache.subscribe("news", got.put, on_gap=on_gap)
    await asyncio.sleep(0.5)  # several checks pass on a quiet day
    assert not gap.is_set()
    with frozen(redis_server):
        await asyncio.sleep(0.6)
    await asyncio.wait_for(gap.wait(), 15)
    await cache.publish("news", b"x")
    assert await asyncio.wait_for(got.get(), 5) == b"x"
    await cache.close()
