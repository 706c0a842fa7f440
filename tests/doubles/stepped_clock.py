"""The command line people type, on a machine whose wall clock can be set.

``python -m doubles.stepped_clock FILE up`` is ``paifang up`` with a wall clock that is wrong by as
many seconds as the file says, from one moment to the next. Python's own wall clock is replaced
(``time.time``, ``time.time_ns`` and our ``utc_now``); the monotonic clock stays, as it does when
somebody sets a machine's clock.
"""

import mmap
import runpy
import struct
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doubles.installation import Installation

TESTS = Path(__file__).parents[1]
SIZE = struct.calcsize("d")


class Clock:
    """The file that says how wrong the clock is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step(0)

    def step(self, seconds: float) -> None:
        """From now on the clock is wrong by so much."""
        if not self.path.exists():
            self.path.write_bytes(struct.pack("d", seconds))
            return
        with self.path.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("d", seconds))


class SteppedInstallation(Installation):
    """An installation whose processes go by the clock."""

    def __init__(self, folder: Path, clock: Clock, **variables: str) -> None:
        super().__init__(folder, PYTHONPATH=f"{TESTS}:{TESTS.parent}", **variables)
        self.program = ("-m", "doubles.stepped_clock", str(clock.path))


def _replace(path: Path) -> None:
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), SIZE)
    real, real_ns = time.time, time.time_ns

    def offset() -> float:
        found: float = struct.unpack_from("d", memory)[0]
        return found

    def stepped() -> float:
        return real() + offset()

    def stepped_ns() -> int:
        return real_ns() + int(offset() * 1_000_000_000)

    time.time, time.time_ns = stepped, stepped_ns

    from paifang.core.db import base  # noqa: PLC0415 - it sees the new clock from the start

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(stepped(), UTC).astimezone(tz)

    base.datetime = Stepped  # type: ignore[misc]  # what "utc_now" asks


if __name__ == "__main__":
    _replace(Path(sys.argv.pop(1)))
    runpy.run_module("paifang", run_name="__main__")
