"""Files: kept in a folder now; an S3-compatible store can stand behind the same port later.

A file gets its name here, never from whoever uploads it, and is whole or not there at all.
"""

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar
from uuid import UUID

from paifang.core.errors import AppError, Invalid, NotFound
from paifang.core.ids import uuid7

T = TypeVar("T")

CHUNK = 256 * 1024
MAX_KEY = 255
_SEGMENT = r"[a-z0-9][a-z0-9_-]{0,63}"
_PREFIX = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,7}}")
_SUFFIX = re.compile(r"(?:\.[a-z0-9]{1,10})?")
_KEY = re.compile(rf"{_PREFIX.pattern}{_SUFFIX.pattern}")
_INCOMING = ".incoming"
_LEFT_OVER = 86_400


class BadKey(Invalid):
    """A key or a part of one that no file can have."""

    code = "bad_file_key"
    title = "That is not the key of a file"


class FileMissing(NotFound):
    """No file has this key."""

    code = "file_not_found"
    title = "There is no such file"


class FileTooLarge(AppError):
    """The data goes beyond the limit."""

    status = 413
    code = "file_too_large"
    title = "The file is too large"


class StorageFull(AppError):
    """No room is left."""

    status = 507
    code = "storage_full"
    title = "There is no room left for files"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file without reading it."""

    key: str
    size: int
    """Bytes."""
    modified: datetime


class Storage(Protocol):
    """What every storage does.

    A key is ``<prefix>/<id><suffix>``: lower-case letters, digits, ``_`` and ``-`` between
    slashes, at most 255 characters.
    """

    async def put(
        self,
        data: bytes | AsyncIterator[bytes],
        *,
        prefix: str,
        max_bytes: int,
        suffix: str = "",
        file_id: UUID | None = None,
    ) -> StoredFile:
        """Keep a file; when this returns it is on the disk, when it raises nothing is.

        (A task cancelled during the very last move may leave the whole file.)

        Args:
            data: The bytes, or a stream of them.
            prefix: The folder, e.g. ``avatars`` or ``predictions/2026``.
            max_bytes: The limit; a stream is cut off when it crosses it.
            suffix: For people, e.g. ``.png``; nothing relies on it.
            file_id: Makes a repeated put replace the first one; new by default.

        Raises:
            BadKey: the prefix or suffix is none.
            FileTooLarge: there is more than ``max_bytes``.
            StorageFull: no room is left.
        """

    def get(self, key: str) -> AsyncIterator[bytes]:
        """The file in chunks; ask :meth:`stat` first where an answer depends on it.

        Raises:
            BadKey: the key is none.
            FileMissing: at the first chunk.
        """

    async def stat(self, key: str) -> StoredFile:
        """Size and time.

        Raises:
            BadKey: the key is none.
            FileMissing: no file has it.
        """

    async def delete(self, key: str) -> bool:
        """Delete the file; False when there was none.

        Raises:
            BadKey: the key is none.
        """

    def files(self, prefix: str) -> AsyncIterator[StoredFile]:
        """The files below a prefix, sorted by key: within a folder, the oldest first.

        Raises:
            BadKey: the prefix is none.
        """


class FolderStorage:
    """Files in a folder: written aside, synced, renamed.

    Args:
        folder: Made if it is not there. All of it must be on one file system.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / _INCOMING
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._incoming.iterdir():  # what a crash has left behind
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFT_OVER:
                    path.unlink()

    async def put(
        self,
        data: bytes | AsyncIterator[bytes],
        *,
        prefix: str,
        max_bytes: int,
        suffix: str = "",
        file_id: UUID | None = None,
    ) -> StoredFile:
        """See :class:`Storage`."""
        if not _PREFIX.fullmatch(prefix) or not _SUFFIX.fullmatch(suffix):
            raise BadKey(f"{prefix!r} with {suffix!r} can't be the place of a file.")
        key = f"{prefix}/{(file_id or uuid7()).hex}{suffix}"
        target = self._path(key)
        aside = self._incoming / uuid7().hex
        try:
            with _full_disk():
                # Not in a thread: a cancelled task would not know of the file it has made.
                file = _create(aside)
                try:
                    await _fill(file, data, max_bytes)
                    await asyncio.to_thread(_sync, file)
                finally:
                    await asyncio.to_thread(file.close)
                await asyncio.to_thread(self._move, aside, target)
        except BaseException:
            # Not awaited: a cancelled task would be interrupted here as well.
            aside.unlink(missing_ok=True)
            raise
        return await self.stat(key)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """See :class:`Storage`."""
        path = self._path(key)
        with _missing(key):
            file = await asyncio.to_thread(path.open, "rb")
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    async def stat(self, key: str) -> StoredFile:
        """See :class:`Storage`."""
        path = self._path(key)
        with _missing(key):
            return await asyncio.to_thread(_describe, key, path)

    async def delete(self, key: str) -> bool:
        """See :class:`Storage`."""
        path = self._path(key)
        try:
            with _missing(key):
                await asyncio.to_thread(path.unlink)
        except FileMissing:
            return False
        return True

    async def files(self, prefix: str) -> AsyncIterator[StoredFile]:
        """See :class:`Storage`."""
        if not _PREFIX.fullmatch(prefix):
            raise BadKey(f"{prefix!r} can't be the place of files.")
        for key in await asyncio.to_thread(self._keys, prefix):
            with contextlib.suppress(FileMissing):  # deleted meanwhile
                yield await self.stat(key)

    def _path(self, key: str) -> Path:
        # The pattern allows no dots between slashes, so no key leads out of the folder.
        if len(key) > MAX_KEY or not _KEY.fullmatch(key) or "/" not in key:
            raise BadKey(f"{key[:MAX_KEY]!r} can't be the key of a file.")
        return self.folder / key

    def _keys(self, prefix: str) -> list[str]:
        found = []
        for place, _folders, names in os.walk(self.folder / prefix):
            below = Path(place).relative_to(self.folder)
            found += [(below / name).as_posix() for name in names]
        return sorted(key for key in found if _KEY.fullmatch(key))

    def _move(self, aside: Path, target: Path) -> None:
        missing = [p for p in target.parents if p.is_relative_to(self.folder) and not p.exists()]
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.replace(target)
        # A name is safe when its folder is synced, and a new folder when its parent is.
        for folder in {target.parent, *(p.parent for p in missing)}:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


async def _fill(file: BinaryIO, data: bytes | AsyncIterator[bytes], max_bytes: int) -> None:
    size = 0
    async for chunk in _chunks(data):
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(f"It may have {max_bytes} bytes.")
        await asyncio.to_thread(file.write, chunk)


async def _chunks(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    async for chunk in data:
        yield chunk


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _describe(key: str, path: Path) -> StoredFile:
    found = path.lstat()
    return StoredFile(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


@contextlib.contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise FileMissing(f"There is no file {key}.") from error


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(
                "The disk of the files is full; make room or move the folder."
            ) from error
        raise
