"""A child never outlives its parent, not even one that is killed with SIGKILL.

The supervisor holds the write end of each child's standard input and never lets go of it while
it lives; the kernel closes it when the supervisor dies, however it dies. A child of ours calls
:func:`end_with_parent` first thing; any other program is started under this module::

    python -m paifang.core.processes.guard program argument ...

Only the standard library is used: this code runs in every child.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
"""From ``<sys/prctl.h>``."""

CANNOT_START = 127
"""Exit code of a shell whose command can't be found."""


def end_with_parent(*, grace: float = 5.0) -> None:
    """End this process and its group once the parent is gone.

    Standard input must be a pipe that the parent holds; what it still wants to read from there
    must have been read. At its end the group gets SIGTERM, and after ``grace`` seconds SIGKILL.
    """
    if sys.platform == "linux":
        # The thread below can't run while an extension holds the interpreter lock, as one does
        # for as long as it loads a large model; the kernel's own signal needs no thread.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(grace,), name="parent-watch", daemon=True).start()


def _watch(grace: float) -> None:
    # os.read, because a thread inside sys.stdin makes the interpreter abort at its exit.
    with contextlib.suppress(OSError):
        while os.read(0, 65536):
            pass
    _signal_group(signal.SIGTERM)
    time.sleep(grace)
    _signal_group(signal.SIGKILL)


def _signal_group(number: int) -> None:
    # A group that is not ours (started by hand from a shell) is not ours to end.
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)
    else:
        os.kill(os.getpid(), number)


def main(argv: list[str]) -> int:
    """Run a program that does not watch its parent itself; end as it ends."""
    if not argv:
        sys.stderr.write("usage: python -m paifang.core.processes.guard program argument ...\n")
        return 2
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)  # noqa: S603 - argv, no shell
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        return CANNOT_START
    # The program is in the same group and gets SIGTERM too; wait for it to end in its own way.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()
    code = process.wait()
    if code < 0:
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        # A signal that does not end a process by default: say it the way shells do.
        return 128 - code
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
