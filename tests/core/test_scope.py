"""Who sees which rows: reads, updates and deletes that go through ``visible``."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ForeignKey,
    MetaData,
    String,
    delete,
    func,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.auth import Principal
from paifang.core.db import Base, Database
from paifang.core.ids import uuid7
from paifang.core.scope import (
    EVERYTHING,
    NOTHING,
    OWN,
    Scope,
    Scoped,
    belongs,
    is_scoped,
    unscoped,
    visible,
)


class Apart(DeclarativeBase):
    """Tables of this file alone."""

    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class Note(Scoped, Apart):
    __tablename__ = "scope_notes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[UUID]
    department_id: Mapped[UUID | None]
    text: Mapped[str] = mapped_column(String(32))

    @classmethod
    def scope_clause(cls, scope: Scope, caller: Principal) -> ColumnElement[bool]:
        return belongs(scope, caller, owner=cls.owner_id, department=cls.department_id)


class Reply(Scoped, Apart):
    __tablename__ = "scope_replies"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note_id: Mapped[int] = mapped_column(ForeignKey("scope_notes.id"))
    owner_id: Mapped[UUID]

    @classmethod
    def scope_clause(cls, scope: Scope, caller: Principal) -> ColumnElement[bool]:
        return belongs(scope, caller, owner=cls.owner_id, department=literal_column("null"))


class Plain(Apart):
    __tablename__ = "scope_plain"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


ADA, BOB, EVE = uuid7(), uuid7(), uuid7()
SALES, NORTH, FAR = uuid7(), uuid7(), uuid7()


def caller(scope: Scope | None, user_id: UUID | None = ADA) -> Principal:
    grants = {} if scope is None else {"notes:read": scope}
    return Principal(str(user_id), "Ada", user_id=user_id, grants=grants, needed="notes:read")


def some(*departments: UUID) -> Scope:
    return Scope(departments=frozenset(departments))


@pytest.fixture
async def notes(db: Database) -> AsyncIterator[Database]:
    """Five notes: two of Ada's, one of them without a department; three of others."""
    rows = [
        (1, ADA, None, "a"),
        (2, ADA, NORTH, "b"),
        (3, BOB, SALES, "c"),
        (4, BOB, FAR, "d"),
        (5, EVE, None, "e"),
    ]
    async with db.engine.begin() as connection:
        await connection.run_sync(Apart.metadata.create_all)
    async with db.transaction() as session:
        session.add_all(Note(id=i, owner_id=o, department_id=d, text=t) for i, o, d, t in rows)
        await session.flush()
        session.add_all(Reply(id=10 + i, note_id=i, owner_id=BOB) for i in range(1, 6))
    yield db
    async with db.engine.begin() as connection:
        await connection.run_sync(Apart.metadata.drop_all)


SEEN = [
    (EVERYTHING, [1, 2, 3, 4, 5]),
    (OWN, [1, 2]),
    (some(), [1, 2]),
    (some(SALES), [1, 2, 3]),
    (some(SALES, FAR), [1, 2, 3, 4]),
    (NOTHING, []),
    (None, []),
]


@pytest.mark.parametrize(("scope", "ids"), SEEN)
async def test_reads_are_kept_to_what_the_scope_holds_however_they_are_written(
    notes: Database, scope: Scope | None, ids: list[int]
) -> None:
    ada = caller(scope)
    alias, parent = aliased(Note), aliased(Note, name="parent")
    async with notes.reading() as session:

        async def found(statement: Any) -> list[Any]:
            return sorted(await session.scalars(statement))

        assert await found(visible(select(Note.id), ada)) == ids
        assert [note.id for note in await session.scalars(visible(select(Note), ada))] == ids
        assert await found(visible(select(Note.id).where(Note.text != "c"), ada)) == [
            i for i in ids if i != 3
        ]
        assert await found(visible(select(alias.id), ada)) == ids
        assert await found(visible(select(Note), ada).with_only_columns(Note.id)) == ids
        for count in (
            visible(select(func.count()).select_from(Note), ada, of=Note),
            visible(select(func.count(Note.id)), ada),
        ):
            assert await session.scalar(count) == len(ids)
        rows = visible(select(Note.id, func.lower(Note.text)), ada)
        assert sorted(i for i, _ in await session.execute(rows)) == ids
        joined = select(Reply.id).join(Note, Note.id == Reply.note_id)
        assert await found(visible(joined, ada, of=Note)) == [10 + i for i in ids]
        of_alias = select(Note.id).join(parent, parent.id == Note.id)
        assert await found(visible(of_alias, ada, of=parent)) == ids
        # The limit counts what is seen.
        first = visible(select(Note.id).order_by(Note.id).limit(2), ada)
        assert await found(first) == ids[:2]
        inner = visible(select(Note.id), ada).scalar_subquery()
        replies = select(Reply.id).where(Reply.note_id.in_(inner))
        assert await found(unscoped(replies, "a test")) == [10 + i for i in ids]


async def test_a_caller_who_is_nobody_sees_departments_and_no_rows_of_their_own(
    notes: Database,
) -> None:
    async with notes.reading() as session:
        for scope, ids in (
            (OWN, []),
            (some(), []),
            (some(SALES), [3]),
            (EVERYTHING, [1, 2, 3, 4, 5]),
        ):
            statement = visible(select(Note.id).order_by(Note.id), caller(scope, None))
            assert list(await session.scalars(statement)) == ids


@pytest.mark.parametrize(("scope", "ids"), SEEN)
async def test_updates_and_deletes_touch_nothing_else(
    notes: Database, scope: Scope | None, ids: list[int]
) -> None:
    ada = caller(scope)

    async def texts(session: AsyncSession) -> dict[int, str]:
        rows = await session.execute(select(Note.id, Note.text))
        return {row.id: row.text for row in rows}

    async with notes.transaction() as session:
        before = await texts(session)
        known = await session.get(Note, 3)
        assert known is not None
        done = await session.execute(visible(update(Note).values(text="new"), ada))
        assert done.rowcount == len(ids)  # type: ignore[attr-defined]  # an UPDATE's result has it
        assert known.text == ("new" if 3 in ids else "c")
        assert await texts(session) == {i: "new" if i in ids else t for i, t in before.items()}
        await session.execute(delete(Reply))
        await session.execute(visible(delete(Note), ada))
        assert sorted(await texts(session)) == [i for i in range(1, 6) if i not in ids]


async def test_a_scope_of_a_thousand_departments_is_one_parameter_of_one_statement(
    notes: Database, query_count: Any
) -> None:
    ada = caller(some(SALES, *(uuid7() for _ in range(1000))))
    async with notes.reading() as session:
        with query_count(notes) as queries:
            assert sorted(await session.scalars(visible(select(Note.id), ada))) == [1, 2, 3]
    assert len(queries) == 1
    assert len(visible(select(Note.id), ada).compile().params) == 2


async def test_a_bulk_update_by_key_works_for_whoever_sees_everything_and_is_an_error_else(
    notes: Database,
) -> None:
    values = [{"id": 1, "text": "x"}, {"id": 3, "text": "y"}]
    async with notes.transaction() as session:
        await session.execute(visible(update(Note), caller(EVERYTHING)), values)
        assert await session.scalar(select(Note.text).where(Note.id == 3)) == "y"
        with pytest.raises(InvalidRequestError):
            await session.execute(visible(update(Note), caller(some(SALES))), values)


async def test_two_scoped_models_are_both_kept_when_both_decide(notes: Database) -> None:
    both = select(Note.id, Reply.id).join(Reply, Reply.note_id == Note.id)
    bob = caller(some(SALES), BOB)
    async with notes.reading() as session:
        kept = await session.execute(visible(both, bob, of=(Note, Reply)))
        assert sorted(kept.all()) == [(3, 13), (4, 14)]
        ada = await session.execute(visible(both, caller(some(SALES)), of=(Note, Reply)))
        assert ada.all() == []


def test_what_visible_cannot_decide_is_an_error_and_never_a_wide_answer() -> None:
    ada = caller(OWN)
    wrong: list[Any] = [
        select(Plain),
        select(func.count()).select_from(Note),
        select(Note, Reply),
        update(Plain),
        delete(Plain),
        union_all(select(Note.id), select(Note.id)),
    ]
    for statement in wrong:
        with pytest.raises(TypeError):
            visible(statement, ada)
    for of in (Plain, "Note", (Note, Plain), ()):
        with pytest.raises(TypeError):
            visible(select(Note), ada, of=of)


def test_a_scoped_model_must_say_whose_its_rows_are() -> None:
    class Silent(Scoped, Apart):
        __tablename__ = "scope_silent"

        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(NotImplementedError):
        visible(select(Silent), caller(OWN))
    Apart.metadata.remove(Silent.__table__)


def test_scopes_add_up_and_compare() -> None:
    assert OWN | some(SALES) | some(FAR) == some(SALES, FAR)
    assert OWN | NOTHING == OWN
    assert (some(SALES) | EVERYTHING).everything
    assert some(SALES).within(some(SALES, FAR))
    assert some(SALES).within(EVERYTHING)
    assert OWN.within(some(SALES))
    assert NOTHING.within(OWN)
    assert not OWN.within(NOTHING)
    assert not some(SALES, FAR).within(some(SALES))
    assert not EVERYTHING.within(some(SALES))
    wide = some(SALES, FAR)
    assert (some(SALES) | wide) is wide
    assert (wide | OWN) is wide


def test_another_permission_than_the_routes_has_its_own_rows() -> None:
    class Other(StrEnum):
        READ = "other:read"
        WRITE = "other:write"

    ada = Principal("a", "Ada", user_id=ADA, grants={"notes:read": EVERYTHING, "other:read": OWN})
    assert ada.scope == NOTHING
    assert ada.under(Other.READ).scope == OWN == ada.scope_of(Other.READ)
    assert ada.under(Other.WRITE).scope == NOTHING == ada.scope_of(Other.WRITE)


def test_only_mine_is_never_more_than_the_scope_and_takes_no_permission_away() -> None:
    key = Principal("key", "Key", all_permissions=True, needed="notes:read")
    for one in (caller(EVERYTHING), caller(some(SALES)), caller(OWN), key):
        assert one.only_mine().scope == OWN
        assert one.only_mine(False).scope == one.scope
    assert caller(None).only_mine().scope == NOTHING
    assert key.only_mine().may("notes:write")
    assert caller(EVERYTHING).only_mine().scope_of("notes:read") == OWN


def test_aliases_and_columns_are_told_from_what_is_scoped() -> None:
    assert is_scoped(Note)
    assert is_scoped(aliased(Note))
    assert not any(map(is_scoped, (Plain, aliased(Plain), Note.id, None, "Note", Scoped())))
