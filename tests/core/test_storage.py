"""Files in a folder: whole or not there, under names of our own, and nowhere else."""

import asyncio
import errno
import os
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paifang.core import storage as storage_module
from paifang.core.storage import (
    BadKey,
    FileMissing,
    FileTooLarge,
    FolderStorage,
    StorageFull,
)

MANY = 10**9


@pytest.fixture
def storage(tmp_path) -> FolderStorage:
    return FolderStorage(tmp_path / "files")


def on_disk(storage: FolderStorage) -> list[str]:
    return sorted(
        p.relative_to(storage.folder).as_posix() for p in storage.folder.rglob("*") if p.is_file()
    )


async def stream(*chunks: bytes):
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def read(storage: FolderStorage, key: str) -> bytes:
    return b"".join([chunk async for chunk in storage.get(key)])


async def test_a_file_comes_back_as_it_was_put(storage):
    data = os.urandom(3 * storage_module.CHUNK + 5)
    file = await storage.put(data, prefix="models/tiny", suffix=".gguf", max_bytes=len(data))
    assert file.size == len(data)
    assert abs(file.modified.timestamp() - time.time()) < 10
    assert await read(storage, file.key) == data
    assert await storage.stat(file.key) == file


async def test_a_stream_is_put_without_being_held_in_memory(storage):
    file = await storage.put(stream(b"a", b"", b"bc"), prefix="a", max_bytes=3)
    assert await read(storage, file.key) == b"abc"


async def test_the_name_is_made_here_and_readable_by_nobody_else(storage):
    file = await storage.put(b"x", prefix="avatars", suffix=".png", max_bytes=MANY)
    folder, _, name = file.key.rpartition("/")
    assert folder == "avatars"
    assert UUID(name.removesuffix(".png")).version == 7
    assert (storage.folder / file.key).stat().st_mode & 0o777 == 0o600
    assert storage.folder.joinpath("avatars").stat().st_mode & 0o777 == 0o700


async def test_putting_again_under_the_same_id_replaces_the_file(storage):
    file_id = UUID(int=7 << 76)
    first = await storage.put(b"one", prefix="a", file_id=file_id, max_bytes=MANY)
    second = await storage.put(b"two", prefix="a", file_id=file_id, max_bytes=MANY)
    assert first.key == second.key
    assert await read(storage, first.key) == b"two"
    assert on_disk(storage) == [first.key]


@pytest.mark.parametrize("data", [b"12345", stream(b"123", b"45")])
async def test_too_much_is_refused_and_leaves_nothing(storage, data):
    with pytest.raises(FileTooLarge):
        await storage.put(data, prefix="a", max_bytes=4)
    assert on_disk(storage) == []


async def test_a_stream_that_breaks_off_leaves_nothing(storage):
    async def broken():
        yield b"123"
        raise ConnectionError("client gone")

    with pytest.raises(ConnectionError):
        await storage.put(broken(), prefix="a", max_bytes=MANY)
    assert on_disk(storage) == []


async def test_a_put_that_is_cancelled_leaves_nothing(storage):
    begun = asyncio.Event()

    async def endless():
        yield b"123"
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(storage.put(endless(), prefix="a", max_bytes=MANY))
    await begun.wait()
    assert len(on_disk(storage)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert on_disk(storage) == []


async def test_a_replacement_that_fails_keeps_the_old_file(storage):
    file_id = UUID(int=7 << 76)
    file = await storage.put(b"old", prefix="a", file_id=file_id, max_bytes=MANY)
    with pytest.raises(FileTooLarge):
        await storage.put(b"longer", prefix="a", file_id=file_id, max_bytes=5)
    assert await read(storage, file.key) == b"old"


async def test_a_full_disk_has_an_error_of_its_own(storage, monkeypatch):
    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull) as caught:
        await storage.put(b"x", prefix="a", max_bytes=MANY)
    assert caught.value.status == 507
    assert on_disk(storage) == []


async def test_the_data_and_every_new_folder_are_synced_before_put_returns(storage, monkeypatch):
    synced = []
    real = os.fsync

    def note(fd):
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        real(fd)

    monkeypatch.setattr(os, "fsync", note)
    await storage.put(b"x", prefix="a/b", max_bytes=MANY)
    folder = storage.folder.resolve()
    assert synced[0].parent == folder / ".incoming"
    assert set(synced[1:]) == {folder, folder / "a", folder / "a/b"}


async def test_deleting_is_repeatable(storage):
    file = await storage.put(b"x", prefix="a", max_bytes=MANY)
    assert await storage.delete(file.key) is True
    assert await storage.delete(file.key) is False
    for look in (storage.stat(file.key), read(storage, file.key)):
        with pytest.raises(FileMissing):
            await look


async def test_files_are_listed_by_prefix_the_oldest_first(storage):
    keys = [(await storage.put(b"x", prefix="a/b", max_bytes=MANY)).key]
    keys += [(await storage.put(b"x", prefix="a/b/c", max_bytes=MANY)).key]
    await asyncio.sleep(0.002)  # UUIDv7 counts milliseconds
    keys += [(await storage.put(b"xy", prefix="a/b", max_bytes=MANY)).key]
    await storage.put(b"x", prefix="a/bb", max_bytes=MANY)
    (storage.folder / "a/b/Foreign file").write_text("not ours")
    found = [file async for file in storage.files("a/b")]
    assert [file.key for file in found] == [keys[0], keys[2], keys[1]]
    assert found[1].size == 2
    assert [file async for file in storage.files("never")] == []


def test_what_a_crash_left_behind_is_cleared_after_a_day(tmp_path):
    FolderStorage(tmp_path)
    old, new = tmp_path / ".incoming/old", tmp_path / ".incoming/new"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    FolderStorage(tmp_path)
    assert not old.exists()
    assert new.exists()


BAD_KEYS = [
    "", "a", "/a/b", "a/", "../a", "a/../b", "a/..", "a//b", "./a/b", "a/.hidden", ".incoming/x",
    "a/b\x00", "a/b\n", "a\\b/c", "A/b", "a/b.", "a/b.tar.gz", "a/é", "~/a", "a/" * 9 + "b",
    "a/" + "b" * 65, "con:/a", "a/%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_no_file_can_have_is_refused_everywhere(storage, key):
    with pytest.raises(BadKey):
        await storage.stat(key)
    with pytest.raises(BadKey):
        await storage.delete(key)
    with pytest.raises(BadKey):
        await read(storage, key)


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("..", ""), ("a/../b", ""), ("", ""), ("a", "png"), ("a", "./x"), ("a", ".p/g"), ("a", "..")],
)
async def test_a_prefix_or_suffix_that_leads_elsewhere_is_refused(storage, prefix, suffix):
    with pytest.raises(BadKey):
        await storage.put(b"x", prefix=prefix, suffix=suffix, max_bytes=MANY)
    assert on_disk(storage) == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text("ab./\\~:%\x00\n-_AZé", max_size=30))
def test_no_accepted_key_leads_out_of_the_folder(storage, key):
    try:
        path = storage._path(key)
    except BadKey:
        return
    inside = storage.folder.resolve()
    assert path.resolve().is_relative_to(inside)
    assert not path.resolve().is_relative_to(inside / ".incoming")
    assert path.resolve() != inside
