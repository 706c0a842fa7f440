"""Passkeys with a software authenticator: what is right is taken, whatever is not is refused."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, update

from doubles.authenticator import ATTESTED, PRESENT, VERIFIED, Authenticator, b64
from modules.accounts.factors.people import Clock, add_person, as_person
from modules.accounts.factors.test_totp import set_up
from paifang.core.commands import OPERATOR
from paifang.core.db import Database
from paifang.core.secrets import Secrets
from paifang.modules.accounts.ceremonies.errors import CeremonyOver
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import LastWayIn, SecondFactorRequired
from paifang.modules.accounts.factors.models import Passkey
from paifang.modules.accounts.passkeys import service
from paifang.modules.accounts.passkeys.errors import (
    PasskeyExists,
    PasskeyNotFound,
    PasskeyRefused,
    PasskeysUnavailable,
    TooManyPasskeys,
)
from paifang.modules.accounts.passkeys.party import Party, party

HERE = Party("paifang.example.com", "https://paifang.example.com")
SITE = "https://paifang.example.com"


async def ask_to_create(db: Database, user_id: UUID, site: Party = HERE) -> service.Question:
    return await service.ask_to_create(db, user_id=user_id, party=site, address="")


async def answer(
    db: Database, user_id: UUID, asked: service.Question, credential: dict[str, Any]
) -> UUID:
    new = await service.answer_to_create(
        db, user_id=user_id, challenge_id=asked["challenge_id"], credential=credential
    )
    async with db.transaction() as session:
        made = await service.add(
            session, actor=as_person(user_id), user_id=user_id, new=new, name="Phone"
        )
    return made.id


async def add(db: Database, user_id: UUID, device: Authenticator) -> UUID:
    asked = await ask_to_create(db, user_id)
    return await answer(db, user_id, asked, device.create(asked["options"]))


async def ask(
    db: Database, purpose: str = service.SIGN_IN, who: UUID | None = None
) -> service.Question:
    return await service.ask_to_use(db, purpose=purpose, party=HERE, address="", user_id=who)


async def prove(
    db: Database,
    asked: service.Question,
    credential: dict[str, Any],
    purpose: str = service.SIGN_IN,
    who: UUID | None = None,
) -> UUID:
    return await service.prove(
        db, purpose=purpose, challenge_id=asked["challenge_id"], credential=credential, user_id=who
    )


async def test_a_passkey_is_made_and_says_by_itself_whose_it_is(db: Database, mei: UUID) -> None:
    device = Authenticator(SITE)
    asked = await ask_to_create(db, mei)
    options = asked["options"]
    assert options["rp"] == {"id": "paifang.example.com", "name": "Paifang"}
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    await answer(db, mei, asked, device.create(options))
    question = await ask(db)
    assert question["options"]["allowCredentials"] == []
    assert question["options"]["userVerification"] == "required"
    assert await prove(db, question, device.get(question["options"])) == mei
    async with db.reading() as session:
        (kept,) = await service.list_of(session, user_id=mei)
        assert (kept.sign_count, kept.synced, kept.backed_up) == (1, True, True)
        assert kept.transports == ["hybrid", "internal"]
        assert kept.used_at is not None
        assert await factors.methods_of(session, user_id=mei) == ["passkey"]


async def test_a_device_makes_no_second_one_for_an_account_and_nobody_anothers(
    db: Database, mei: UUID
) -> None:
    device = Authenticator(SITE)
    await add(db, mei, device)
    with pytest.raises(ValueError, match="InvalidStateError"):
        device.create((await ask_to_create(db, mei))["options"])
    other = await add_person(db, "li@example.com")
    asked = await ask_to_create(db, other)
    credential = device.create(asked["options"])
    with pytest.raises(CeremonyOver):  # asked of another person
        await answer(db, mei, asked, credential)
    await answer(db, other, asked, credential)
    again = await ask_to_create(db, mei)
    copied = Authenticator(SITE)
    made = copied.create(again["options"])
    async with db.transaction() as session:
        await session.execute(
            update(Passkey)
            .where(Passkey.user_id == other)
            .values(credential_id=b64(copied.credentials[0].id))
        )
    with pytest.raises(PasskeyExists):
        await answer(db, mei, again, made)


FLAGS = PRESENT | ATTESTED
WRONG: list[dict[str, Any]] = [
    {"origin": "https://paifang.example.com.evil.example"},
    {"origin": "http://paifang.example.com"},
    {"origin": "https://paifang.example.com:8443"},
    {"rp_id": "evil.example"},
    {"challenge": "AAAA"},
    {"cross_origin": True},
]


@pytest.mark.parametrize(
    "wrong",
    [*WRONG, {"type": "webauthn.get"}, {"flags": FLAGS}, {"flags": VERIFIED | ATTESTED}],
    ids=str,
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_that_was_made_wrong_is_refused(
    db: Database, mei: UUID, wrong: dict[str, Any]
) -> None:
    asked = await ask_to_create(db, mei)
    device = Authenticator(SITE)
    with pytest.raises(PasskeyRefused):
        await answer(db, mei, asked, device.create(asked["options"], **wrong))
    with pytest.raises(CeremonyOver):  # and one question has one answer, wrong or right
        await answer(db, mei, asked, device.create(asked["options"]))


@pytest.mark.parametrize(
    "wrong",
    [
        *WRONG,
        {"type": "webauthn.create"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"user_handle": b""},
        {"user_handle": bytes(16)},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids=lambda wrong: "another key" if "key" in wrong else str(wrong),
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_that_is_used_wrong_is_refused(
    db: Database, mei: UUID, wrong: dict[str, Any]
) -> None:
    device = Authenticator(SITE)
    await add(db, mei, device)
    question = await ask(db)
    with pytest.raises(PasskeyRefused):
        await prove(db, question, device.get(question["options"], **wrong))
    with pytest.raises(CeremonyOver):
        await prove(db, question, device.get(question["options"]))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"id": 5},
        {"id": "é"},
        {"id": "x" * 5000},
        {"id": "a\x00b"},
        {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}},
        {"id": "AAAA", "response": {"userHandle": "*"}},
        {"id": "AAAA", "response": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_what_is_no_credential_at_all_is_refused(
    db: Database, mei: UUID, broken: dict[str, Any]
) -> None:
    with pytest.raises(PasskeyRefused):
        await prove(db, await ask(db), broken)
    with pytest.raises(PasskeyRefused):
        await answer(db, mei, await ask_to_create(db, mei), broken)


@pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_bytes_that_mean_nothing_are_refused(db: Database, mei: UUID, field: str) -> None:
    device = Authenticator(SITE)
    await add(db, mei, device)
    for junk in ("", "AAAA", "!!", b64(b"{}"), b64(b"[1]"), b64(bytes(37)), 5, None):
        question = await ask(db)
        credential = device.get(question["options"])
        credential["response"][field] = junk
        with pytest.raises(PasskeyRefused):
            await prove(db, question, credential)


async def test_an_answer_is_not_taken_twice_even_at_the_same_moment(
    db: Database, mei: UUID
) -> None:
    device = Authenticator(SITE, counts=False)
    await add(db, mei, device)
    question = await ask(db)
    credential = device.get(question["options"])

    async def bring() -> bool:
        try:
            await prove(db, question, credential)
        except (CeremonyOver, PasskeyRefused):
            return False
        return True

    assert sum(await asyncio.gather(*(bring() for _ in range(4)))) == 1


async def test_a_count_that_goes_back_is_that_of_a_copy(db: Database, mei: UUID) -> None:
    device = Authenticator(SITE)
    await add(db, mei, device)
    for count, taken in ((5, True), (5, False), (4, False), (0, False), (6, True)):
        question = await ask(db)
        credential = device.get(question["options"], count=count)
        if taken:
            assert await prove(db, question, credential) == mei
        else:
            with pytest.raises(PasskeyRefused, match="went back"):
                await prove(db, question, credential)


async def test_one_that_does_not_count_is_taken_as_often_as_it_is_asked(
    db: Database, mei: UUID
) -> None:
    device = Authenticator(SITE, counts=False)
    await add(db, mei, device)
    for _ in range(3):
        question = await ask(db)
        assert await prove(db, question, device.get(question["options"])) == mei


async def test_after_a_password_only_that_persons_passkeys_count(db: Database, mei: UUID) -> None:
    li = await add_person(db, "li@example.com")
    hers, his = Authenticator(SITE), Authenticator(SITE)
    await add(db, mei, hers)
    await add(db, li, his)
    question = await ask(db, service.SECOND, mei)
    assert [item["id"] for item in question["options"]["allowCredentials"]] == [
        b64(hers.credentials[0].id)
    ]
    with pytest.raises(PasskeyRefused):
        await prove(
            db,
            question,
            his.get(question["options"], credential=his.credentials[0]),
            service.SECOND,
            mei,
        )
    question = await ask(db, service.SECOND, mei)
    with pytest.raises(CeremonyOver):  # for one thing is not for another
        await prove(db, question, hers.get(question["options"]), service.REAUTHENTICATE, mei)
    question = await ask(db, service.SECOND, mei)
    assert await prove(db, question, hers.get(question["options"]), service.SECOND, mei) == mei


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_removed_one_is_not_known_any_more(db: Database, mei: UUID) -> None:
    device = Authenticator(SITE)
    passkey_id = await add(db, mei, device)
    question = await ask(db)
    async with db.transaction() as session:
        await service.remove(session, actor=as_person(mei), user_id=mei, passkey_id=passkey_id)
    with pytest.raises(PasskeyRefused, match="not known"):
        await prove(db, question, device.get(question["options"]))


async def test_the_last_way_in_stays_and_so_does_a_last_factor_that_is_asked_for(
    db: Database, secrets: Secrets, clock: Clock
) -> None:
    ann = await add_person(db, "ann@example.com", password=False)
    actor = as_person(ann)
    first = await add(db, ann, Authenticator(SITE))
    await set_up(db, ann, secrets, clock)  # an app alone lets nobody in
    async with db.transaction() as session:
        with pytest.raises(LastWayIn):
            await service.remove(session, actor=actor, user_id=ann, passkey_id=first)
    second = await add(db, ann, Authenticator(SITE))

    async def remove(passkey_id: UUID) -> bool:
        try:
            async with db.transaction() as session:
                await service.remove(session, actor=actor, user_id=ann, passkey_id=passkey_id)
        except LastWayIn:
            return False
        return True

    assert sum(await asyncio.gather(remove(first), remove(second))) == 1, "one is left"
    mei = await add_person(db)
    only = await add(db, mei, Authenticator(SITE))
    async with db.transaction() as session:
        await factors.require(session, actor=OPERATOR, rule="everybody")
    with pytest.raises(SecondFactorRequired):
        async with db.transaction() as session:
            await service.remove(session, actor=as_person(mei), user_id=mei, passkey_id=only)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_is_renamed_by_its_person_alone_and_twenty_are_the_most(
    db: Database, mei: UUID
) -> None:
    li = await add_person(db, "li@example.com")
    passkey_id = await add(db, mei, Authenticator(SITE))
    async with db.transaction() as session:
        for call in (
            service.rename(
                session, actor=as_person(li), user_id=li, passkey_id=passkey_id, name="Mine"
            ),
            service.remove(session, actor=as_person(li), user_id=li, passkey_id=passkey_id),
        ):
            with pytest.raises(PasskeyNotFound):
                await call
        renamed = await service.rename(
            session, actor=as_person(mei), user_id=mei, passkey_id=passkey_id, name="Laptop"
        )
        assert renamed.name == "Laptop"
        row = await session.scalar(select(Passkey))
        assert row is not None
        values = {c.key: getattr(row, c.key) for c in Passkey.__table__.columns}
        for number in range(service.MOST - 1):
            session.add(Passkey(**{**values, "id": None, "credential_id": f"x{number}"}))
    with pytest.raises(TooManyPasskeys):
        await ask_to_create(db, mei)


@pytest.mark.parametrize(
    ("public", "request_url", "made"),
    [
        ("https://paifang.example.com/", "http://10.0.0.1:8000/", HERE),
        ("https://pf.example:8443", "", Party("pf.example", "https://pf.example:8443")),
        ("https://PF.example:443", "", Party("pf.example", "https://pf.example")),
        ("http://localhost:8000", "", Party("localhost", "http://localhost:8000")),
        ("", "http://localhost:8000/x", Party("localhost", "http://localhost:8000")),
        ("", "http://a.localhost/", Party("a.localhost", "http://a.localhost")),
    ],
)
def test_the_site_is_that_of_the_public_url_or_this_machine(
    public: str, request_url: str, made: Party
) -> None:
    assert party(public_url=public, request_url=request_url) == made


@pytest.mark.parametrize(
    ("public", "request_url", "advice"),
    [
        ("http://paifang.lan", "", "https://paifang.lan"),
        ("http://192.168.1.5:8000", "", "name and https"),
        ("https://192.168.1.5", "", "name and https"),
        ("https://[::1]", "", "name and https"),
        ("", "http://127.0.0.1:8000/", "http://localhost:8000"),
        ("", "https://evil.example/", "PAIFANG_PUBLIC_URL"),
        ("", "http://192.168.1.5:8000/", "PAIFANG_PUBLIC_URL"),
        ("", "http://localhost.evil.example/", "PAIFANG_PUBLIC_URL"),
    ],
)
def test_where_browsers_offer_none_the_refusal_says_what_is_needed(
    public: str, request_url: str, advice: str
) -> None:
    with pytest.raises(PasskeysUnavailable, match=advice.replace(".", r"\.")):
        party(public_url=public, request_url=request_url)
