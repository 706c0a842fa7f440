"""A disk that can be full."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = 2 * 1024 * 1024
"""Bytes of the small disk."""


class Disk:
    """A folder whose room can be taken and given back.

    With the right to mount it is a small file system of its own; else :meth:`fill` puts a limit on
    how long the files of a process may become, which its writes feel in the same way.
    """

    def __init__(self, folder: Path, *, own: bool) -> None:
        self.folder = folder
        self.own = own
        """It is a file system of its own: what else the process writes finds room."""
        self._filler = folder / "filler"

    def fill(self, pid: int, spare: int = 0) -> None:
        """Leave so many bytes."""
        if not self.own:
            longest = max((p.stat().st_size for p in self.folder.iterdir()), default=0)
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (longest + spare, hard))
            return
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"\0" * 4096):
                pass
        # A file system gives whole pages; a file's last one may have room left.
        size = self._filler.stat().st_size
        os.truncate(self._filler, max(0, size - -(-spare // 4096) * 4096))

    def free(self, pid: int) -> None:
        """Give everything back."""
        if not self.own:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            return
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A folder on a small disk, for as long as the block lasts."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    own = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield Disk(folder, own=own)
    finally:
        if own:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
