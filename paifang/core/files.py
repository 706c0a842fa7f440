"""Files that hold what nobody else may read."""

import contextlib
import os
from pathlib import Path


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read, and its folder; one that is there stays.

    SQLite gives a new database the process's usual mode, and its ``-wal`` and ``-shm`` files the
    database's.

    One that is there is not even opened: closing any descriptor of a file drops all locks that the
    process holds on it (POSIX), SQLite's among them. Whoever opens the database then from another
    process takes itself for the last one, and removes the journal from under us
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, so that a power cut leaves all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
