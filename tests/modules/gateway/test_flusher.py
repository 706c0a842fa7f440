"""The flusher: finished calls become logs and are counted, whatever their records hold."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, select

from doubles.ledger import (
    CHANNEL,
    CREATED,
    GROUP,
    START,
    TOKEN,
    add_owners,
    call,
    counters,
    files,
    logged,
    write,
)
from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs import flusher as module
from paifang.modules.gateway.logs import reading
from paifang.modules.gateway.logs.columns import Columns, columns_of
from paifang.modules.gateway.logs.flusher import REJECTED, Flusher
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.logs.rows import MAX_BIGINT, row_of
from paifang.modules.gateway.logs.store import Rows, store
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.tokens.models import Token

QueryCount = Callable[[Database], AbstractContextManager[list[str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def test_calls_are_logged_counted_and_their_position_is_kept(
    db: Database, folder: Path, query_count: QueryCount
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    later = START + timedelta(hours=1, microseconds=123456)
    full = call(
        "r2",
        started_at=later.timestamp(),
        outcome="client_gone",
        status=499,
        error="gone",
        duration_ms=12.5,
        first_byte_ms=3.25,
        stream=True,
        person="p",
        purpose="chat",
        upstream_model="um",
        attempts=2,
        cached_input=1,
        cache_write=2,
        reasoning=5,
        estimated=True,
        cost=5_000_000_000,
        price_id=str(uuid4()),
        ip="::1",
        user_agent="agent/1 中",
    )
    write(journal, call("r1"), full)
    assert await flusher.flush() == 2
    async with db.reading() as session:
        log = (await session.scalars(select(Log).where(Log.request_id == "r2"))).one()
        token = await session.get_one(Token, TOKEN)
        group = await session.get_one(Group, GROUP)
        channel = await session.get_one(Channel, CHANNEL)
        position = (await session.scalars(select(JournalPosition))).one()
    for name, value in row_of(full.to_bytes()).items():
        assert getattr(log, name) == value, name
    assert await counters(db) == {(2, 5_000_000_007)}
    assert token.last_used_at == group.last_used_at
    assert abs((token.last_used_at or START) - later) < timedelta(milliseconds=1)
    # Counting is no change to the thing itself.
    assert {token.updated_at, group.updated_at, channel.updated_at} == {CREATED}
    assert (position.segment, position.position) == (journal.path.name, journal.size)

    with query_count(db) as queries:
        assert await flusher.flush() == 0
    assert queries == []  # a quiet gateway asks the database nothing
    journal.close()


async def test_the_last_use_never_goes_back(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    for name, hours in (("r1", 2), ("r2", 1), ("r3", 3)):
        write(journal, call(name, started_at=(START + timedelta(hours=hours)).timestamp()))
        await flusher.flush()
        async with db.reading() as session:
            last = (await session.get_one(Token, TOKEN)).last_used_at
        assert last == START + timedelta(hours=max(2, hours))
    journal.close()


async def test_many_calls_go_in_batches_of_one_transaction_each(
    db: Database, folder: Path, query_count: QueryCount, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    monkeypatch.setattr(module, "BATCH", 120)
    write(journal, *(call(f"r{number}") for number in range(300)))
    with query_count(db) as queries:
        assert await Flusher(db, folder, journal).flush() == 300
    assert await logged(db) == [f"r{number}" for number in range(300)]
    assert await counters(db) == {(300, 2100)}
    # The first batch looks for the position that it can't move, and stores it. Each moves it,
    # inserts (SQLite full statements, and then the rest) and counts three times; no call is
    # looked for.
    inserts = 2 if db.kind == "sqlite" else 1
    assert len(queries) == 2 + 3 * (1 + inserts + 3)
    journal.close()


async def test_a_batch_ends_where_its_records_are_many_bytes(
    db: Database, folder: Path, query_count: QueryCount, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    monkeypatch.setattr(reading, "PART", 10)
    monkeypatch.setattr(reading, "MAX_BYTES", 20_000)
    write(journal, *(call(f"r{number}", user_agent="a" * 1900) for number in range(40)))
    with query_count(db) as queries:
        assert await Flusher(db, folder, journal).flush() == 40
    assert await logged(db) == [f"r{number}" for number in range(40)]
    assert await counters(db) == {(40, 280)}
    moves = [query for query in queries if query.lower().startswith("update journal_positions")]
    assert len(moves) == 4
    journal.close()


async def test_unusual_calls_among_usual_ones_keep_their_place(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    monkeypatch.setattr(reading, "PIECE", 7)
    monkeypatch.setattr(reading, "PART", 50)
    records = [call(f"r{number}", started_at=START.timestamp() + number) for number in range(200)]
    records[60] = replace(records[60], model="m" * 300)
    records[99] = replace(records[99], duration_ms=-1.0)
    write(journal, *records[:150])
    journal.append(b"nonsense")
    write(journal, *records[150:])
    assert await Flusher(db, folder, journal).flush() == 200
    assert await logged(db) == [record.request_id for record in records]
    assert await counters(db) == {(200, 1400)}
    async with db.reading() as session:
        logs = list(await session.scalars(select(Log).order_by(Log.id)))
    assert [log.started_at.timestamp() for log in logs] == [r.started_at for r in records]
    assert (logs[60].model, logs[99].duration_ms) == ("m" * 128, 0)
    journal.close()


async def test_a_gentle_flush_rests_between_its_pieces(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    rests: list[float] = []
    monkeypatch.setattr(reading, "PIECE", 10)
    monkeypatch.setattr(time, "sleep", rests.append)
    write(journal, *(call(f"r{number}") for number in range(100)))
    flusher = Flusher(db, folder, journal)
    assert await flusher.flush(gently=True) == 100
    assert len(rests) >= 10
    assert all(rest > 0 for rest in rests)
    rests.clear()
    write(journal, *(call(f"s{number}") for number in range(100)))
    assert await flusher.flush() == 100
    assert rests == []
    assert await counters(db) == {(200, 1400)}
    flusher = Flusher(db, folder, journal, interval=0.02)
    flusher.start()  # beside a relay: gently
    write(journal, call("t"))
    async with asyncio.timeout(20):
        while flusher.shipped == 0:  # noqa: ASYNC110 - it is polled from outside on purpose
            await asyncio.sleep(0.01)
    assert len(rests) > 0
    await flusher.stop()
    journal.close()


async def test_a_gentle_flush_rests_while_sqlite_stores(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    write(journal, *(call(f"r{number}") for number in range(300)))
    rests: list[float] = []
    monkeypatch.setattr(time, "sleep", rests.append)
    rows = Rows(db.kind, careful=False)
    batch, _rejected = reading.read(journal.path, "segment", 0, 1000, rows=rows, rest=0.0)
    assert await store(db, batch, before_commit=lambda: None, rest=2.0) == 300
    # Nine statements of 32 rows, and one row by one for the other twelve.
    assert len(rests) == (4 + 6 if db.kind == "sqlite" else 0)
    assert rows.inserts == []
    assert await logged(db) == [f"r{number}" for number in range(300)]
    assert await counters(db) == {(300, 2100)}
    journal.close()


async def test_a_flush_that_does_not_keep_up_rests_less(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    write(journal, *(call(f"r{number}") for number in range(60)))
    monkeypatch.setattr(module, "BATCH", 10)
    monkeypatch.setattr(module, "HURRY", 2)
    rests: list[float] = []

    def watched(*arguments: object, rest: float, **others: object) -> object:
        rests.append(rest)
        return reading.read(*arguments, rest=rest, **others)

    monkeypatch.setattr(module, "read", watched)
    assert await Flusher(db, folder, journal).flush(gently=True) == 60
    assert rests == [4, 4, 2, 2, pytest.approx(4 / 3), pytest.approx(4 / 3), 1]
    journal.close()


async def test_a_stored_batch_holds_no_calls_any_more(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    write(journal, *(call(f"r{number}") for number in range(1000)))
    rows = Rows(db.kind, careful=False)
    batch, _rejected = reading.read(journal.path, "segment", 0, 1000, rows=rows, rest=0.0)
    assert len(rows.inserts) > 0
    assert await store(db, batch, before_commit=lambda: None) == 1000
    assert rows.inserts == []
    assert await counters(db) == {(1000, 7000)}
    journal.close()


async def test_a_request_id_is_logged_and_counted_once(
    db: Database, folder: Path, query_count: QueryCount
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    write(journal, call("r1"), call("r2"), call("r1"))
    with query_count(db) as queries:
        assert await flusher.flush() == 2
    # Tried at first, refused, and tried again with a look at what is there: no more than that.
    assert len([query for query in queries if query.startswith("insert")]) == 2
    write(journal, call("r2", cost=1000), call("r3"))
    journal.rotate()
    write(journal, call("r3"))
    await flusher.flush()
    assert await logged(db) == ["r1", "r2", "r3"]
    assert await counters(db) == {(3, 21)}
    journal.close()


async def test_calls_of_what_is_deleted_are_logged_and_not_counted(
    db: Database, folder: Path
) -> None:
    await add_owners(db)
    async with db.transaction() as session:
        await session.execute(delete(Token))
        await session.execute(delete(Channel))
    journal = Journal(folder)
    write(
        journal,
        call("r1"),
        call("r2", group_id="gone", token_id="no uuid", channel_id=None),
        call("r3", token_id=None, cost=None),
    )
    await Flusher(db, folder, journal).flush()
    assert await logged(db) == ["r1", "r2", "r3"]
    async with db.reading() as session:
        group = await session.get_one(Group, GROUP)
    assert (group.requests, group.used) == (2, 7)
    journal.close()


async def test_finished_segments_of_our_own_are_removed(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder, segment_bytes=2000)
    flusher = Flusher(db, folder, journal)
    for number in range(20):
        write(journal, call(f"r{number}"))
        if number % 3 == 0:
            await flusher.flush()
    await flusher.flush()
    assert files(folder) == {journal.path}
    assert len(await logged(db)) == 20
    assert await counters(db) == {(20, 140)}
    journal.close()
    await flusher.stop()
    assert files(folder) == set()


async def test_a_record_that_is_none_is_put_aside_and_stops_nothing(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await add_owners(db)
    journal = Journal(folder)
    flusher = Flusher(db, folder, journal)
    bad = [
        b"not json",
        b"[]",
        b'{"request_id": "x"}',
        b'{"request_id": "\xff"}',
        call("x", status="200").to_bytes(),
        call("x", stream=1).to_bytes(),
        call("x", cost=1.5).to_bytes(),
        call("x", started_at=1e300).to_bytes(),
        call("x", token_name=None).to_bytes(),
        call("").to_bytes(),
        call("y" * 65).to_bytes(),
        call("a\0b").to_bytes(),
    ]
    write(journal, call("first"))
    for data in bad:
        journal.append(data)
    write(journal, call("last"))
    assert await flusher.flush() == 2
    assert await logged(db) == ["first", "last"]
    assert await counters(db) == {(2, 14)}
    kept = [json.loads(line) for line in (folder / REJECTED).read_text().splitlines()]
    assert [base64.b64decode(entry["record"]) for entry in kept] == bad
    assert kept[0]["segment"] == journal.path.name
    assert "status must be a whole number" in kept[4]["reason"]
    assert (folder / REJECTED).stat().st_mode & 0o777 == 0o600
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == flusher.rejected == len(bad)
    await flusher.flush()
    assert len((folder / REJECTED).read_text().splitlines()) == len(bad)
    journal.close()


async def test_values_are_brought_into_what_the_table_holds(db: Database, folder: Path) -> None:
    await add_owners(db)
    journal = Journal(folder)
    record = call(
        "r1",
        model="模" * 300,
        token_name="k\0ey",
        user_agent="a" * 5000,
        ip="x" * 99,
        status=10**12,
        attempts=-1,
        input=2**63 + 5,
        duration_ms=1e300,
        first_byte_ms=-1.0,
        cost=MAX_BIGINT,
    )
    write(journal, record, call("r2", cost=MAX_BIGINT))
    flusher = Flusher(db, folder, journal)
    await flusher.flush()
    write(journal, call("r3"))
    await flusher.flush()
    async with db.reading() as session:
        log = (await session.scalars(select(Log).order_by(Log.id).limit(1))).one()
    assert (log.model, log.token_name) == ("模" * 128, "key")
    assert (len(log.user_agent), len(log.ip)) == (200, 45)
    assert (log.status, log.attempts, log.input) == (2**31 - 1, 0, MAX_BIGINT)
    assert (log.duration_ms, log.first_byte_ms) == (1e12, 0)
    assert await counters(db) == {(3, MAX_BIGINT)}
    assert flusher.rejected == 0
    journal.close()


async def test_a_row_the_database_refuses_is_found_among_many_and_put_aside(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def spoilt(records: Sequence[bytes]) -> Columns | None:
        columns = columns_of(records)
        assert columns is not None
        bad = {"r40", "r41", "r99"}
        names = zip(columns["request_id"], columns["model"], strict=True)
        return {**columns, "model": [None if key in bad else model for key, model in names]}

    monkeypatch.setattr(reading, "columns_of", spoilt)
    await add_owners(db)
    journal = Journal(folder)
    write(journal, *(call(f"r{number}") for number in range(100)))
    flusher = Flusher(db, folder, journal)
    assert await flusher.flush() == 97
    assert await counters(db) == {(97, 679)}
    kept = [json.loads(line) for line in (folder / REJECTED).read_text().splitlines()]
    ids = [json.loads(base64.b64decode(entry["record"]))["request_id"] for entry in kept]
    assert ids == ["r40", "r41", "r99"]
    assert flusher.rejected == 3
    journal.close()


async def test_a_record_that_can_be_kept_nowhere_is_in_the_log_and_stops_nothing(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(folder)
    (folder / REJECTED).mkdir()
    journal.append(b"nonsense")
    write(journal, call("r1"))
    assert await Flusher(db, folder, journal).flush() == 1
    assert base64.b64encode(b"nonsense").decode() in caplog.text
    journal.close()


async def test_a_journal_that_was_closed_and_is_gone_is_no_error(
    db: Database, folder: Path
) -> None:
    journal = Journal(folder)
    journal.close()
    assert await Flusher(db, folder, journal).flush() == 0
