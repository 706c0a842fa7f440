"""A log file that several processes share: rotated by size and by day, no line lost or torn.

The standard library's rotating handlers lose lines when two processes rotate. Here each line is
one ``write`` to a descriptor opened with ``O_APPEND``, which the kernel does not interleave with
others; a process that still holds a file another one has just renamed writes its line there.
So writing needs no lock. Only the rename does: whoever finds the lock taken just writes on.
"""

import contextlib
import fcntl
import logging
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

DAY = 86_400


class QuietErrors:
    """A mix-in for handlers: a line that can't be written is reported, without its content.

    The standard library prints message and arguments to standard error, secrets included.
    """

    _reported_at = float("-inf")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """One line on standard error, at most once a minute."""
        del record
        now = time.monotonic()
        if now - self._reported_at >= 60 and sys.stderr is not None:
            self._reported_at = now
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"paifang: a log line could not be written: {sys.exc_info()[1]}\n")


class SharedFileHandler(QuietErrors, logging.Handler):
    """Writes lines to ``path`` and rotates it to ``<stem>.<UTC time>.log`` beside it.

    Args:
        path: The current file, e.g. ``paifang.log``. Its folder must exist.
        max_bytes: Size the file is rotated at; one line may overshoot it.
        max_days: Rotated files whose last line is older are deleted, those of sibling logs
            (``paifang-error``) too: they rotate rarely.
        max_files: Rotated files of this log that are kept at most, whatever their age.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_days: int, max_files: int = 100) -> None:
        super().__init__()
        self.path = path
        self.max_bytes = max_bytes
        self.max_days = max_days
        self.max_files = max_files
        self._lock_path = path.with_name(f".{path.name}.lock")
        stamp = r"\.\d{8}T\d{6}\.\d{6}Z\.log"
        family = re.escape(path.stem.split("-")[0])
        self._own = re.compile(re.escape(path.stem) + stamp)
        self._family = re.compile(rf"{family}(?:-[a-z]+)?{stamp}")
        self._fd = -1
        self._file = (0, 0)
        self._open()
        self._delete_old()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
            self._follow(len(line))
            while line:
                # A full disk may take a part; what is left is tried once more and then raises.
                line = line[os.write(self._fd, line) :]
        except Exception:  # noqa: BLE001  # a full disk must not stop the service
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        self.acquire()
        try:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        finally:
            self.release()
        super().close()

    def _open(self) -> os.stat_result:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        stat = os.fstat(fd)
        self._file = (stat.st_dev, stat.st_ino)
        return stat

    def _follow(self, size: int) -> None:
        """Make the descriptor that of the current file, rotated if this line asks for it."""
        stat = self._stat()
        if stat is None or (stat.st_dev, stat.st_ino) != self._file:
            stat = self._open()
        if self._due(stat, size) and self._rotate(size):
            self._open()

    def _stat(self) -> os.stat_result | None:
        try:
            return os.stat(self.path)  # noqa: PTH116  # twice as fast as Path.stat, on every line
        except FileNotFoundError:
            return None

    def _due(self, stat: os.stat_result, size: int) -> bool:
        if stat.st_size == 0:
            return False
        return stat.st_size + size > self.max_bytes or stat.st_mtime // DAY != time.time() // DAY

    def _rotate(self, size: int) -> bool:
        """Rename the current file if it is still due; False when another process is at it."""
        with self._lock_path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            stat = self._stat()
            if stat is not None and self._due(stat, size):
                self.path.rename(self._free_name())
        self._delete_old()
        return True

    def _free_name(self) -> Path:
        moment = time.time_ns() // 1000
        while True:
            stamp = f"{datetime.fromtimestamp(moment / 1e6, UTC):%Y%m%dT%H%M%S.%f}Z"
            name = self.path.with_name(f"{self.path.stem}.{stamp}.log")
            if not name.exists():  # a clock that was set back must not overwrite a file
                return name
            moment += 1

    def _delete_old(self) -> None:
        oldest = time.time() - self.max_days * DAY
        with os.scandir(self.path.parent) as entries:
            rotated = [entry for entry in entries if self._family.fullmatch(entry.name)]
        own = sorted(entry.name for entry in rotated if self._own.fullmatch(entry.name))
        surplus = set(own[: max(0, len(own) - self.max_files)])
        for entry in rotated:
            # Another process may be deleting the same file.
            with contextlib.suppress(FileNotFoundError):
                if entry.name in surplus or entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)  # noqa: PTH108  # scandir gives paths as text
