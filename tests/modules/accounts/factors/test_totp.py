"""Authenticator apps: RFC 6238 to the letter, and no code works twice."""

import asyncio
import base64
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from modules.accounts.factors.people import Clock, as_person
from paifang.core.audit import AuditEntry
from paifang.core.commands import OPERATOR
from paifang.core.db import Database
from paifang.core.secrets import Secrets, SecretsError
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import SecondFactorRequired
from paifang.modules.accounts.factors.models import TotpSecret
from paifang.modules.accounts.recovery_codes import service as recovery_codes
from paifang.modules.accounts.totp import algorithm, service
from paifang.modules.accounts.totp.errors import TotpExists, TotpNotFound, WrongCode

RFC = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [
        # RFC 6238, appendix B: the last six of its eight digits.
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert algorithm.code_at(RFC, at // 30) == code


def test_asvs_6_5_5_a_code_stands_for_thirty_seconds_and_one_step_of_drift() -> None:
    at = 1_800_000_000.0
    now = int(at) // 30
    for drift, counts in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = algorithm.code_at(RFC, now + drift)
        found = algorithm.matching_step(RFC, code, at=at, after=0)
        assert (found == now + drift) is counts
    assert algorithm.matching_step(RFC, algorithm.code_at(RFC, now), at=at, after=now) is None


@pytest.mark.parametrize("code", ["", "1", "28708", "2870822", "٢٨٧٠٨٢", "287 82\x00", "\ud800"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert (
        algorithm.matching_step(RFC, code.encode("utf-8", "replace").decode(), at=59, after=0)
        is None
    )


def test_a_secret_has_160_random_bits_and_its_uri_says_what_an_app_needs() -> None:
    secret = algorithm.new_secret()
    assert len(base64.b32decode(secret)) == 20
    assert secret != algorithm.new_secret()
    uri = urlsplit(algorithm.uri(secret, account="mei+a@example.com", issuer="Pai fang"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Pai fang:mei+a@example.com"
    assert parse_qs(uri.query) == {
        "secret": [secret],
        "issuer": ["Pai fang"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def code(secret: str, clock: Clock, drift: int = 0) -> str:
    return algorithm.code_at(secret, int(clock.now.timestamp()) // 30 + drift)


async def set_up(db: Database, user_id: UUID, secrets: Secrets, clock: Clock) -> str:
    async with db.transaction() as session:
        secret = await service.begin(session, user_id=user_id, secrets=secrets)
    async with db.transaction() as session:
        await service.confirm(
            session,
            actor=as_person(user_id),
            user_id=user_id,
            secrets=secrets,
            code=code(secret, clock),
        )
    return secret


async def test_a_secret_counts_only_once_a_code_has_shown_that_the_app_has_it(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    async with db.transaction() as session:
        secret = await service.begin(session, user_id=mei, secrets=secrets)
        with pytest.raises(WrongCode):
            await service.check(session, user_id=mei, secrets=secrets, code=code(secret, clock))
        assert await factors.methods_of(session, user_id=mei) == []
        with pytest.raises(WrongCode):
            await service.confirm(
                session, actor=as_person(mei), user_id=mei, secrets=secrets, code="000000"
            )
        again = await service.begin(session, user_id=mei, secrets=secrets)
        assert again != secret, "asked once more, the first is over"
        await service.confirm(
            session, actor=as_person(mei), user_id=mei, secrets=secrets, code=code(again, clock)
        )
        assert await factors.methods_of(session, user_id=mei) == ["totp"]
        with pytest.raises(TotpExists):
            await service.begin(session, user_id=mei, secrets=secrets)


async def test_asvs_6_5_1_a_code_works_once_and_none_before_it_works_after(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    secret = await set_up(db, mei, secrets, clock)
    confirmed = code(secret, clock)
    async with db.transaction() as session:
        with pytest.raises(WrongCode):  # what confirmed it was used by that
            await service.check(session, user_id=mei, secrets=secrets, code=confirmed)
        await service.check(session, user_id=mei, secrets=secrets, code=code(secret, clock, 1))
    clock.step(30)
    async with db.transaction() as session:
        for used in (confirmed, code(secret, clock), code(secret, clock, -1)):
            with pytest.raises(WrongCode):
                await service.check(session, user_id=mei, secrets=secrets, code=used)
    clock.step(30)
    async with db.transaction() as session:
        typed = code(secret, clock)
        await service.check(
            session, user_id=mei, secrets=secrets, code=f" {typed[:3]} {typed[3:]} "
        )


async def test_of_many_who_bring_one_code_at_the_same_moment_one_is_let_in(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    secret = await set_up(db, mei, secrets, clock)
    clock.step(60)
    typed = code(secret, clock)

    async def bring() -> bool:
        try:
            async with db.transaction() as session:
                await service.check(session, user_id=mei, secrets=secrets, code=typed)
        except WrongCode:
            return False
        return True

    assert sorted(await asyncio.gather(*(bring() for _ in range(6)))) == [False] * 5 + [True]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_secret_is_encrypted_and_its_key_can_be_rotated(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    secret = await set_up(db, mei, secrets, clock)
    async with db.reading() as session:
        row = await session.get(TotpSecret, mei)
        assert row is not None
        assert secret not in row.secret
    fresh = Fernet.generate_key()
    both = Secrets("", None, b"", (fresh, *secrets.encryption_keys))
    async with db.transaction() as session:
        assert await service.rotate(session, secrets=both) == 1
    only = Secrets("", None, b"", (fresh,))
    clock.step(60)
    async with db.transaction() as session:
        await service.check(session, user_id=mei, secrets=only, code=code(secret, clock))
        with pytest.raises(SecretsError):
            await service.check(session, user_id=mei, secrets=secrets, code="000000")


async def test_removing_the_last_factor_takes_the_recovery_codes_along_unless_one_is_asked_for(
    db: Database, mei: UUID, secrets: Secrets, clock: Clock
) -> None:
    actor = as_person(mei)
    async with db.transaction() as session:
        with pytest.raises(TotpNotFound):
            await service.remove(session, actor=actor, user_id=mei)
    await set_up(db, mei, secrets, clock)
    async with db.transaction() as session:
        await recovery_codes.first(session, actor=actor, user_id=mei)
        await factors.require(session, actor=OPERATOR, rule="everybody")
    with pytest.raises(SecondFactorRequired):
        async with db.transaction() as session:
            await service.remove(session, actor=actor, user_id=mei)
    async with db.transaction() as session:
        assert await factors.methods_of(session, user_id=mei) == ["totp", "recovery_code"]
        await factors.require(session, actor=OPERATOR, rule="off")
    async with db.transaction() as session:
        await service.remove(session, actor=actor, user_id=mei)
    async with db.reading() as session:
        assert await factors.methods_of(session, user_id=mei) == []
        assert await recovery_codes.left(session, user_id=mei) == 0
        about = AuditEntry.subject_id == str(mei)
        entries = select(AuditEntry.action).where(about).order_by(AuditEntry.at)
        actions = (await session.scalars(entries)).all()
        assert actions == [
            "accounts.totp.add",
            "accounts.recovery_codes.make",
            "accounts.totp.remove",
        ]
