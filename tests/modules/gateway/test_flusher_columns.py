"""The quick way of a record into the logs, and the careful one: they come to the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from counts import count
from doubles.ledger import call
from paifang.core.db import Database
from paifang.modules.gateway.logs.columns import (
    COLUMNS,
    chosen,
    columns_from,
    columns_of,
    joined,
    to_moment,
    to_text,
)
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.rows import MAX_BIGINT, MAX_INT, MAX_MS, row_of
from paifang.modules.gateway.relay.journal import Journal

Record = dict[str, Any]

USUAL: Record = orjson.loads(call("r").to_bytes())
NULLABLE = {column.name for column in COLUMNS if column.nullable}
LENGTHS = {column.name: column.type.length for column in COLUMNS if hasattr(column.type, "length")}
TEXTS = sorted(LENGTHS)
BIG = ["input", "cached_input", "cache_write", "output", "reasoning", "cost"]

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


def usual_value(name: str) -> st.SearchStrategy[Any]:
    """Any value that a column takes as it is."""
    values: st.SearchStrategy[Any]
    if name == "request_id":
        return st.uuids().map(lambda value: value.hex)
    if name == "started_at":
        return st.floats(0, 2**34)
    if name in LENGTHS:
        longest = LENGTHS[name]
        values = text.map(lambda value: value[:longest])
    elif name in {"stream", "estimated"}:
        values = st.booleans()
    elif name in {"duration_ms", "first_byte_ms"}:
        values = st.floats(0, MAX_MS)
    else:
        values = st.integers(0, MAX_BIGINT if name in BIG else MAX_INT)
    return st.none() | values if name in NULLABLE else values


usual = st.fixed_dictionaries({column.name: usual_value(column.name) for column in COLUMNS})

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.sampled_from([0, 1, -1, MAX_INT, MAX_INT + 1, MAX_BIGINT, MAX_BIGINT + 1, 0.0, -0.0, 1e300]),
    st.sampled_from([MAX_MS, 2.0 * MAX_MS, -1e-9, 253402300799.9, 253402300800.0, 1.9999999]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.sampled_from(["", "\0", "x" * 16, "x" * 17, "x" * 64, "x" * 65, "x" * 300, "a\0b"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2),
)


@st.composite
def strange(draw: Callable[..., Any]) -> Record:
    """A record in which a few values are anything, missing, new or in another order."""
    record = draw(usual)
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=3)):
        record[name] = draw(anything)
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=1)):
        if draw(st.booleans()):
            del record[name]
    if draw(st.booleans()):
        record = dict(draw(st.permutations(list(record.items()))))
    if draw(st.booleans()):
        record["of a newer version"] = draw(anything)
    return record


def careful(data: list[bytes]) -> dict[str, list[Any]] | None:
    """What the careful way makes of them all; None when it rejects one."""
    try:
        return plain(columns_from([row_of(record) for record in data]))
    except ValueError:
        return None


def plain(columns: Any) -> dict[str, list[Any]]:
    """Columns that can be compared: with their types, as True equals 1."""
    return {name: [(type(v), v) for v in values] for name, values in columns.items()}


@given(records=st.lists(strange(), min_size=1, max_size=4))
@settings(max_examples=count(400, 20_000))
def test_what_the_quick_way_takes_the_careful_way_makes_the_same_of(records: list[Record]) -> None:
    data = [orjson.dumps(record) for record in records]
    columns = columns_of(data)
    if columns is not None:
        assert plain(columns) == careful(data)


@given(records=st.lists(usual, min_size=1, max_size=4))
@settings(max_examples=count(200, 5000))
def test_the_quick_way_takes_what_is_usual(records: list[Record]) -> None:
    data = [orjson.dumps(record) for record in records]
    columns = columns_of(data)
    if columns is None:  # but for a moment that is rounded up to the next second
        assert any(round(record["started_at"] % 1, 6) == 1 for record in records)
    else:
        assert plain(columns) == careful(data)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "m" * 129},
        {"model": "a\0"},
        {"model": None},
        {"model": 7},
        {"person": False},
        {"person": 0},
        {"request_id": ""},
        {"status": True},
        {"status": -1},
        {"status": MAX_INT + 1},
        {"status": 200.0},
        {"input": MAX_BIGINT + 1},
        {"cost": -1},
        {"duration_ms": 1},
        {"duration_ms": MAX_MS * 2},
        {"stream": 1},
        {"stream": None},
        {"started_at": 1},
        {"started_at": -1.0},
        {"started_at": 1e12},
        {"started_at": 1.9999999},
    ],
)
def test_the_quick_way_leaves_what_is_not_usual(change: Record) -> None:
    usual_one = orjson.dumps(USUAL)
    assert columns_of([usual_one, usual_one]) is not None
    assert columns_of([usual_one, orjson.dumps({**USUAL, **change})]) is None


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{}", b'"text"', b"null", b"\xff", b"{"])
def test_the_quick_way_leaves_what_is_no_record(data: bytes) -> None:
    assert columns_of([orjson.dumps(USUAL), data]) is None


@given(moment=st.floats(0, 253402300799))
def test_moments_are_rounded_as_python_does(moment: float) -> None:
    columns = columns_of([orjson.dumps({**USUAL, "started_at": moment})])
    if columns is not None:
        assert to_moment(columns["started_at"][0]) == datetime.fromtimestamp(moment, UTC)


def test_columns_are_joined_and_chosen_from() -> None:
    def of(*names: str) -> Any:
        return columns_from([row_of(call(name).to_bytes()) for name in names])

    together = joined([of("r1"), of(), of("r2", "r3")])
    assert together == of("r1", "r2", "r3")
    assert chosen(together, [True, False, True]) == of("r1", "r3")
    assert together["started_at"][0] == to_text(datetime.fromtimestamp(USUAL["started_at"], UTC))


@given(
    texts=st.lists(st.dictionaries(st.sampled_from(TEXTS), text), max_size=80),
    usuals=st.lists(usual, max_size=4),
)
@settings(max_examples=count(15, 500), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_is_stored_is_what_the_records_say(
    db: Database, tmp_path: Path, texts: list[Record], usuals: list[Record]
) -> None:
    records = [{**USUAL, **change} for change in texts] + usuals
    records.append({**USUAL, "model": "a'b\"c\\d{e},NULL %s\n\t\x1f$1 中😀", "person": "NULL"})
    journal = Journal(tmp_path / uuid4().hex)
    rows = {}
    for record in records:
        record["request_id"] = uuid4().hex
        data = orjson.dumps(record)
        rows[record["request_id"]] = row_of(data)
        journal.append(data)
    assert await Flusher(db, tmp_path / "none", journal).flush() == len(records)
    journal.close()
    async with db.reading() as session:
        stored = list(await session.scalars(select(Log).where(Log.request_id.in_(rows))))
    assert len(stored) == len(rows)
    for log in stored:
        assert {name: getattr(log, name) for name in USUAL} == rows[log.request_id]
