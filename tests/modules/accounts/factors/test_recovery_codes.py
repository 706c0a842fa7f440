"""Recovery codes: shown once, kept as digests, used once."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select

from modules.accounts.factors.people import Clock, add_person, as_person
from modules.accounts.factors.test_totp import set_up
from paifang.core.db import Database
from paifang.core.secrets import Secrets
from paifang.modules.accounts.factors.errors import SecondFactorMissing
from paifang.modules.accounts.factors.models import RecoveryCode
from paifang.modules.accounts.recovery_codes import codes, service
from paifang.modules.accounts.recovery_codes.errors import WrongRecoveryCode


def test_asvs_6_5_2_a_code_has_enough_random_bits_for_a_plain_hash() -> None:
    assert len(set(codes.ALPHABET)) == 32
    assert codes.GROUPS * codes.LENGTH * 5 >= 112
    code = codes.new_code()
    assert [len(group) for group in code.split("-")] == [5] * 5
    assert len({codes.new_code() for _ in range(1000)}) == 1000


def test_a_code_is_read_however_people_write_it() -> None:
    digest = codes.digest_of("01234-56789-abcde-fghjk-vwxyz")
    for written in (
        "o1234-56789-ABCDE-FGHJK-VWXYZ",
        " OL234 56789 abcde fghjk uwxyz ",
        "0i23456789abcdefghjkvwxyz",
    ):
        assert codes.digest_of(written) == digest
    assert codes.digest_of("\ud800") != digest, "nor does anything else break it"


async def test_ten_codes_are_shown_once_and_only_their_digests_are_kept(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    actor = as_person(mei)
    async with db.transaction() as session:
        with pytest.raises(SecondFactorMissing):
            await service.renew(session, actor=actor, user_id=mei)
    await set_up(db, mei, secrets, clock)
    async with db.transaction() as session:
        made = await service.first(session, actor=actor, user_id=mei)
        assert made is not None
        assert len(made) == 10
        assert await service.first(session, actor=actor, user_id=mei) is None
        rows = (await session.scalars(select(RecoveryCode))).all()
    kept = " ".join(f"{row.digest}" for row in rows)
    assert not any(code in kept or code.replace("-", "") in kept for code in made)


async def test_asvs_6_5_1_a_recovery_code_works_once_and_the_rest_are_counted(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    actor = as_person(mei)
    await set_up(db, mei, secrets, clock)
    async with db.transaction() as session:
        made = await service.renew(session, actor=actor, user_id=mei)
        assert await service.use(session, actor=actor, user_id=mei, code=made[3].upper()) == 9
        with pytest.raises(WrongRecoveryCode):
            await service.use(session, actor=actor, user_id=mei, code=made[3])
        assert await service.left(session, user_id=mei) == 9

    async def bring() -> bool:
        try:
            async with db.transaction() as session:
                await service.use(session, actor=actor, user_id=mei, code=made[0])
        except WrongRecoveryCode:
            return False
        return True

    assert sum(await asyncio.gather(*(bring() for _ in range(6)))) == 1
    async with db.transaction() as session:
        renewed = await service.renew(session, actor=actor, user_id=mei)
        assert not set(renewed) & set(made)
        with pytest.raises(WrongRecoveryCode):
            await service.use(session, actor=actor, user_id=mei, code=made[1])


async def test_nobody_uses_anothers_code(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    other = await add_person(db, "li@example.com")
    for person in (mei, other):
        await set_up(db, person, secrets, clock)
    async with db.transaction() as session:
        made = await service.renew(session, actor=as_person(mei), user_id=mei)
        await service.renew(session, actor=as_person(other), user_id=other)
        with pytest.raises(WrongRecoveryCode):
            await service.use(session, actor=as_person(other), user_id=other, code=made[0])
        assert await service.left(session, user_id=mei) == 10
