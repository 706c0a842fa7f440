"""Hot selects: the same rows as the ordinary way, in three databases' words, compiled once."""

from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, PlainSerializer
from sqlalchemy import Integer, Select, bindparam, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from paifang.core.audit import AuditEntry
from paifang.core.db import Database
from paifang.core.hot import HotSelect, hot_page, reading, shown
from paifang.core.pagination import Page


def build(*filters: str) -> Select[Any]:
    statement = select(AuditEntry.id, AuditEntry.at, AuditEntry.changes, AuditEntry.action)
    for name in filters:
        statement = statement.where(getattr(AuditEntry, name) == bindparam(name))
    return statement.order_by(AuditEntry.id).limit(bindparam("limit", type_=Integer))


async def fill(db: Database, count: int = 3) -> list[AuditEntry]:
    entries = [
        AuditEntry(
            actor_id=f"a{n % 2}",
            actor_name="n",
            action=f"do {n}",
            subject_type="s",
            subject_id="1",
            changes={"n": [n, "ü"]},
        )
        for n in range(count)
    ]
    async with db.transaction() as session:
        session.add_all(entries)
    return sorted(entries, key=lambda entry: entry.id)


async def test_rows_are_those_of_the_ordinary_way(db: Database) -> None:
    entries = await fill(db)
    hot = HotSelect(build)
    expected = [[e.id, e.at, e.changes, e.action] for e in entries]
    async with db.reading() as session:
        assert await hot.rows(session, limit=9) == expected
        ordinary = await session.execute(build().params(limit=9))
        assert [list(row) for row in ordinary] == expected
    async with reading(db) as connection:
        theirs = [row for row, e in zip(expected, entries, strict=True) if e.actor_id == "a1"]
        assert await hot.rows(connection, "actor_id", actor_id="a1", limit=9) == theirs
        assert await hot.rows(connection, limit=1) == expected[:1]


async def test_in_a_transaction_they_are_its_own(db: Database) -> None:
    hot = HotSelect(build)
    async with db.transaction() as session:
        session.add(
            AuditEntry(
                actor_id="a",
                actor_name="n",
                action="do",
                subject_type="s",
                subject_id="1",
                changes={},
            )
        )
        await session.flush()
        assert len(await hot.rows(session, limit=9)) == 1
        async with reading(db) as other:
            assert await hot.rows(other, limit=9) == []


async def test_a_shape_is_compiled_once(db: Database) -> None:
    built: list[tuple[str, ...]] = []

    def counted(*filters: str) -> Select[Any]:
        built.append(filters)
        return build(*filters)

    hot = HotSelect(counted)
    async with reading(db) as connection:
        for _ in range(3):
            await hot.rows(connection, limit=1)
            await hot.rows(connection, "action", action="x", limit=1)
    assert built == [(), ("action",)]


async def test_what_a_driver_refuses_is_an_error_of_the_ordinary_kind(db: Database) -> None:
    hot = HotSelect(lambda: select(literal_column("nothing_of_that_name")))
    async with reading(db) as connection:
        with pytest.raises(SQLAlchemyError):
            await hot.rows(connection)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_list_of_values_is_refused_when_it_is_compiled(db: Database) -> None:
    hot = HotSelect(lambda: select(AuditEntry.id).where(AuditEntry.action.in_(["a", "b"])))
    async with reading(db) as connection:
        with pytest.raises(TypeError, match="named bindparams"):
            await hot.rows(connection)


Text = Annotated[int, PlainSerializer(lambda value: f"{value}!", return_type=str)]


class Read(BaseModel):
    """A row."""

    a: Text | None
    b: Text


def test_an_answer_is_written_as_the_schema_would() -> None:
    rows = [{"a": None, "b": 1, "more": 2}, {"a": 3, "b": 4, "more": 5}]
    plain = [Read(**row).model_dump(mode="json") for row in rows]  # type: ignore[arg-type]  # of a test
    assert shown(rows, Read) == plain
    page: Page[dict[str, Any]] = Page(items=rows, total=2, page=1, page_size=20)
    answer = orjson.loads(hot_page(page, Read).body)
    assert answer == {"items": plain, "total": 2, "page": 1, "page_size": 20}
