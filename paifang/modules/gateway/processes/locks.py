"""A file per process in the home folder, locked for as long as the process lives.

The system lets go of the lock when the process dies, whatever it dies of, so who shares the home
folder on the same host knows at once.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER = "gateway-processes"
"""In the home folder."""
SUFFIX = ".lock"


def path_of(home: Path, process: str) -> Path:
    """The file of a process."""
    return home / FOLDER / f"{process}{SUFFIX}"


class ProcessLock:
    """The lock on this process's own file.

    Raises:
        OSError: the file can't be made.
    """

    def __init__(self, home: Path, process: str) -> None:
        self._path = path_of(home, process)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = _locked(self._path)

    def release(self) -> None:
        """Let go, and leave the file: it says that its process is dead."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Let go of the lock and of the file."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.release()


def _locked(path: Path) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # somebody who tidies up looks whether it is free
        except BaseException:
            os.close(fd)
            raise
        else:
            if os.fstat(fd).st_nlink:
                return fd
        os.close(fd)


def is_held(home: Path, process: str) -> bool | None:
    """Whether a process holds the lock on its file; None where the file can't tell.

    A file that is not there proves no death: two containers may have one host name and one path
    for two home folders.
    """
    with _look(path_of(home, process)) as held:
        return held


def remove_free(home: Path) -> None:
    """Remove the files of the dead."""
    with contextlib.suppress(OSError):
        for path in list((home / FOLDER).glob(f"*{SUFFIX}")):
            # Removed under the lock: one that has only just been made is made again.
            with _look(path) as held:
                if held is False:
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _look(path: Path) -> Iterator[bool | None]:
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        yield None
        return
    try:
        yield _is_locked(fd)
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool | None:
    try:
        # Shared, so that two who look at once do not take each other for the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
