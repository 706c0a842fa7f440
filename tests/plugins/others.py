"""Redis and PostgreSQL of a test's own, the browser and the local model, for tests that ask."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis import Redis, WatchError
from redis.asyncio import Redis as AsyncRedis

from plugins.needs import NOT_RUN, require
from scripts.services import Unavailable
from scripts.services import postgresql as postgresql_service
from scripts.services import redis as redis_service
from scripts.services.base import free_port, is_alive

LEASE = "paifang:test:lease"
"""Key that holds the process a numbered database is lent to; it is the only key at a test's
start. A database with other keys is somebody's and never touched."""

DATABASES = range(1, 16)
"""Redis has sixteen by default; 0 is what people use."""


@pytest.fixture(scope="session")
def _redis_database() -> Iterator[str]:
    """The address of a numbered database that is ours alone."""
    parts = urlsplit(require("REDIS"))
    for number in DATABASES:
        url = urlunsplit(parts._replace(path=f"/{number}"))
        with contextlib.closing(Redis.from_url(url)) as client:
            if _lease(client):
                yield url
                client.flushdb()
                return
    pytest.fail("all databases of this Redis are in use; give another in PAIFANG_TEST_REDIS_URL")


def _lease(client: "Redis") -> bool:
    if client.set(LEASE, os.getpid(), nx=True):
        if client.dbsize() == 1:
            return True
        client.delete(LEASE)
        return False
    holder = client.get(LEASE)
    if holder is None or is_alive(int(holder)):
        return False
    with client.pipeline() as pipe:
        pipe.watch(LEASE)  # type: ignore[no-untyped-call]  # redis has no types there
        if pipe.get(LEASE) != holder:
            return False
        pipe.multi()
        pipe.flushdb()
        pipe.set(LEASE, os.getpid())
        try:
            pipe.execute()
        except WatchError:
            return False
    return True


@pytest.fixture
def redis_url(_redis_database: str) -> Iterator[str]:
    """A Redis database of this process, emptied after the test.

    Numbered databases share their channels: a message published by another process's test may
    arrive here too. A test that can't bear it takes ``redis_server``.
    """
    yield _redis_database
    empty(_redis_database)


def empty(url: str) -> None:
    """Empty a database that is ours; it stays so."""
    with contextlib.closing(Redis.from_url(url)) as client, client.pipeline() as pipe:
        pipe.flushdb()
        pipe.set(LEASE, os.getpid())
        pipe.execute()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[AsyncRedis]:
    """A client of ``redis_url``."""
    client = AsyncRedis.from_url(redis_url)
    yield client
    await client.aclose()


class RedisServer:
    """A Redis of the test's own, which it may stop and start again at the same address."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._running = ExitStack()

    def start(self) -> None:
        """Start it, empty; returns when it answers."""
        redis_service.start_private(self._running, self.port, *self._options)

    def stop(self) -> None:
        """Stop it; returns when it is gone."""
        self._running.close()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running Redis of the test's own."""
    require("REDIS")
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_cluster_node() -> Iterator[RedisServer]:
    """A Redis that runs as a node of a cluster."""
    require("REDIS")
    server = RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.start()
    yield server
    server.stop()


class PostgresServer:
    """A PostgreSQL of the test's own, which it may stop and start again at the same address."""

    def __init__(self, stack: ExitStack) -> None:
        self._cluster = postgresql_service.Cluster(stack)
        self._running = ExitStack()
        self.url = self._cluster.url

    def start(self) -> None:
        """Start it with the data it had; returns when it answers."""
        self._cluster.start(self._running)

    def stop(self) -> None:
        """Stop it, cutting off who is connected; returns when it is gone."""
        self._running.close()


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL of the test's own."""
    with ExitStack() as stack:
        try:
            server = PostgresServer(stack)
        except Unavailable as reason:
            pytest.skip(f"{NOT_RUN}postgresql: {reason}")
        server.start()
        stack.callback(server.stop)
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    return require("CHROMIUM")


@pytest.fixture(scope="session")
def local_model() -> Path:
    """The GGUF file of the small language model."""
    return Path(require("MODEL"))
