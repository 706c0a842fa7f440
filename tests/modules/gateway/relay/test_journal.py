"""The journal under cuts, bit flips, full disks and killed writers."""

import errno
import fcntl
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.modules.gateway.relay import journal as journal_module
from paifang.modules.gateway.relay.journal import (
    MAX_RECORD,
    Journal,
    JournalFull,
    Repair,
    claim,
    read,
    remove,
    repair,
)

records_strategy = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=12)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder per example, which hypothesis cannot get from ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def written(directory: Path, records: list[bytes]) -> Path:
    journal = Journal(directory)
    for record in records:
        journal.append(record)
    journal.close()
    return journal.path


def everything(directory: Path) -> list[bytes]:
    """Claim, ship and remove all there is, as the shipper does."""
    shipped: list[bytes] = []
    while True:
        segments = 0
        for segment in claim(directory):
            segments += 1
            records, end = read(segment.path, 0, 10**6)
            assert end == segment.path.stat().st_size
            shipped += records
            remove(segment)
        if not segments:
            return shipped


def test_records_are_read_while_the_segment_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal")
    assert read(journal.path, 0, 10) == ([], 0)
    for number in range(5):
        journal.append(b"%d" % number)
    first, offset = read(journal.path, 0, 3)
    assert first == [b"0", b"1", b"2"]
    assert read(journal.path, offset, 10) == ([b"3", b"4"], journal.size)
    assert read(journal.path, journal.size, 10) == ([], journal.size)
    journal.append(b"x" * MAX_RECORD)
    assert read(journal.path, 45, 10) == ([b"x" * MAX_RECORD], journal.size)
    journal.close()


def test_segment_is_private_to_its_owner(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700
    journal.close()


@pytest.mark.parametrize("record", [b"", b"x" * (MAX_RECORD + 1)])
def test_record_of_the_wrong_size_is_a_value_error(tmp_path: Path, record: bytes) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="1 to 65536 bytes"):
        journal.append(record)
    assert journal.size == 0
    journal.close()


def test_closed_journal_takes_nothing_and_leaves_no_empty_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    journal.close()
    journal.rotate()
    with pytest.raises(ValueError, match="closed"):
        journal.append(b"x")
    assert list(tmp_path.iterdir()) == []


def test_live_segment_cannot_be_claimed_and_a_finished_one_can(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=20)
    journal.append(b"first record")
    live = journal.path
    assert list(claim(tmp_path)) == []
    journal.append(b"second record")
    assert journal.path != live
    assert live < journal.path
    assert [segment.path for segment in claim(tmp_path)] == [live]
    for segment in claim(tmp_path):
        assert segment.name == live.name
        assert list(claim(tmp_path)) == []  # locked while it is being shipped
        assert read(segment.path, 0, 9)[0] == [b"first record"]
        remove(segment)
    assert list(tmp_path.iterdir()) == [journal.path]
    journal.close()
    assert everything(tmp_path) == [b"second record"]


def test_rotating_an_empty_segment_keeps_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    path = journal.path
    journal.rotate()
    assert journal.path == path
    journal.append(b"x")
    journal.rotate()
    assert journal.path != path
    journal.close()
    assert everything(tmp_path) == [b"x"]


def test_segment_removed_between_making_and_locking_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, itertools.count()

    def stolen(fd: int, flags: int) -> None:
        if next(calls) == 0:  # another process claims the newborn segment and finds it empty
            next(tmp_path.iterdir()).unlink()
        flock(fd, flags)

    monkeypatch.setattr(fcntl, "flock", stolen)
    journal = Journal(tmp_path)
    journal.append(b"x")
    assert read(journal.path, 0, 9)[0] == [b"x"]
    journal.close()


@given(records=records_strategy, at=st.integers(0, 10**6))
def test_cut_anywhere_leaves_exactly_the_records_before_it(records: list[bytes], at: int) -> None:
    with folder() as directory:
        path = written(directory, records)
        at %= path.stat().st_size + 1
        os.truncate(path, at)
        ends = list(itertools.accumulate(8 + len(record) for record in records))
        whole = records[: sum(end <= at for end in ends)]
        good = max([0, *(end for end in ends if end <= at)])
        assert read(path, 0, 100) == (whole, good)
        assert repair(path) == Repair(cut=at - good)
        assert path.stat().st_size == good
        assert everything(directory) == whole
        assert list(directory.iterdir()) == []


@given(records=records_strategy, bit=st.integers(0, 10**7))
def test_flipped_bit_loses_one_record_at_most_and_never_makes_a_wrong_one(
    records: list[bytes], bit: int
) -> None:
    with folder() as directory:
        path = written(directory, records)
        data = bytearray(path.read_bytes())
        bit %= len(data) * 8
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        ends = list(itertools.accumulate(8 + len(record) for record in records))
        hit = sum(end <= bit // 8 for end in ends)
        assert read(path, 0, 100)[0] == records[:hit]
        before, behind = records[:hit], records[hit + 1 :]
        assert everything(directory) == before + behind
        left = list(directory.iterdir())
        assert [file.suffix for file in left] in ([], [".damaged"])
        if behind:
            assert left[0].read_bytes() == bytes(data[ends[hit] - 8 - len(records[hit]) :])


@given(records=records_strategy, junk=st.binary(max_size=200), at=st.integers(0, 100))
def test_junk_between_records_costs_no_record(records: list[bytes], junk: bytes, at: int) -> None:
    at %= len(records) + 1
    with folder() as directory:
        path = written(directory, records)
        data = path.read_bytes()
        cut = sum(8 + len(record) for record in records[:at])
        path.write_bytes(data[:cut] + junk + data[cut:])
        assert everything(directory) == records


def test_zeros_at_the_end_are_cut_without_alarm(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"two"])
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert repair(path) == Repair(cut=4096)
    assert everything(tmp_path) == [b"one", b"two"]


def test_damage_in_the_middle_is_reported_kept_aside_and_what_follows_rescued(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, [b"one", b"two", b"three", b"four"])
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(data)
    found = [segment.repair for segment in claim(tmp_path)]
    aside = path.with_name(path.name + ".damaged")
    assert found == [Repair(cut=len(data) - 11, rescued=2, damaged=aside)]
    assert aside.read_bytes() == bytes(data[11:])
    assert [segment.repair for segment in claim(tmp_path)] == [Repair(), Repair()]
    assert everything(tmp_path) == [b"one", b"three", b"four"]


def test_damaged_last_record_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"two"])
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    aside = path.with_name(path.name + ".damaged")
    assert repair(path) == Repair(cut=11, damaged=aside)
    assert aside.read_bytes() == data[11:-1] + b"x"
    assert everything(tmp_path) == [b"one"]


@pytest.mark.parametrize("keep", [0, 5, 11])
def test_short_write_is_cut_back_and_what_follows_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    journal = Journal(tmp_path)
    journal.append(b"good")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:keep]))
        with pytest.raises(JournalFull):
            journal.append(b"short record")
    assert journal.size == journal.path.stat().st_size == 12
    journal.append(b"next")
    assert read(journal.path, 0, 9)[0] == [b"good", b"next"]
    journal.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_error_of_the_disk_is_journal_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    journal = Journal(tmp_path)

    def fails(_fd: int, _data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails)
        with pytest.raises(JournalFull, match=os.strerror(number)):
            journal.append(b"x")
    journal.append(b"y")
    assert read(journal.path, 0, 9)[0] == [b"y"]
    journal.close()


def test_short_write_that_cannot_be_cut_back_ends_the_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "failed")

    journal = Journal(tmp_path)
    journal.append(b"good")
    torn, real = journal.path, os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:9]))
        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(JournalFull):
            journal.append(b"short record")
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_create", fails)
        with pytest.raises(JournalFull, match="segment"):
            journal.append(b"nowhere to go")
    journal.append(b"next")
    assert journal.path != torn
    assert [segment.repair for segment in claim(tmp_path)] == [Repair(cut=9)]
    journal.close()
    assert everything(tmp_path) == [b"good", b"next"]


def test_segment_goes_on_when_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    journal = Journal(tmp_path, segment_bytes=1)
    monkeypatch.setattr(journal_module, "_create", fails)
    journal.append(b"one")
    journal.append(b"two")
    assert read(journal.path, 0, 9)[0] == [b"one", b"two"]
    journal.close()


def test_real_full_file_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from paifang.modules.gateway.relay.journal import Journal, JournalFull
journal = Journal(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
taken = 0
for number in range(10):
    try:
        journal.append(b"%300d" % taken)
        taken += 1
    except JournalFull:
        print("full", taken)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(b"%300d" % taken)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "full 3\n" * 7
    assert everything(tmp_path) == [b"%300d" % number for number in range(4)]


def test_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from paifang.modules.gateway.relay.journal import Journal
journal = Journal(Path(sys.argv[1]), segment_bytes=50_000)
for number in range(10**9):
    journal.append(b"%200d" % number)
    os.write(1, b"%d\\n" % number)
"""
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(random.randint(100, 2000))]
        current = max(tmp_path.glob("*.journal"))
        claimed = [segment.path for segment in claim(tmp_path)]
        # What it writes to is its own; a segment that could be claimed has a successor, at the
        # latest a moment later: it may be between the two.
        deadline = time.monotonic() + 10
        while current in claimed and current == max(tmp_path.glob("*.journal")):
            assert time.monotonic() < deadline, "the segment that is written to was claimed"
            time.sleep(0.001)
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait(10)
        shipped = [int(record) for record in everything(tmp_path)]
        last = int(acknowledged[-1] if acknowledged[-1].endswith(b"\n") else acknowledged[-2])
        assert shipped == list(range(len(shipped)))
        assert last < len(shipped) <= last + 2
        assert list(tmp_path.iterdir()) == []
