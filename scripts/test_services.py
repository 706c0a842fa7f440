"""``make test``: get the servers, run pytest against them, stop what was started.

    python -m scripts.test_services [--long] [pytest arguments]

Variables: ``PAIFANG_TEST_<POSTGRESQL|MARIADB|REDIS>_URL`` names a server to use,
``PAIFANG_TEST_<...>_PORT`` another port to look at than the usual one, ``PAIFANG_TEST_CHROMIUM``
a browser, ``PAIFANG_TEST_WORKERS`` the number of test processes (2).

With ``CI`` set, or as root on Debian, where everything can be had, a test that is not run is a
failure.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from scripts.services import mariadb, postgresql, programs, redis
from scripts.services.base import PREFIX, Service, Unavailable, is_debian, is_root

ROOT = Path(__file__).resolve().parent.parent

NEEDS: dict[str, Callable[[ExitStack], Service]] = {
    "POSTGRESQL": postgresql.acquire,
    "MARIADB": mariadb.acquire,
    "REDIS": redis.acquire,
    "CHROMIUM": lambda _stack: programs.chromium(),
    "MODEL": lambda _stack: programs.local_model(),
}

URL = {"POSTGRESQL": "POSTGRESQL_URL", "MARIADB": "MARIADB_URL", "REDIS": "REDIS_URL"}
"""The variable that carries the address, where it is not the key itself."""


def main(argv: list[str]) -> int:
    """Run the tests; the exit code is pytest's."""
    long = "--long" in argv
    arguments = [argument for argument in argv if argument != "--long"]
    # An end from outside must stop the servers too.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        environment = os.environ | prepare(stack) | {f"{PREFIX}RUN": "1"}
        if os.environ.get("CI") or (is_root() and is_debian()):
            environment[f"{PREFIX}STRICT"] = "1"
        if long:
            environment[f"{PREFIX}LONG"] = "1"
        return _pytest(environment, arguments, long=long)


def prepare(stack: ExitStack) -> dict[str, str]:
    """Get each thing the tests need and say how; the variables that tell the tests."""
    variables: dict[str, str] = {}
    for key, acquire in NEEDS.items():
        try:
            service = acquire(stack)
        except Unavailable as reason:
            variables[f"{PREFIX}{key}_MISSING"] = str(reason)
            _say(f"{key.lower()}: not available: {reason}")
            continue
        variables[PREFIX + URL.get(key, key)] = service.url
        variables[f"{PREFIX}{key}_VERSION"] = f"{service.version}, {service.origin}"
        _say(f"{key.lower()}: {service.version}, {service.origin}")
    return variables


def _pytest(environment: dict[str, str], arguments: list[str], *, long: bool) -> int:
    command = [sys.executable, "-m", "pytest", "--numprocesses", _workers()]
    command += ["--dist", "loadgroup", "--durations", "15", "--durations-min", "0.5"]
    command += ["--cov", "--cov-report="]
    if long:
        command += ["-m", "", "-o", "timeout=3600"]
    try:
        return subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, check=False
        ).returncode
    except KeyboardInterrupt:
        return 130


def _workers() -> str:
    return os.environ.get(f"{PREFIX}WORKERS", "2")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
