"""What a child process is, and what is said about it."""

import os
import signal
import sys
import sysconfig
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import paifang
from paifang.core.settings import ALIASES, PREFIX


class State(StrEnum):
    """Where a child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing_off"
    """It ended by itself and is started again after a while."""
    FAILED = "failed"
    """It ended by itself and is not started again until someone asks."""
    STOPPING = "stopping"


class ChildError(Exception):
    """A child could not be started or ended by itself; the message says how."""

    def __init__(
        self, message: str, *, exit_code: int | None = None, tail: tuple[str, ...] = ()
    ) -> None:
        lines = "".join(f"\n  {line}" for line in tail)
        super().__init__(f"{message}; its last lines:{lines}" if tail else message)
        self.message = message
        self.exit_code = exit_code
        """Negative: the number of the signal that ended it. None: it did not end by itself."""
        self.tail = tail
        """The last lines it wrote, standard error after standard output."""

    @property
    def summary(self) -> str:
        """One line: what happened, and the child's last word."""
        return f"{self.message}: {self.tail[-1]}" if self.tail else self.message


@dataclass(frozen=True, slots=True)
class Restart:
    """When and how often a child that ended by itself is started again."""

    delay: float = 0.5
    """Seconds before the first restart; doubled for each failure in a row."""
    max_delay: float = 30.0
    """Seconds; the delay grows no further."""
    reset_after: float = 60.0
    """Seconds of readiness after which earlier failures are forgotten."""
    max_failures: int | None = None
    """Failures in a row after which it is given up; None never gives up."""

    def seconds(self, failures: int) -> float:
        """How long to wait after so many failures in a row (1 or more)."""
        # Capped before the power: after a night of failures 2**n would not fit a float.
        return min(self.max_delay, self.delay * 2.0 ** min(failures - 1, 32))


@dataclass(frozen=True, slots=True)
class ReadyLine:
    """Ready once it has written a certain line to standard output."""

    parse: Callable[[str], object | None]
    """Gets each line; what it returns other than None is kept as what the child announced."""


Ready = str | Callable[[], Awaitable[bool]] | ReadyLine
"""How to know that a child is ready: a URL that answers GET with 200, a coroutine function that
returns True, or a line it writes. The first two are asked every 0.1 s."""


@dataclass(frozen=True, slots=True)
class Child:
    """How to run one child process."""

    name: str
    """Unique within its supervisor; its output is logged as ``paifang.child.<name>``."""
    argv: tuple[str, ...]
    """Program and arguments. No shell sees them, other users of the machine can: no secrets."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to :func:`clean_environment`."""
    stdin: Callable[[], bytes] | None = field(default=None, repr=False)
    """Makes what is written to its standard input at each start: the place for secrets.
    The pipe then stays open until the child has ended. At most 4 KiB."""
    guard: bool = True
    """Run under :mod:`.guard`. False only for a program that watches its standard input itself
    by :func:`~paifang.core.processes.guard.end_with_parent`."""
    ready: Ready | None = None
    """None: ready as soon as it runs."""
    start_timeout: float = 30.0
    """Seconds it may take to become ready."""
    stop_timeout: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    restart: Restart | None = field(default_factory=Restart)
    """None: never. A child that has not been ready once since it was asked for is not restarted
    either: whoever asked is told at once."""

    def __post_init__(self) -> None:
        if self.guard and self.stdin is not None:
            raise ValueError(f"{self.name}: under the guard its standard input is empty")


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """A child at one moment."""

    name: str
    state: State
    since: float
    """Unix time of the last change of state."""
    pid: int | None = None
    restarts: int = 0
    """How often it was started again after it ended by itself."""
    retry_at: float | None = None
    """Unix time of the next start while it backs off."""
    error: str = ""
    """How it last ended by itself, in one line; the log has its last lines."""
    announced: object | None = None
    """What its ready line said; None unless it is ready."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without Paifang's own settings, which hold secrets no child needs."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) and name not in ALIASES
    }
    package_home = Path(paifang.__file__).resolve().parent.parent
    if package_home != Path(sysconfig.get_path("purelib")).resolve():
        # A child that runs one of our modules must find the package from any working directory.
        paths = [str(package_home), env.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return env | dict(extra or {})


def python_module(name: str, *arguments: str) -> tuple[str, ...]:
    """The argv that runs a module with this interpreter."""
    return (sys.executable, "-m", name, *arguments)


def describe_exit(code: int) -> str:
    """``exited with code 3``, ``was ended by SIGKILL``."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system was perhaps out of memory)" if -code == signal.SIGKILL else ""
    return f"was ended by {name}{hint}"
