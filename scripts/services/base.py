"""What the servers have in common: ports, temporary folders, processes that end with us."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

PREFIX = "PAIFANG_TEST_"
"""Of every variable that tells tests what to use."""

FOLDER = "paifang-test-"
"""Temporary folders are ``paifang-test-<pid>-…``: a later run removes those of dead processes."""

START_SECONDS = 60.0
"""How long a server may take to answer; a machine under load is slow."""

Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Unavailable(Exception):
    """A server can't be had here; the message says why in one line."""


@dataclass(frozen=True)
class Service:
    """Something tests can use."""

    key: str
    """As in the variables: ``POSTGRESQL`` for ``PAIFANG_TEST_POSTGRESQL_URL``."""
    url: str
    """Its address; a path for a program or a file."""
    version: str
    """Name and version, as it says itself: ``Valkey 9.1.2``."""
    origin: str
    """How we came by it: ``at 127.0.0.1:5432``, ``started for this run``."""


def given(key: str) -> str:
    """The value of ``PAIFANG_TEST_<key>``; empty when it is not set."""
    return os.environ.get(PREFIX + key, "")


def port_of(key: str, default: int) -> int:
    """Where to look for a server: ``PAIFANG_TEST_<key>_PORT``, or its usual port."""
    return int(given(f"{key}_PORT") or default)


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_own_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, whether or not an event loop runs here already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def is_root() -> bool:
    """Whether this process may install packages and must not run PostgreSQL itself."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def is_debian() -> bool:
    """Whether Debian's package manager is here."""
    return Path("/etc/debian_version").is_file() and shutil.which("apt-get") is not None


def is_alive(pid: int) -> bool:
    """Whether a process with this number runs, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class Account:
    """A system account for servers that refuse to run as root."""

    name: str
    uid: int
    gid: int


def account(*names: str) -> Account | None:
    """The first of these accounts that exists, when we are root; None when we are not."""
    if not is_root():
        return None
    for name in names:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise Unavailable(f"none of the accounts {', '.join(names)} exists to run it as")


@contextmanager
def temporary_folder(owner: Account | None = None) -> Iterator[Path]:
    """A private folder, removed at the end; those that killed runs left are removed first."""
    for old in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        pid = old.name.removeprefix(FOLDER).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-"))
    if owner:
        os.chown(folder, owner.uid, owner.gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(argv: list[str], user: Account | None = None) -> None:
    """Run a program to its end.

    Raises:
        Unavailable: it failed; the message is the last line it wrote.
    """
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            **_identity(user),
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]}: {error.strerror}") from error
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it wrote nothing"]
        raise Unavailable(f"{Path(argv[0]).name} exited {done.returncode}: {lines[-1]}")


def start(
    stack: ExitStack,
    argv: list[str],
    *,
    ready: Callable[[], object],
    log: Path,
    user: Account | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers; the stack stops it.

    Args:
        stack: Stops it.
        argv: The command.
        ready: Raises as long as the server doesn't answer.
        log: Where its output goes.
        user: The account to run it as.
        stop: The signal that ends it, also when this process dies first (Linux).

    Raises:
        Unavailable: it ended, or did not answer in time.
    """
    try:
        with log.open("wb") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # an interrupt from the keyboard is for the tests
                preexec_fn=lambda: _end_with_parent(stop),  # noqa: PLW1509 - one system call
                **_identity(user),
            )
    except OSError as error:
        raise Unavailable(f"{argv[0]}: {error.strerror}") from error
    stack.callback(_stop, process, stop)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except Exception as error:  # each driver has its own "not yet"
            if process.poll() is not None:
                lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
                raise Unavailable(f"{Path(argv[0]).name} did not start: {lines[-1]}") from error
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{Path(argv[0]).name} did not answer within {START_SECONDS:.0f} s: {error}"
                ) from error
            time.sleep(0.05)
        else:
            return process


def _identity(user: Account | None) -> dict[str, Any]:
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


def _end_with_parent(number: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def install(*packages: str) -> None:
    """Install Debian packages, as root on Debian.

    Raises:
        Unavailable: not Debian, not root, or the package manager failed.
    """
    if not is_debian():
        raise Unavailable("it is not installed")
    if not is_root():
        raise Unavailable(f"it is not installed; 'apt-get install {' '.join(packages)}' as root")
    sys.stdout.write(f"installing {' '.join(packages)} ...\n")
    sys.stdout.flush()
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    run([*environment, "apt-get", "update", "-q"])
    run([*environment, "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages])
