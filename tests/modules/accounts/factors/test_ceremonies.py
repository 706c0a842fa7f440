"""Ceremonies end once, for what they began, by whom they began."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import func, select

from modules.accounts.factors.people import Clock, add_person
from paifang.core.db import Database
from paifang.modules.accounts.ceremonies import service
from paifang.modules.accounts.ceremonies.errors import CeremonyOver, TooManyCeremonies
from paifang.modules.accounts.ceremonies.models import Ceremony


async def test_it_ends_once_for_its_purpose_and_its_person(db: Database, mei: UUID) -> None:
    other = await add_person(db, "li@example.com")
    async with db.transaction() as session:
        handle = await service.begin(session, purpose="a", data={"x": 1}, user_id=mei)
        assert len(handle) == 43
        for purpose, who in (("b", mei), ("a", None), ("a", other)):
            with pytest.raises(CeremonyOver):
                await service.take(session, purpose=purpose, handle=handle, user_id=who)
        taken = await service.take(session, purpose="a", handle=handle, user_id=mei)
        assert taken.data == {"x": 1}
        for again in (handle, "", "\ud800", "x" * 10_000):
            with pytest.raises(CeremonyOver):
                await service.take(session, purpose="a", handle=again, user_id=mei)


async def test_of_many_who_end_it_at_the_same_moment_one_does(db: Database) -> None:
    async with db.transaction() as session:
        handle = await service.begin(session, purpose="a", data={})

    async def end() -> bool:
        try:
            async with db.transaction() as session:
                await service.take(session, purpose="a", handle=handle)
        except CeremonyOver:
            return False
        return True

    assert sum(await asyncio.gather(*(end() for _ in range(6)))) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_it_expires_and_is_swept(db: Database, clock: Clock) -> None:
    async with db.transaction() as session:
        handle = await service.begin(session, purpose="a", data={})
        clock.step(service.MINUTES * 60)
        with pytest.raises(CeremonyOver):
            await service.take(session, purpose="a", handle=handle)
        await service.begin(session, purpose="a", data={})
        await service.sweep(session)
        assert await session.scalar(select(func.count()).select_from(Ceremony)) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_address_can_not_fill_the_table(db: Database, clock: Clock) -> None:
    async with db.transaction() as session:
        for _ in range(service.PER_ADDRESS):
            await service.begin(session, purpose="a", data={}, address="192.0.2.1")
        with pytest.raises(TooManyCeremonies):
            await service.begin(session, purpose="a", data={}, address="192.0.2.1")
        await service.begin(session, purpose="a", data={}, address="192.0.2.2")
        clock.step(service.MINUTES * 60)
        await service.begin(session, purpose="a", data={}, address="192.0.2.1")
