"""MariaDB: the machine's own when root has no password there, else a private server."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncmy

from scripts.services.base import (
    Service,
    Unavailable,
    account,
    free_port,
    given,
    in_own_loop,
    install,
    port_of,
    run,
    start,
    temporary_folder,
)

KEY = "MARIADB"
PORT = 3306
OLDEST = (10, 6)
"""The oldest version that its makers still support."""


def acquire(stack: ExitStack) -> Service:
    """A MariaDB on which databases can be made.

    Raises:
        Unavailable: with the reason.
    """
    if url := given(f"{KEY}_URL"):
        try:
            return Service(KEY, url, version(url), "as PAIFANG_TEST_MARIADB_URL says")
        except Exception as error:
            raise Unavailable(f"PAIFANG_TEST_MARIADB_URL: {error}") from error
    return find() or start_private(stack)


def find() -> Service | None:
    """The server on the usual loopback port, if root gets in without a password."""
    port = port_of(KEY, PORT)
    url = f"mariadb://root@127.0.0.1:{port}/mysql"
    try:
        return Service(KEY, url, version(url), f"at 127.0.0.1:{port}")
    except (OSError, TimeoutError, asyncmy.errors.MySQLError, Unavailable):
        return None


def version(url: str) -> str:
    """What it says it is.

    Raises:
        Unavailable: it is not MariaDB, or too old.
    """
    return in_own_loop(_version(url))


async def _version(url: str) -> str:
    parts = urlsplit(url)
    connection: Any = await asyncmy.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or PORT,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        connect_timeout=5,
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("select version()")
            text = str((await cursor.fetchone())[0])
    finally:
        await connection.ensure_closed()
    if "mariadb" not in text.lower():
        raise Unavailable(f"{text} is not MariaDB")
    number = text.partition("-")[0]
    if tuple(int(part) for part in number.split(".")[:2]) < OLDEST:
        raise Unavailable(f"MariaDB {number} is older than {'.'.join(map(str, OLDEST))}")
    return f"MariaDB {number}"


def start_private(stack: ExitStack) -> Service:
    """A private server from the installed programs, on a free loopback port.

    As root on Debian the programs are installed first: the core package has them without the
    service, so nothing keeps running afterwards.
    """
    if not _program("mariadbd") or not _program("mariadb-install-db"):
        install("mariadb-server-core", "mariadb-client-core")
    server, make = _program("mariadbd"), _program("mariadb-install-db")
    if not server or not make:
        raise Unavailable("mariadbd or mariadb-install-db is not installed")
    user = account("mysql", "nobody")
    folder = stack.enter_context(temporary_folder(user))
    data = folder / "data"
    data.mkdir()
    if user:
        shutil.chown(data, user.uid, user.gid)
    common = ["--no-defaults", f"--datadir={data}"]
    authentication = "--auth-root-authentication-method=normal"
    run([make, *common, authentication, "--skip-test-db", "--skip-name-resolve"], user)
    port = free_port()
    url = f"mariadb://root@127.0.0.1:{port}/mysql"
    start(
        stack,
        [
            server,
            *common,
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={folder / 'mariadb.sock'}",
            f"--pid-file={folder / 'mariadb.pid'}",
            f"--tmpdir={folder}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--max-connections=300",
            "--skip-log-bin",
            # Tests kill our processes, never the machine: nothing here must survive a power cut.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
        ],
        ready=lambda: version(url),
        log=folder / "mariadb.log",
        user=user,
    )
    return Service(KEY, url, version(url), "started for this run")


def _program(name: str) -> str | None:
    # Debian keeps servers in /usr/sbin, which is not on everybody's path.
    found = shutil.which(name)
    beside = Path("/usr/sbin") / name
    return found or (str(beside) if beside.is_file() else None)
