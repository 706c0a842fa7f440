"""Servers for tests: found where they are, started where they are not, and stopped again."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError as RedisGone

from plugins import others
from scripts.services import Unavailable, base, mariadb, postgresql, redis

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", [postgresql, redis])
def test_a_private_server_answers_and_is_gone_afterwards(kind: object) -> None:
    start = getattr(kind, "start_embedded", None) or kind.start_private
    with ExitStack() as stack:
        service = start(stack)
        assert kind.version(service.url) == service.version
        assert service.origin.endswith("started for this run")
    with pytest.raises(Exception, match=r"(?i)refused|connect"):
        kind.version(service.url)


@pytest.mark.parametrize("kind", [postgresql, mariadb, redis])
def test_nothing_is_found_where_nobody_listens(
    kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PAIFANG_TEST_{kind.KEY}_PORT", str(base.free_port()))
    assert kind.find() is None


@pytest.mark.parametrize("kind", [postgresql, mariadb, redis])
def test_an_address_that_was_given_and_is_wrong_is_named(
    kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = base.free_port()
    scheme = {"POSTGRESQL": "postgresql", "MARIADB": "mariadb", "REDIS": "redis"}[kind.KEY]
    monkeypatch.setenv(f"PAIFANG_TEST_{kind.KEY}_URL", f"{scheme}://root@127.0.0.1:{port}/0")
    with (
        ExitStack() as stack,
        pytest.raises(Unavailable, match=f"PAIFANG_TEST_{kind.KEY}_URL"),
    ):
        kind.acquire(stack)


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(Unavailable, match="did not start: no such option"):
        base.start(
            stack,
            [sys.executable, "-c", "print('no such option'); raise SystemExit(3)"],
            ready=lambda: (_ for _ in ()).throw(OSError("not yet")),
            log=tmp_path / "log",
        )


def test_a_program_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(Unavailable, match="nonexistent"):
        base.start(stack, ["/nonexistent"], ready=lambda: None, log=tmp_path / "log")
    with pytest.raises(Unavailable, match="nonexistent"):
        base.run(["/nonexistent"])


def test_folders_of_dead_processes_are_removed_and_others_left() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = Path(tempfile.mkdtemp(prefix=f"{base.FOLDER}{ended.pid}-"))
    ours = Path(tempfile.mkdtemp(prefix=f"{base.FOLDER}{os.getpid()}-"))
    with base.temporary_folder() as folder:
        assert folder.is_dir()
        assert not dead.exists()
        assert ours.exists()
    assert not folder.exists()
    ours.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_servers_end_with_a_run_that_is_killed() -> None:
    code = (
        "import sys, time\nfrom contextlib import ExitStack\nfrom scripts.services import redis\n"
        "with ExitStack() as stack:\n"
        "    print(redis.start_private(stack).url, flush=True)\n    time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.stdout
    url = run.stdout.readline().decode().strip()
    assert redis.version(url)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()

    deadline = time.monotonic() + 10
    with pytest.raises(RedisGone):
        while time.monotonic() < deadline:
            redis.version(url)


async def test_the_redis_of_a_test_starts_empty(redis: AsyncRedis, redis_url: str) -> None:
    assert await redis.keys("*") == [others.LEASE.encode()]
    await redis.set("left", "behind")
    assert await redis.get("left") == b"behind"


async def test_the_redis_of_the_next_test_too(redis: AsyncRedis) -> None:
    assert await redis.keys("*") == [others.LEASE.encode()]


def test_a_numbered_database_is_lent_once_and_taken_back_from_the_dead(
    redis_server: others.RedisServer,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with contextlib.closing(Redis.from_url(redis_server.url)) as client:
        client.set("somebody", "else")
        assert not others._lease(client)
        assert client.keys("*") == [b"somebody"]
        client.flushdb()
        assert others._lease(client)
        assert not others._lease(client)
        client.set(others.LEASE, ended.pid)
        client.set("left", "behind")
        assert others._lease(client)
        assert client.keys("*") == [others.LEASE.encode()]


def test_a_test_may_stop_its_redis_and_start_it_again(redis_server: others.RedisServer) -> None:
    assert redis.version(redis_server.url)
    redis_server.stop()
    with pytest.raises(RedisGone):
        redis.version(redis_server.url)
    redis_server.start()
    assert redis.version(redis_server.url)
