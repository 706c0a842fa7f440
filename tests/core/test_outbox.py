from pathlib import Path

import pytest
from sqlalchemy import select

from paifang.core import outbox
from paifang.core.db import Database
from paifang.core.jobs import Run, enqueue, job
from paifang.core.outbox import Outbox


@job("test.greet", tries=2)
async def greet(run: Run, *, person_id: str, times: int = 1) -> None:
    """Nobody runs it here."""


@pytest.fixture
def woken():
    calls: list[int] = []

    def waker() -> None:
        calls.append(1)

    outbox.register_waker(waker)
    yield calls
    outbox.unregister_waker(waker)


async def rows(db: Database) -> list[Outbox]:
    async with db.reading() as session:
        return list(await session.scalars(select(Outbox).order_by(Outbox.id)))


async def test_a_committed_job_is_in_the_outbox_under_the_id_that_was_returned(db, woken):
    async with db.transaction() as session:
        first = enqueue(session, greet, person_id="a")
        second = enqueue(session, greet, person_id="b", times=2)
        assert woken == []
    assert {row.id: (row.job, row.arguments) for row in await rows(db)} == {
        first: ("test.greet", {"person_id": "a"}),
        second: ("test.greet", {"person_id": "b", "times": 2}),
    }
    assert woken == [1]


async def test_a_rolled_back_job_is_not_in_the_outbox_and_wakes_nobody(db, woken):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as session:
            enqueue(session, greet, person_id="a")
            await session.flush()
            raise ZeroDivisionError
    assert await rows(db) == []
    assert woken == []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({}, "person_id"),
        ({"person_id": "a", "extra": 1}, "extra"),
        ({"person_id": ["a"]}, "person_id is a list"),
        ({"person_id": Path("a")}, "person_id is a"),
    ],
)
async def test_arguments_the_job_does_not_take_are_refused_where_it_is_asked_for(
    db, arguments, wrong
):
    async with db.transaction() as session:
        with pytest.raises(ValueError, match=wrong):
            enqueue(session, greet, **arguments)
    assert await rows(db) == []


@pytest.mark.parametrize("name", ["greet", "Test.greet", "test.", "test.greet me", "t." + "x" * 99])
def test_a_job_needs_a_name_of_module_and_work(name):
    with pytest.raises(ValueError, match="name"):
        job(name)


def test_a_job_is_an_async_function():
    def plain(run: Run) -> None:
        """Not async."""

    with pytest.raises(ValueError, match="async"):
        job("test.plain")(plain)  # type: ignore[arg-type]  # that is the point
