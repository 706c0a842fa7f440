"""The local journal: records on disk before a call ends, shipped to the database afterwards.

A directory of segments. Each is written by one process, which holds an exclusive ``flock`` on it
for as long as it does; a segment that can be locked has no writer any more, be it finished or
orphaned, and may be claimed, shipped and removed. A frame is the record's length and CRC-32
(``<II``), then the record.

One record is one ``os.write`` with ``O_APPEND``: a process that is killed tears nothing. A full
disk or a power cut can, so a short write is cut back at once, and a torn end when the segment is
claimed. There is no fsync: a crash of the process loses nothing, a power cut the last seconds.
"""

import fcntl
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

MAX_RECORD = 64 * 1024
"""Bytes of the largest record."""

SUFFIX = ".journal"

_HEADER = Struct("<II")

_TRIAL = bytes(2048)
"""Longer than records are. A reader stops at it, and :func:`repair` cuts it off."""

_LENGTH = re.compile(rb"(?s)(?=[^\x00].\x00\x00|.[^\x00]\x00\x00|\x00\x00\x01\x00)")
"""Where a length of 1 to ``MAX_RECORD`` may stand, little-endian."""


class JournalFull(Exception):
    """The journal took no more: the disk is full, a quota is spent, or the disk fails.

    What was written before stays readable; the next append tries again.
    """


class Journal:
    """The writer's side: one process's current segment. Not for several threads at once."""

    def __init__(self, directory: Path, *, segment_bytes: int = 64 * 1024 * 1024) -> None:
        """Begin a new segment in the directory, which is made if need be (mode 0700).

        A segment of ``segment_bytes`` or more is finished and another begun. Raises ``OSError``
        when that is not possible.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._broken = False
        self._closed = False
        self._size = 0
        self._path, self._fd = _create(directory)

    @property
    def path(self) -> Path:
        """The current segment; :func:`read` may read it while it grows."""
        return self._path

    @property
    def size(self) -> int:
        """Bytes in the current segment."""
        return self._size

    def append(self, record: bytes) -> None:
        """Write one record of 1 byte to 64 KiB.

        Raises :class:`JournalFull` when it could not be written whole (no part of it then
        remains), ``ValueError`` for a record of the wrong size or a closed journal.
        """
        length = len(record)
        if not 0 < length <= MAX_RECORD:
            raise ValueError(f"a journal record must have 1 to {MAX_RECORD} bytes, not {length}")
        if self._closed:
            raise ValueError("the journal is closed")
        if self._broken or self._size >= self._segment_bytes:
            self.rotate()
        frame = _HEADER.pack(length, zlib.crc32(record)) + record
        try:
            written = os.write(self._fd, frame)
        except OSError as error:
            self._cut_back()
            raise JournalFull(f"the journal cannot be written: {error.strerror}") from error
        if written != len(frame):
            self._cut_back()
            raise JournalFull("the journal cannot be written: no space left for the whole record")
        self._size += written

    def has_room(self) -> bool:
        """Whether a record would find room, found out without one: nothing of it remains."""
        try:
            if self._broken:
                self.rotate()
            found = os.write(self._fd, _TRIAL) == len(_TRIAL)
        except (OSError, JournalFull):
            found = False
        self._cut_back()
        return found and not self._broken

    def rotate(self) -> None:
        """Finish the current segment, so that it can be claimed, and begin another.

        An empty one goes on. When no new segment can be made, the current one goes on as well,
        unless it is broken: then :class:`JournalFull` is raised.
        """
        if self._closed or (not self._size and not self._broken):
            return
        try:
            path, fd = _create(self._directory)
        except OSError as error:
            if self._broken:
                raise JournalFull(f"no new journal segment: {error.strerror}") from error
            return
        os.close(self._fd)
        self._path, self._fd, self._size, self._broken = path, fd, 0, False

    def close(self) -> None:
        """Finish the current segment; an empty one is removed. May be called again."""
        if self._closed:
            return
        self._closed = True
        if not self._size and not self._broken:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._broken = True  # frames behind a torn one could not be read: never write any


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found wrong with a segment, and done about it."""

    cut: int = 0
    """Bytes cut off the end: of a record that was never written whole, or of damage."""
    rescued: int = 0
    """Records behind the damage, moved to a segment of their own."""
    damaged: Path | None = None
    """A copy of everything from the damage on; None when nothing but a torn end was cut.

    When it is not None, records may be lost: this is worth a loud line in the log.
    """


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished or orphaned segment that is ours to ship."""

    path: Path
    repair: Repair

    @property
    def name(self) -> str:
        """What its position is stored under; never used again for another segment."""
        return self.path.name


def read(path: Path, offset: int, max_records: int) -> tuple[list[bytes], int]:
    """Up to ``max_records`` records from an offset on, and the offset behind the last of them.

    The offset is 0 or one that this function returned. It stops at the first frame that is torn
    or damaged; in a segment that is being written, that may be one on its way in. Raises
    ``OSError`` when the segment cannot be read.
    """
    records: list[bytes] = []
    with path.open("rb", buffering=MAX_RECORD) as file:
        file.seek(offset)
        while len(records) < max_records:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                break
            length, checksum = _HEADER.unpack(header)
            if not 0 < length <= MAX_RECORD:
                break
            record = file.read(length)
            if len(record) < length or zlib.crc32(record) != checksum:
                break
            records.append(record)
            offset += _HEADER.size + length
    return records, offset


def claim(directory: Path) -> Iterator[Segment]:
    """Segments without a writer, oldest first, each repaired, and locked until the next step.

    Ship one, then :func:`remove` it. A segment that is not removed stays for another time. Close
    the iterator if you leave it early, and step it in a thread: to check 64 MiB takes a while.
    """
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            if _lock(fd):
                yield Segment(path, repair(path))
        finally:
            os.close(fd)


def remove(segment: Segment) -> None:
    """Delete a claimed segment, all of whose records are stored."""
    segment.path.unlink(missing_ok=True)


def repair(path: Path) -> Repair:
    """Cut a segment without a writer at its first bad frame, and lose nothing that is readable.

    An end that was torn in writing is cut. Anything else is damage: a copy of it is kept beside
    the segment (``.damaged``), and the sound records behind it are moved to a segment of their
    own, which :func:`claim` finds. A repair that is interrupted is done again; records may then
    be shipped twice, which their unique ids make harmless.
    """
    good, size = _end_of_good(path), path.stat().st_size
    if good == size:
        return Repair()
    with path.open("rb") as file:
        file.seek(good)
        bad = file.read()
    rescued = list(_scan(bad))
    damaged: Path | None = None
    if rescued or not _torn(bad):
        damaged = path.with_name(path.name + ".damaged")
        _write(damaged, bad)
    if rescued:
        frames = [_HEADER.pack(len(body), zlib.crc32(body)) + body for body in rescued]
        _write(path.with_name(f"{path.stem}_{good:x}{SUFFIX}"), b"".join(frames))
    os.truncate(path, good)
    return Repair(cut=size - good, rescued=len(rescued), damaged=damaged)


def _end_of_good(path: Path) -> int:
    """The offset behind the last record before the first bad frame."""
    offset = 0
    while True:
        records, offset = read(path, offset, 1000)
        if len(records) < 1000:
            return offset


def _scan(bad: bytes) -> Iterator[bytes]:
    """The sound records behind the bad frame that these bytes begin with."""
    at = 1
    while found := _LENGTH.search(bad, at):
        at = found.start()
        body = _record_at(bad, at)
        if body is None:
            at += 1
        else:
            yield body
            at += _HEADER.size + len(body)


def _record_at(data: bytes, at: int) -> bytes | None:
    if at + _HEADER.size > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, at)
    body = data[at + _HEADER.size : at + _HEADER.size + length]
    sound = 0 < length <= MAX_RECORD and len(body) == length and zlib.crc32(body) == checksum
    return body if sound else None


def _torn(bad: bytes) -> bool:
    """Whether these last bytes are a record that was never written whole, or never at all."""
    if len(bad) < _HEADER.size or not any(bad):
        return True  # a power cut may leave zeros where data was to come
    length: int = _HEADER.unpack_from(bad)[0]
    return 0 < length <= MAX_RECORD and len(bad) < _HEADER.size + length


def _write(path: Path, data: bytes) -> None:
    """Make a file that appears whole or not at all."""
    draft = path.with_name(path.name + ".draft")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    draft.rename(path)


def _create(directory: Path) -> tuple[Path, int]:
    """Make and lock a segment whose name sorts behind all earlier ones."""
    while True:
        name = f"{time.time_ns():016x}{os.urandom(8).hex()}{SUFFIX}"
        fd = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        if _lock(fd):
            return directory / name, fd
        os.close(fd)  # claimed by another process before we had locked it


def _lock(fd: int) -> bool:
    """Lock a segment for this file descriptor; False when it is taken or already removed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0
